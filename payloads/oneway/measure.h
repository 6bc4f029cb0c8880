/* The ancestor's two halves: a server that measures one way, a client that measures both. */
#ifndef ONEWAY_MEASURE_H
#define ONEWAY_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "exchange.h"
#include "offset.h"
#include "stamp.h"
#include "summary.h"

enum offset_source {
	OFFSET_GIVEN,
	OFFSET_FROM_KVM,
	OFFSET_ESTIMATED,
};

struct measure {
	const char *transport;		/* vsock, unix or inet */
	struct address address;		/* to listen on, or to connect to */
	struct exchange_plan plan;
	struct stamp_clock clock;
	uint64_t patience_ms;		/* for the connection */
	enum offset_source source;
	struct offset offset;		/* OFFSET_GIVEN */
	const char *kvm_folder;		/* OFFSET_FROM_KVM */
	int64_t vm, vcpu;
	size_t last;			/* samples to print */
	struct percentiles percentiles;
	const char *hgrm;		/* file for the distribution, or NULL */
	bool json;
};

/* Their results go to standard output; the exit status. */
int measure_serve(const struct measure *m);
int measure_ask(const struct measure *m);

/* Tell one series of latencies; the ancestor's lines and --hgrm are for the main one, told last. */
int measure_tell(const struct measure *m, const char *name, const double *latencies, size_t n,
		 bool main);
void measure_tell_placement(const struct measure *m, const struct exchange *e);

/* Say on standard error what went wrong; returns EXIT_ERROR. */
int complain(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* {"type":"clock",...}: what the stamps are and how fast they run. */
void write_clock(FILE *out, const struct stamp_clock *clock);

#endif

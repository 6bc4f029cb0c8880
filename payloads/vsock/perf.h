/* The host's half of the micro benchmark: what it measures, and how it is told. */
#ifndef VSOCK_PERF_H
#define VSOCK_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol.h"
#include "transport.h"
#include "volume.h"

/* One number of each repetition. */
struct series {
	double *values;
	size_t n;
};

struct perf_results {
	bool corruption_checked;
	bool corrupted;
	struct series latency;			/* nanoseconds, there and back */
	/* All rates: MiB/s of one transfer each. */
	struct series tx, rx;			/* bidirectional; rx ends in our own buffer */
	struct series single;			/* round trip: both ways over the time of both */
	struct series to_guest, to_host;	/* the two ways of `single`, at their receivers */
	struct series multi;			/* each of the five streams by itself */
	struct series multi_sum;		/* all five over the time of all */
	double cpu_ns_per_byte;			/* of this process, in the single stream test */
};

/* Room for all repetitions; -1: no memory. */
int perf_results_new(struct perf_results *r, const struct volume *v);
void perf_results_free(struct perf_results *r);

/* Take all nine connections of the guest; `fds` are set to -1 before.  -1 with `why`. */
int perf_accept(int listener, int *fds, deadline_t deadline, struct why *why);

struct perf_run {
	int fds[SOCKETS];
	struct volume volume;
	uint64_t packet_limit_ms;
	uint64_t magic_limit_ms;
	uint64_t transfer_limit_ms;	/* of one direction of one repetition */
	bool progress;			/* on standard error */
};

/*
 * The tests in their order.  What was measured before one failed is in `r`; then
 * -1, and `why` names it.
 */
int perf_measure(struct perf_run *p, struct perf_results *r, struct why *why);

/* The p-th percentile as the ancestor took it: no interpolation. */
double perf_percentile(const double *sorted, size_t n, unsigned int percent);

/* Both sort the series they tell. */
void perf_print(FILE *out, struct perf_results *r, const struct volume *v);
void perf_write_json(FILE *out, struct perf_results *r, const struct volume *v);

#endif

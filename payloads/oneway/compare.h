/* vsock, unix and inet in one interleaved run. */
#ifndef ONEWAY_COMPARE_H
#define ONEWAY_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "stamp.h"
#include "summary.h"

struct compare {
	struct stamp_clock clock;
	bool trust;
	uint32_t vsock_cid;	/* whose server is asked; our own: a server is started here */
	uint32_t port;		/* of servers on other machines */
	const char *remote;	/* address for "inet remote", or NULL */
	int64_t count;		/* messages of each transport, over all rounds */
	int64_t rounds;
	int64_t size;
	int64_t server_cpu;	/* for servers that are started here; -1: any */
	uint64_t limit_ms;
	const char *svg;	/* file for the plot, or NULL */
	bool json;
	struct percentiles percentiles;
};

/* Results to standard output; the exit status. */
int compare_run(const struct compare *c, const char *program, char *const argv[]);

#endif

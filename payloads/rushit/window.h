/* The time that counts, and what was done in it. */
#ifndef RUSHIT_WINDOW_H
#define RUSHIT_WINDOW_H

#include <sys/resource.h>

#include "message.h"
#include "series.h"
#include "worker.h"

/* Sums over all workers at one moment. */
struct totals {
	uint64_t ns;
	uint64_t transactions, bytes_read, bytes_written;
	uint64_t lost, send_errors, copied;
};

struct window {
	struct run *run;
	struct worker *const *workers;
	int count;
	struct rusage before, after;
	struct totals begin, end;
	uint64_t *bytes_begin, *bytes_end;	/* of each worker */
	struct series series;
	struct totals last;		/* at the last interval's end */
	uint64_t flow_samples;
	uint64_t cpu_ns;
};

int window_init(struct window *window, struct run *run, struct worker *const *workers, int count);
void window_free(struct window *window);

void window_begin(struct window *window);
/* An interval is over; `seconds` and the returned sums tell of it alone. */
struct totals window_interval(struct window *window, double *seconds);
void window_end(struct window *window);

struct totals window_done(const struct window *window);
double window_seconds(const struct window *window);
struct tally window_tally(const struct window *window);

#endif

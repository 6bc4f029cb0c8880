/* What a series of latencies comes to, as the ancestor's lines, as sentences and as JSON. */
#ifndef ONEWAY_SUMMARY_H
#define ONEWAY_SUMMARY_H

#include <stddef.h>
#include <stdio.h>

#include "histogram.h"
#include "stamp.h"

#define MOST_PERCENTILES 16

/* The percentiles that are told, from a list as "50,99,99.9". */
struct percentiles {
	double at[MOST_PERCENTILES];
	size_t n;
};

/* For a table of options: NULL, or what is wrong. */
const char *percentiles_parse(const char *list, void *into);

struct summary {
	double first;		/* the first message, in stamps; it is in nothing else here */
	const double *values;	/* the others, in stamps */
	size_t n;
	double min, max, median, mean, stddev;
	struct histogram *nanoseconds;
};

/* Of n > 1 latencies, which must stay where they are.  -1: no memory. */
int summary_make(struct summary *s, const struct stamp_clock *clock, const double *latencies,
		 size_t n);
void summary_free(struct summary *s);

/* The last samples, "Initial connection/send: " to "stddev: ", all in stamps. */
void summary_print_stamps(const struct summary *s, FILE *out, size_t last);

/* "one-way in microseconds: min ..., median ..., 99 % ..." */
void summary_print_time(const struct summary *s, FILE *out, const char *name,
			const struct stamp_clock *clock, const struct percentiles *p);

/* A line {"type":"latency","name":...} with percentiles and buckets, and figures. */
void summary_write_json(const struct summary *s, FILE *out, const char *transport,
			const char *name, const struct stamp_clock *clock,
			const struct percentiles *p);

#endif

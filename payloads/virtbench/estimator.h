/*
 * How often to run a benchmark, and what the times say.  The caller takes samples
 * of as many runs as it is told and hands in the time of each; no clock in here.
 */
#ifndef VIRTBENCH_ESTIMATOR_H
#define VIRTBENCH_ESTIMATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "statistics.h"

#define MINIMUM_SAMPLES 10

enum stop_rule {
	STOP_PRECISE,	/* the interval of the median lies within 1 % of it */
	STOP_AT_PEAKS,	/* every peak has MINIMUM_SAMPLES */
	STOP_ROUGH,	/* one peak has them */
	STOP_FORCED,	/* `forced_runs`, no overhead, MINIMUM_SAMPLES */
};

struct estimator_rules {
	enum stop_rule stop;
	uint32_t forced_runs;
	uint64_t limit_ns;	/* spent on one benchmark; passed only to get MINIMUM_SAMPLES */
	uint64_t seed;		/* of the bootstrap */
};

struct estimator;

struct estimator *estimator_new(const struct estimator_rules *rules);
void estimator_free(struct estimator *e);

/*
 * False when enough is known; else take a sample of `*runs` runs (0: the overhead)
 * and add it.  `spent_ns` is how long this benchmark has taken so far.  Ends after
 * a bounded number of samples, whatever is handed in.
 */
bool estimator_next(struct estimator *e, uint64_t spent_ns, uint32_t *runs);
void estimator_add(struct estimator *e, double ns);

/* A lump of samples no more than 1 % of the smallest apart; times of whole samples. */
struct peak {
	double low, high;
	size_t count;
};

#define MAXIMUM_PEAKS 100

/* How many there are, upwards; those that hold 1 % of the samples or less are left out. */
size_t find_peaks(const double *samples, size_t n, struct peak peaks[MAXIMUM_PEAKS]);

struct estimate {
	size_t samples;
	uint32_t runs;		/* in each sample */
	double overhead;	/* the least ever seen, taken off each sample */
	double overhead_spread;	/* the median overhead lies that much above it */
	/* ns a run, or a whole sample with STOP_FORCED */
	double median, min, max;
	struct interval interval;	/* 95 % of the median, widened by the spread */
	const double *values;		/* as they came; belongs to the estimator */
	const struct peak *peaks;	/* likewise */
	size_t n_peaks;
	bool limited;		/* the limit ended it, not the rule */
	bool too_small;		/* cannot be told from the overhead */
};

/* Once, after estimator_next() has said false. */
struct estimate estimator_result(struct estimator *e);

#endif

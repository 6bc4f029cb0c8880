#include "estimator.h"

#include <math.h>
#include <stdlib.h>

#define SAMPLES_MAX 10000
#define RUNS_MAX (1u << 30)
#define OVERHEAD_FACTOR 100
/* A sample this long is long enough, if the overhead is a small part of it. */
#define SAMPLE_LONG_NS 100e6
#define ROUGH_SAMPLE_LONG_NS 20e6
#define PRECISION 0.01

struct estimator {
	struct estimator_rules rules;
	uint32_t runs;
	double overheads[MINIMUM_SAMPLES];
	size_t n_overheads;
	double samples[SAMPLES_MAX];
	size_t n;
	struct peak peaks[MAXIMUM_PEAKS];
	bool limited;
	bool too_small;
};

struct estimator *estimator_new(const struct estimator_rules *rules)
{
	struct estimator *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->rules = *rules;
	if (rules->stop == STOP_FORCED) {
		e->n_overheads = MINIMUM_SAMPLES;
		e->runs = rules->forced_runs;
	}
	return e;
}

void estimator_free(struct estimator *e)
{
	free(e);
}

static bool measures_overhead(const struct estimator *e)
{
	return e->n_overheads < MINIMUM_SAMPLES;
}

/* The least time ever seen: a sample of one run may come below those of none. */
static double overhead(const struct estimator *e)
{
	double least = stats_min(e->overheads, e->n_overheads);

	if (e->rules.stop == STOP_FORCED)
		return 0;
	return e->n ? fmin(least, stats_min(e->samples, e->n)) : least;
}

/*
 * Runs that make a sample 100 times as long as the overhead usually is, or at least 10 times
 * and long in itself; the same number when it is so already or cannot be raised.
 */
static uint32_t enough_runs(struct estimator *e)
{
	double usual = stats_median(e->overheads, e->n_overheads);
	double spread = usual - stats_min(e->overheads, e->n_overheads);
	double typical = stats_median(e->samples, e->n), cost = typical - usual;
	double enough = e->rules.stop == STOP_ROUGH ? ROUGH_SAMPLE_LONG_NS : SAMPLE_LONG_NS;
	double wanted = fmin(OVERHEAD_FACTOR * usual, fmax(enough, 10 * usual));
	uint32_t runs = e->runs;

	if (typical >= wanted)
		return runs;
	if (runs == RUNS_MAX) {
		/* Whatever it costs may be luck. */
		e->too_small = typical < 10 * usual;
		return runs;
	}
	/* Costs nothing, as far as can be seen: look with more. */
	if (cost <= spread)
		return runs < RUNS_MAX / 16 ? runs * 16 : RUNS_MAX;
	/* Step by step: what was seen so far may have been luck. */
	while (runs * (cost / e->runs) < wanted && runs < RUNS_MAX && runs < e->runs * 1024ull)
		runs *= 2;
	return runs;
}

static bool peaks_are_full(struct estimator *e, bool one_is_enough)
{
	size_t n = find_peaks(e->samples, e->n, e->peaks), full = 0;

	for (size_t i = 0; i < n; i++)
		full += e->peaks[i].count >= MINIMUM_SAMPLES;
	return one_is_enough ? full > 0 : n && full == n;
}

/* One standard deviation of the median either way: half as wide as its interval. */
static struct interval likely_median(const struct estimator *e)
{
	double percent = 50 / sqrt((double)e->n);

	return (struct interval){ stats_percentile(e->samples, e->n, 50 - percent),
				  stats_percentile(e->samples, e->n, 50 + percent) };
}

/* The bootstrap costs milliseconds: done only where it has a chance. */
static bool is_precise(const struct estimator *e)
{
	double median = stats_median(e->samples, e->n);
	struct interval wanted = { median * (1 - PRECISION), median * (1 + PRECISION) };
	struct interval interval = likely_median(e);

	if (interval.low < wanted.low || interval.high > wanted.high)
		return false;
	interval = stats_median_interval(e->samples, e->n, e->rules.seed);
	return interval.low >= wanted.low && interval.high <= wanted.high;
}

static bool rule_is_met(struct estimator *e)
{
	switch (e->rules.stop) {
	case STOP_FORCED:
		return true;
	case STOP_ROUGH:
		return peaks_are_full(e, true);
	case STOP_AT_PEAKS:
		return peaks_are_full(e, false);
	default:
		return is_precise(e);
	}
}

bool estimator_next(struct estimator *e, uint64_t spent_ns, uint32_t *runs)
{
	*runs = 0;
	if (measures_overhead(e))
		return true;
	if (!e->runs)
		e->runs = 1;
	*runs = e->runs;
	if (e->n < MINIMUM_SAMPLES)
		return true;
	if (e->rules.stop != STOP_FORCED && e->n == MINIMUM_SAMPLES) {
		*runs = enough_runs(e);
		if (*runs != e->runs) {
			e->runs = *runs;
			e->n = 0;
			return true;
		}
	}
	if (rule_is_met(e))
		return false;
	e->limited = spent_ns >= e->rules.limit_ns || e->n == SAMPLES_MAX;
	return !e->limited;
}

void estimator_add(struct estimator *e, double ns)
{
	if (measures_overhead(e))
		e->overheads[e->n_overheads++] = ns;
	else if (e->n < SAMPLES_MAX)
		e->samples[e->n++] = ns;
}

static double per_run_of(const struct estimator *e, double least, double sample)
{
	return e->rules.stop == STOP_FORCED ? sample : (sample - least) / e->runs;
}

struct estimate estimator_result(struct estimator *e)
{
	double least = overhead(e), spread = 0;
	struct estimate result = {
		.samples = e->n,
		.runs = e->runs,
		.overhead = least,
		.values = e->samples,
		.peaks = e->peaks,
		.limited = e->limited,
		.too_small = e->too_small,
	};

	if (e->rules.stop != STOP_FORCED)
		spread = stats_median(e->overheads, e->n_overheads) - least;
	result.overhead_spread = spread;
	result.n_peaks = find_peaks(e->samples, e->n, e->peaks);
	for (size_t i = 0; i < result.n_peaks; i++) {
		e->peaks[i].low = per_run_of(e, least, e->peaks[i].low);
		e->peaks[i].high = per_run_of(e, least, e->peaks[i].high);
	}
	for (size_t i = 0; i < e->n; i++)
		e->samples[i] = per_run_of(e, least, e->samples[i]);
	result.median = stats_median(e->samples, e->n);
	result.min = stats_min(e->samples, e->n);
	result.max = stats_max(e->samples, e->n);
	result.interval = stats_median_interval(e->samples, e->n, e->rules.seed);
	result.interval.low = fmin(fmax(result.interval.low - spread / e->runs, 0), result.median);
	return result;
}

#include "tests/distributions.h"

#include <math.h>
#include <stdlib.h>

#include "estimator.h"
#include "random.h"

#define MEDIAN 1000.0
#define OVERHEAD 1.0
/* More than either needs: who gets here has lost. */
#define PLAIN_MAX 5000

static double gauss(double u, double v)
{
	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static double uniform(double u, double v)
{
	(void)v;
	return MEDIAN * (0.95 + 0.1 * u);
}

static double normal(double u, double v)
{
	return MEDIAN * (1 + 0.03 * gauss(u, v));
}

static double long_tail(double u, double v)
{
	return MEDIAN * exp(0.05 * gauss(u, v));
}

/* Waiting times: nothing is quicker than the bulk, much is slower. */
static double waiting(double u, double v)
{
	(void)v;
	return MEDIAN * (1 - 0.05 * log(2) - 0.05 * log(u));
}

/* One in ten takes three times as long. */
static double outliers(double u, double v)
{
	double tenth = u * 10;

	if (tenth <= 1)
		return 3 * normal(tenth, v);
	/* The middle of all is at 5/9 of the nine tenths that are normal. */
	return normal((tenth - 1) / 9, v) - MEDIAN * 0.03 * 0.1397;
}

/* Two speeds, 5 % apart; the median is of the more frequent. */
static double twins(double u, double v)
{
	bool slow = u <= 0.2;
	double rest = slow ? u / 0.2 : (u - 0.2) / 0.8;

	return MEDIAN * (slow ? 1.05 : 1) * (1 + 0.01 * gauss(rest, v)) -
	       (slow ? 0 : MEDIAN * 0.01 * 0.3186);
}

const struct distribution distributions[] = {
	{ "uniform", MEDIAN, uniform }, { "normal", MEDIAN, normal },
	{ "long tail", MEDIAN, long_tail }, { "waiting", MEDIAN, waiting },
	{ "outliers", MEDIAN, outliers }, { "twins", MEDIAN, twins },
};
const size_t n_distributions = sizeof(distributions) / sizeof(distributions[0]);

/* Above 0, up to 1. */
static double fraction(struct random *r)
{
	return ((double)random_below(r, 1u << 30) + 1) / (1u << 30);
}

static double next(const struct distribution *d, struct random *r)
{
	double u = fraction(r), v = fraction(r);

	return d->draw(u, v);
}

static size_t plain_bootstrap(const struct distribution *d, uint64_t seed)
{
	double samples[PLAIN_MAX];
	struct random r;
	size_t n = 0;

	random_seed(&r, seed);
	while (n < PLAIN_MAX) {
		struct interval interval;
		double median;

		samples[n++] = OVERHEAD + next(d, &r);
		if (n < MINIMUM_SAMPLES)
			continue;
		median = stats_median(samples, n);
		interval = stats_median_interval(samples, n, seed);
		if (interval.low >= 0.99 * median && interval.high <= 1.01 * median)
			break;
	}
	return n;
}

struct needed samples_needed(const struct distribution *d, uint64_t seed)
{
	struct estimator_rules rules = { .stop = STOP_PRECISE, .limit_ns = 1, .seed = seed };
	struct estimator *e = estimator_new(&rules);
	struct needed needed = { .plain = plain_bootstrap(d, seed) };
	struct estimate estimate;
	struct random r;
	uint32_t runs;

	if (!e)
		abort();
	random_seed(&r, seed);
	/* No time is spent; a sample of one run is long enough. */
	while (estimator_next(e, 0, &runs))
		estimator_add(e, runs ? OVERHEAD + runs * next(d, &r) : OVERHEAD);
	estimate = estimator_result(e);
	needed.estimator = estimate.samples;
	needed.precise = !estimate.limited && estimate.runs == 1 &&
			 estimate.interval.low >= 0.9899 * estimate.median &&
			 estimate.interval.high <= 1.0101 * estimate.median;
	needed.holds = estimate.interval.low <= d->median && d->median <= estimate.interval.high;
	estimator_free(e);
	return needed;
}

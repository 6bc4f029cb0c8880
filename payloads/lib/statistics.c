#include "statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define RESAMPLES 2000

double stats_mean(const double *samples, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += samples[i];
	return n ? sum / (double)n : NAN;
}

double stats_stddev(const double *samples, size_t n)
{
	double mean = stats_mean(samples, n), squares = 0;

	if (n < 2)
		return NAN;
	for (size_t i = 0; i < n; i++)
		squares += (samples[i] - mean) * (samples[i] - mean);
	return sqrt(squares / (double)(n - 1));
}

double stats_min(const double *samples, size_t n)
{
	double least = NAN;

	for (size_t i = 0; i < n; i++)
		least = fmin(least, samples[i]);
	return least;
}

double stats_max(const double *samples, size_t n)
{
	double greatest = NAN;

	for (size_t i = 0; i < n; i++)
		greatest = fmax(greatest, samples[i]);
	return greatest;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A sorted copy; NULL when there is nothing to sort or no memory. */
static double *sorted(const double *samples, size_t n)
{
	double *copy = n ? malloc(n * sizeof(*copy)) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, samples, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), compare);
	return copy;
}

static double percentile_of_sorted(const double *ordered, size_t n, double percent)
{
	double position = percent / 100 * (double)(n - 1);
	size_t below = (size_t)position;

	if (below + 1 >= n)
		return ordered[n - 1];
	return ordered[below] + (position - (double)below) * (ordered[below + 1] - ordered[below]);
}

double stats_percentile(const double *samples, size_t n, double percent)
{
	double *ordered = sorted(samples, n);
	double value = ordered ? percentile_of_sorted(ordered, n, percent) : NAN;

	free(ordered);
	return value;
}

double stats_median(const double *samples, size_t n)
{
	return stats_percentile(samples, n, 50);
}

double stats_correlation(const double *x, const double *y, size_t n)
{
	double mean_x = stats_mean(x, n), mean_y = stats_mean(y, n);
	double xx = 0, yy = 0, xy = 0;

	for (size_t i = 0; i < n; i++) {
		xx += (x[i] - mean_x) * (x[i] - mean_x);
		yy += (y[i] - mean_y) * (y[i] - mean_y);
		xy += (x[i] - mean_x) * (y[i] - mean_y);
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/*
 * Exact by table where the expansion in 1/degrees (Abramowitz and Stegun 26.7.5)
 * is not yet good to five digits.
 */
double stats_student_t(size_t degrees)
{
	static const double table[] = {
		12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
		2.364624, 2.306004, 2.262157, 2.228139, 2.200985, 2.178813,
	};
	const double x = 1.959963985;
	const double x3 = x * x * x, x5 = x3 * x * x, x7 = x5 * x * x, x9 = x7 * x * x;
	double d = (double)degrees;

	if (!degrees)
		return INFINITY;
	if (degrees <= sizeof(table) / sizeof(table[0]))
		return table[degrees - 1];
	return x + (x3 + x) / 4 / d + (5 * x5 + 16 * x3 + 3 * x) / 96 / (d * d) +
	       (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / 384 / (d * d * d) +
	       (79 * x9 + 776 * x7 + 1482 * x5 - 1920 * x3 - 945 * x) / 92160 / (d * d * d * d);
}

struct interval stats_mean_interval(const double *samples, size_t n)
{
	double mean = stats_mean(samples, n), half;

	if (n < 2)
		return (struct interval){ n ? -INFINITY : NAN, n ? INFINITY : NAN };
	half = stats_student_t(n - 1) * stats_stddev(samples, n) / sqrt((double)n);
	return (struct interval){ mean - half, mean + half };
}

/*
 * The median of one resample of `ordered`: how often each sample was drawn is
 * counted, and the middle found by adding up.
 */
static double resampled_median(struct random *r, const double *ordered, unsigned int *drawn,
			       size_t n)
{
	size_t seen = 0, i = 0, middle = (n - 1) / 2;
	double lower;

	memset(drawn, 0, n * sizeof(*drawn));
	for (size_t k = 0; k < n; k++)
		drawn[random_below(r, n)]++;
	while (seen + drawn[i] <= middle)
		seen += drawn[i++];
	lower = ordered[i];
	if (n % 2)
		return lower;
	while (seen + drawn[i] <= middle + 1)
		seen += drawn[i++];
	return (lower + ordered[i]) / 2;
}

/* Fills `medians` with those of RESAMPLES resamples of `samples`; false: nothing, or no memory. */
static bool resample(struct random *r, const double *samples, size_t n, double *medians)
{
	double *ordered = sorted(samples, n);
	unsigned int *drawn = malloc((n + 1) * sizeof(*drawn));
	bool done = ordered && drawn && medians;

	for (size_t i = 0; done && i < RESAMPLES; i++)
		medians[i] = resampled_median(r, ordered, drawn, n);
	free(drawn);
	free(ordered);
	return done;
}

static struct interval middle_95_percent(const double *values)
{
	return (struct interval){ stats_percentile(values, RESAMPLES, 2.5),
				  stats_percentile(values, RESAMPLES, 97.5) };
}

struct interval stats_median_interval(const double *samples, size_t n, uint64_t seed)
{
	struct interval interval = { NAN, NAN };
	double *medians = malloc(RESAMPLES * sizeof(*medians));
	struct random r;

	random_seed(&r, seed);
	if (resample(&r, samples, n, medians))
		interval = middle_95_percent(medians);
	free(medians);
	return interval;
}

struct interval stats_median_ratio_interval(const double *a, size_t n_a, const double *b,
					    size_t n_b, uint64_t seed)
{
	struct interval interval = { NAN, NAN };
	double *of_a = malloc(RESAMPLES * sizeof(*of_a));
	double *of_b = malloc(RESAMPLES * sizeof(*of_b));
	struct random r;

	random_seed(&r, seed);
	if (resample(&r, a, n_a, of_a) && resample(&r, b, n_b, of_b)) {
		bool known = true;

		/* To no time nothing has a ratio. */
		for (size_t i = 0; i < RESAMPLES; i++) {
			known &= of_a[i] > 0;
			of_b[i] /= of_a[i];
		}
		if (known)
			interval = middle_95_percent(of_b);
	}
	free(of_b);
	free(of_a);
	return interval;
}

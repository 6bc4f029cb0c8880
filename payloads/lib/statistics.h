/*
 * Numbers about samples.  All take samples in any order and leave them as they were.
 * What samples are too few to tell is NaN.
 */
#ifndef XENTEST_STATISTICS_H
#define XENTEST_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct interval {
	double low;
	double high;
};

double stats_mean(const double *samples, size_t n);
double stats_stddev(const double *samples, size_t n);	/* of a sample: n - 1 */
double stats_min(const double *samples, size_t n);
double stats_max(const double *samples, size_t n);
double stats_median(const double *samples, size_t n);

/* `percent` from 0 to 100, linear interpolation between neighbours. */
double stats_percentile(const double *samples, size_t n, double percent);

/* Pearson; 0 when either does not vary. */
double stats_correlation(const double *x, const double *y, size_t n);

/* Confidence interval of the mean by Student's t, at 95 %. */
struct interval stats_mean_interval(const double *samples, size_t n);

/* Bootstrap interval of the median at 95 %, reproducible by its seed. */
struct interval stats_median_interval(const double *samples, size_t n, uint64_t seed);

/* Likewise of median(b) / median(a). */
struct interval stats_median_ratio_interval(const double *a, size_t n_a, const double *b,
					    size_t n_b, uint64_t seed);

/* Two-sided 97.5 % quantile of Student's t. */
double stats_student_t(size_t degrees);

#endif

/* How work grew with time, interval by interval, in constant memory. */
#ifndef RUSHIT_SERIES_H
#define RUSHIT_SERIES_H

#include <stdint.h>

struct series {
	uint64_t points;	/* moments, the first included */
	double first_s, last_s;
	double first_work, last_work;
	/* Running sums about the mean: time, work, and the rates of the intervals. */
	double mean_time, mean_work, var_time, var_work, cov;
	uint64_t intervals;
	double longest_s;
	double mean_rate, var_rate;
};

/* Work is a count since the beginning, so it never falls. */
void series_add(struct series *series, double seconds, double work);

/* Work a second from the first point to the last. */
double series_rate(const struct series *series);

/* Pearson's correlation of time and work: near 1 when work went on evenly. */
double series_correlation(const struct series *series);

/*
 * Half the width of the 95 % confidence interval of the mean of the intervals' rates, as a
 * part of that mean; infinite below two intervals.  Neighbouring intervals are taken to be
 * independent.
 */
double series_uncertainty(const struct series *series);

#endif

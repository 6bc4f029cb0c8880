/*
 * Made-up times of known median, and how many of them it takes to know it to 1 %: to the
 * estimator, and to a loop that computes a bootstrap interval after every sample.
 */
#ifndef VIRTBENCH_TESTS_DISTRIBUTIONS_H
#define VIRTBENCH_TESTS_DISTRIBUTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct distribution {
	const char *name;
	double median;
	double (*draw)(double u, double v);	/* from two uniform numbers above 0, up to 1 */
};

extern const struct distribution distributions[];
extern const size_t n_distributions;

struct needed {
	size_t estimator, plain;	/* samples */
	bool precise;			/* the estimator's interval lies within 1 % of its median */
	bool holds;			/* and the true median lies in it */
};

/* The same numbers to both. */
struct needed samples_needed(const struct distribution *distribution, uint64_t seed);

#endif

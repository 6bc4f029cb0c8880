/* Two measurements of one benchmark, and what can be said about them. */
#ifndef VIRTBENCH_COMPARISON_H
#define VIRTBENCH_COMPARISON_H

#include <stdio.h>

#include "samples.h"
#include "statistics.h"

enum comparison_verdict { FASTER, SLOWER, SAME, CANNOT_TELL };

struct comparison {
	const char *name;
	double a, b;			/* medians, ns */
	double ratio;			/* b to a */
	struct interval interval;	/* of the ratio, 95 % */
	enum comparison_verdict verdict;
};

/* "Same" when the interval lies within 2 % of 1. */
struct comparison compare_samples(const struct samples *a, const struct samples *b);

const char *comparison_name(enum comparison_verdict verdict);

/* Ratios with their intervals as a picture. */
void svg_write_comparisons(FILE *out, const struct comparison *all, size_t n);

#endif

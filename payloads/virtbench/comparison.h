/* Two measurements of one benchmark, and what can be said about them. */
#ifndef VIRTBENCH_COMPARISON_H
#define VIRTBENCH_COMPARISON_H

#include <stdbool.h>
#include <stdio.h>

#include "samples.h"
#include "statistics.h"

/*
 * The samples of one run share its luck: where memory lay, what else the machine did.  Only
 * from run to run is it seen how far that goes, so fewer runs a side tell nothing for sure.
 */
#define FEWEST_RUNS 3

enum comparison_verdict { FASTER, SLOWER, SAME, CANNOT_TELL };

struct comparison {
	const char *name;
	double a, b;			/* ns: the geometric mean of the runs' medians */
	double ratio;			/* b to a */
	struct interval interval;	/* of the ratio, 95 % */
	bool known;			/* else all this is of the samples, whatever their run */
	enum comparison_verdict verdict;
};

/* "Same" when the interval lies within 2 % of 1. */
struct comparison compare_samples(const struct samples *a, const struct samples *b);

/* Whether B takes more than `limit` times as long as A. */
enum slowdown { SLOWDOWN_NONE, SLOWDOWN_SEEN, SLOWDOWN_UNKNOWN };

enum slowdown slowdown(const struct comparison *c, double limit);

const char *comparison_name(enum comparison_verdict verdict);

/* Ratios with their intervals as a picture. */
void svg_write_comparisons(FILE *out, const struct comparison *all, size_t n);

#endif

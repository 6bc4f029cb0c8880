/* Distributions as an SVG picture: how many of the messages took at most so long. */
#ifndef ONEWAY_PLOT_H
#define ONEWAY_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "histogram.h"

struct plot_series {
	const char *name;
	const struct histogram *nanoseconds;
};

void plot_write(FILE *out, const char *title, const struct plot_series *series, size_t n);

#endif

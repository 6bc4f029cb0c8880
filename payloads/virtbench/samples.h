/* Results that were written before: --csv or --json of virtbench. */
#ifndef VIRTBENCH_SAMPLES_H
#define VIRTBENCH_SAMPLES_H

#include <stddef.h>

#include "transport.h"

struct samples {
	char name[64];
	double *values;		/* ns a run; those of all lines */
	size_t n;
	double *medians;	/* one for each virtbench that was run: in CSV files for each line */
	size_t n_lines;
	int run;		/* that the last line was of, and where its values begin */
	size_t run_begin;
};

struct sample_file {
	struct samples *all;
	size_t n;
	int run;		/* counted up for each that is seen to begin */
};

/* 0 or -1. */
int samples_read(struct sample_file *file, const char *path, struct why *why);
void samples_free(struct sample_file *file);

const struct samples *samples_of(const struct sample_file *file, const char *name);

#endif

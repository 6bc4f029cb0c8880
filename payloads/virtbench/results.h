/* What virtbench prints and writes. */
#ifndef VIRTBENCH_RESULTS_H
#define VIRTBENCH_RESULTS_H

#include <stdbool.h>
#include <stdio.h>

#include "estimator.h"
#include "session.h"

enum result_kind { RESULT_MEASURED, RESULT_DISABLED, RESULT_FAILED };

struct result {
	const struct benchmark *benchmark;
	enum result_kind kind;
	const char *reason;		/* of what was not measured */
	const struct estimate *estimate;	/* of what was */
	struct chosen chosen;
};

struct results_form {
	bool json;
	bool distribution;
	uint32_t forced_runs;
	FILE *csv;			/* may be NULL */
	const char *svg_folder;		/* may be NULL */
};

/*
 * Everything at once, so that it is kept if what follows goes wrong.  False when some of it
 * could not be written; that is said.
 */
bool results_write(const struct results_form *form, const struct result *result);

/* The distribution of one benchmark, as a picture. */
void svg_write_distribution(FILE *out, const char *title, const struct estimate *estimate);

#endif

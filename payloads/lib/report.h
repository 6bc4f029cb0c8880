/* The output of a test payload: sentences, KTAP or JSON, from the same calls. */
#ifndef XENTEST_REPORT_H
#define XENTEST_REPORT_H

#include <stdio.h>

#include "ktap.h"
#include "verdict.h"

enum report_form {
	REPORT_PLAIN,
	REPORT_KTAP,
	REPORT_JSON,	/* the environment, then {"type":"result","name":...,"status":...,"reason":...} */
};

struct report {
	enum report_form form;
	FILE *out;
	struct ktap ktap;	/* counts in every form; with JSON it writes to `nowhere` */
	FILE *nowhere;
};

/* One that a child's verdicts are counted in as well; NULL: no memory. */
struct report *report_new_shared(void);

/* `planned` as in ktap_begin(); JSON begins with the environment line. */
void report_begin(struct report *r, enum report_form form, FILE *out, const char *program,
		  char *const argv[], int planned);

void report_verdict(struct report *r, const char *name, const struct verdict *verdict);

/* How many verdicts there were until now. */
int report_told(const struct report *r);

/* A figure line (behind "# " in KTAP), a sentence if plain; `better` is "higher" or "lower". */
void report_figure(struct report *r, const char *name, double value, const char *unit,
		   const char *better);

/* {"type":"note"} in JSON. */
void report_note(struct report *r, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* The totals; the exit status as of ktap_end(). */
int report_end(struct report *r);

/* All of it where nothing can be tried: one verdict, on standard output. */
int report_only(enum report_form form, const char *program, char *const argv[], const char *name,
		struct verdict verdict);

#endif

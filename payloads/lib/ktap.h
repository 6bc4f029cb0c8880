/*
 * Verdicts, as KTAP 1 or as plain sentences.  A program that reports nothing, or
 * fewer verdicts than it planned, ends as an error, never as a pass.
 */
#ifndef XENTEST_KTAP_H
#define XENTEST_KTAP_H

#include <stdbool.h>
#include <stdio.h>

struct ktap {
	FILE *out;
	bool plain;		/* sentences instead of KTAP */
	int planned;
	int passed;
	int failed;
	int skipped;
	int errors;
};

/* `planned` verdicts will follow. */
void ktap_begin(struct ktap *k, FILE *out, bool plain, int planned);

/* `name` must not hold '#'; it is replaced.  The reason of a pass may be NULL. */
void ktap_pass(struct ktap *k, const char *name, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));
void ktap_fail(struct ktap *k, const char *name, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));
void ktap_skip(struct ktap *k, const char *name, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));

/* The check itself could not be made: `not ok ... # ERROR reason`, and EXIT_ERROR at the end. */
void ktap_error(struct ktap *k, const char *name, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));

/* How many verdicts there were until now. */
int ktap_told(const struct ktap *k);

/* "# text" in KTAP, "text" in sentences; a newline inside begins a new line of the same kind. */
void ktap_note(struct ktap *k, const char *text, ...) __attribute__((format(printf, 2, 3)));

/*
 * Write the totals; the exit status: EXIT_ERROR for an error or for verdicts that
 * are missing, EXIT_FAIL for a failure, EXIT_SKIP when all were skipped, else
 * EXIT_PASS.  Nothing reported at all is EXIT_ERROR.
 */
int ktap_end(struct ktap *k);

#endif

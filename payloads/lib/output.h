/* What is printed on standard output: when it gets lost, the program did not succeed. */
#ifndef XENTEST_OUTPUT_H
#define XENTEST_OUTPUT_H

#include <stdio.h>

/*
 * To be called before anything is opened: standard files that are closed get an empty file that
 * cannot be written, lest a socket or a results file get their number and what is printed.
 * When the program ends, output_settled() decides on its status.
 */
void output_begin(const char *program);

/*
 * The status to end with: `status`, unless that says that all is well (or was skipped) and what
 * was printed could not be written; that is said on standard error, and is EXIT_ERROR.  For
 * children that end with _exit().
 */
int output_settled(int status);

/* fclose() that fails also when a write failed before. */
int output_close(FILE *file);

#endif

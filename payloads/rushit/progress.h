/* How it goes, interval by interval, while it goes. */
#ifndef RUSHIT_PROGRESS_H
#define RUSHIT_PROGRESS_H

#include "test.h"

/*
 * On standard error: one moving line on a terminal, a line each with --progress.  With
 * --json also as a line of type "interval" on standard output.
 */
void progress_interval(const struct test *t, const struct totals *done, double seconds);

/* The moving line is over. */
void progress_end(const struct test *t);

#endif

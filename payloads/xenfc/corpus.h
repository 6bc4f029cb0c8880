/*
 * Lists of calls, as an option and as a file.  A file holds a seed and numbers of calls,
 * never arguments: what it can make happen is what the fences let any seed do.
 */
#ifndef XENFC_CORPUS_H
#define XENFC_CORPUS_H

#include "plan.h"

#define CORPUS_MOST_CALLS 65536u

/* "3,7-9", ascending.  NULL when all is well, else what is wrong. */
const char *corpus_parse_calls(const char *list, struct plan *plan);

/* Sets seed, twist, release, calls and, if the file names some, the operations. */
const char *corpus_read(const char *path, struct plan *plan);

/* 0 or -errno; the file is complete or not there. */
int corpus_write(const char *path, const struct plan *plan, const char *list);

#endif

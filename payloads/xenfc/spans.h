/* Lists of calls: "3,7-9". */
#ifndef XENFC_SPANS_H
#define XENFC_SPANS_H

#include <stddef.h>
#include <stdint.h>

/* Calls that follow each other; both ends belong to it. */
struct call_span {
	uint64_t first, last;
};

/*
 * An ascending list of numbers and of ranges; neighbours become one span.  NULL when all is well,
 * else what is wrong: also more than `most` spans.
 */
const char *spans_of(const char *list, struct call_span spans[], size_t most, size_t *count);

#endif

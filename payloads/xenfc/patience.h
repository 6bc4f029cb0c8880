/*
 * How long to look for what Xen does a little later: some time, and many times.  Whoever emulates
 * the machine may be stopped for seconds; that lets one look pass, not many.
 */
#ifndef XENFC_PATIENCE_H
#define XENFC_PATIENCE_H

#include "door.h"

#define PATIENCE_LOOKS 100u

struct patience {
	struct door *door;
	uint64_t start, limit_ns;
	unsigned int looks;
};

static inline struct patience patience_begin(struct door *door, uint64_t limit_ns)
{
	return (struct patience){ .door = door, .start = door->now_ns(door), .limit_ns = limit_ns };
}

/* Asked after each look that was in vain. */
static inline bool patience_lasts(struct patience *p)
{
	return ++p->looks < PATIENCE_LOOKS || p->door->now_ns(p->door) - p->start < p->limit_ns;
}

#endif

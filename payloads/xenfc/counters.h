/*
 * What a hypervisor with CONFIG_COVERAGE counts: which of its counters moved since we began.
 * Nothing is set to zero, so nobody else's counting is disturbed.
 */
#ifndef XENFC_COUNTERS_H
#define XENFC_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "door.h"

/* `pages` gives memory that Xen may write to.  NULL when it counts, else why it cannot be known. */
const char *counters_begin(struct door *door, void *(*pages)(size_t count));

/* How many moved for the first time since; -1: Xen does not tell (any more). */
long counters_new(void);

/* How many moved in all, up to the last counters_new(). */
uint64_t counters_moved(void);

void counters_end(void);

#endif

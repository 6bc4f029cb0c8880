/*
 * How a Xen guest tells the control domain what it sees: its `balloon --publish` writes
 * "current total available" (kB) to data/xentest-balloon, the part of xenstore that is
 * the guest's own.
 */
#ifndef BALLOON_PUBLISHED_H
#define BALLOON_PUBLISHED_H

#include <stdint.h>

#include "door.h"
#include "xenstore.h"

/* Adds guest_total and guest_available to the view, when that guest publishes. */
void published_read(struct xenstore *s, uint32_t domain, struct view *view);

/*
 * Write each change of the door's view to standard output and, in a Xen guest, to
 * xenstore, for `seconds`; 0 or -1 with `why`.
 */
int publish(struct door *door, int64_t seconds, struct why *why);

#endif

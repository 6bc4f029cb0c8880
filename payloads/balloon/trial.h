/* What every scenario is given, and what they share. */
#ifndef BALLOON_TRIAL_H
#define BALLOON_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "door.h"
#include "random.h"
#include "report.h"

struct trial {
	struct door *door;
	struct report *report;	/* for figures; verdicts are returned */
	struct random random;
	struct view before;	/* when the program began; what all is put back to */
	uint64_t floor;		/* kB: no scenario lets the allocation stay below */
	uint64_t step;		/* kB: a move that is safe */
	int64_t cycles;
	uint64_t settle_ms;	/* the longest that a move may take */
	uint64_t watch_ms;	/* how long a wild target may have its effect */
	uint64_t hold_ms;	/* how long a target that was reached is seen to stay so */
	const char *domain;	/* from outside */
	const char *neighbour;	/* another domain, or NULL */
	uint64_t *neighbour_target;	/* seen by the supervisor: what to put it back to, or 0 */
	const char *save_file;
};

/* How a wait for the allocation to reach the target ended. */
struct settled {
	bool reached;
	bool error;		/* the door failed; `why` holds it */
	struct view view;	/* the last one */
	uint64_t lowest;	/* allocation seen on the way, kB */
	double seconds;
	struct why why;
};

/* The verdict on a target that was not taken: refused, or nobody answered. */
struct verdict not_taken(int error, uint64_t target, const struct why *why);

/* Wait until allocation and target agree, but not longer than the trial's limit. */
struct settled settle(const struct trial *trial);

/* The same, but return early when the allocation falls below `least`. */
struct settled settle_above(const struct trial *trial, uint64_t least, uint64_t limit_ms);

/* Wait for a target that was written; what is wrong as a verdict, or a pass. */
struct verdict arrive(const struct trial *trial, uint64_t target, struct settled *settled);

/* Write a target and wait. */
struct verdict move(const struct trial *trial, uint64_t target, struct settled *settled);

/* Having arrived, nothing moves any more: a pass, or what did. */
struct verdict stay(const struct trial *trial);

/*
 * Everybody's count (the driver's, the guest's kernel's, the hypervisor's) has changed by the same
 * since the beginning.
 */
struct verdict counts_agree(const struct trial *trial);

/* Back to the memory of the beginning; a failure if it does not return. */
struct verdict move_back(const struct trial *trial);

/* Is a move of trial->step down possible here at all?  If so a pass, else the verdict to return. */
bool can_move(const struct trial *trial, struct verdict *verdict);

/* The first of the two that is no pass, else the second. */
struct verdict both(struct verdict first, struct verdict second);

#endif

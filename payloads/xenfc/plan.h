/* What a run shall do: the same for every door.  See xenfc_main(). */
#ifndef XENFC_PLAN_H
#define XENFC_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "door.h"
#include "spans.h"

struct call;

enum danger {
	DANGER_SAFE = 1,	/* changes nothing that outlives the call */
	DANGER_OWN = 2,		/* changes domains that this run created */
	DANGER_HOST = 4,	/* changes the host */
	DANGER_FATAL = 8,	/* may end the machine or the calling domain */
};

#define DANGER_DEFAULT (DANGER_SAFE | DANGER_OWN)

enum role { ROLE_ASK, ROLE_CONTROL, ROLE_GUEST };

enum telling {
	TELL_CALLS,	/* the ancestor's lines, for each call */
	TELL_BLOCKS,	/* a mark a block; a call's lines only when it failed */
};

struct outcome;

#define RELEASE_ASK 0u
#define RELEASE(major, minor) ((unsigned int)((major) << 16 | (minor)))

#define LOOPS_ENDLESS UINT64_MAX

struct plan {
	uint64_t seed;
	uint64_t loops;
	uint64_t from;		/* the first call that is made, counted from 0 */
	uint64_t to;		/* the last one; UINT64_MAX: up to `loops` */
	const struct call_span *spans;	/* when not NULL: only these calls, ascending */
	size_t n_spans;
	uint64_t twist;		/* not 0: one call in four gets other arguments */
	uint64_t limit_ns;	/* 0: none */
	const char *only;	/* patterns of operations' names; NULL: all */
	unsigned int allow;	/* mask of enum danger */
	enum role role;
	unsigned int release;	/* what the oracle goes by; RELEASE_ASK: ask Xen */
	enum telling telling;
	bool dry_run;		/* call nothing: the door needs no hypercall */
	void (*show)(const struct call *call);	/* in a dry run: what to do instead of telling it */
	/*
	 * When not NULL, the run is made of pieces.  Before each this sets seed, twist, and
	 * from and to or spans; false: that was the last.
	 */
	bool (*next)(struct plan *plan, const struct outcome *outcome);
	uint64_t block;		/* calls between marks and leak checks; 0: the default, 4096 */
};

void plan_default(struct plan *plan);

/*
 * One word of a kernel's command line or of a program's, NAME=VALUE (or NAME): seed,
 * loops, from, to, twist, only, allow, role, release, seconds, quiet, dry-run, block.
 * NULL when all is well, else what is wrong.  The word must live as long as the plan.
 */
const char *plan_word(struct plan *plan, const char *word);

struct outcome {
	uint64_t seed;
	unsigned int release;
	uint64_t made;		/* calls of the sequence */
	uint64_t hypercalls;	/* with reading back, and leak checks */
	uint64_t passed;
	uint64_t failed;
	uint64_t first_failed;	/* its number; UINT64_MAX: none */
	uint64_t ns;
	char reason[200];	/* why it ended as it did */
};

/*
 * Prove the door, find release, interface versions and role, make the calls, and say
 * what was found, through the door.  `outcome` may be NULL.  Returns an exit status of
 * exits.h: pass, fail, skip (no hypercall gets through here), error.
 */
int xenfc_main(struct door *door, const struct plan *plan, struct outcome *outcome);

/* The sources that a door is linked with: CORE_SOURCES in core.mk. */

#endif

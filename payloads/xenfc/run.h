/* The state of one run. */
#ifndef XENFC_RUN_H
#define XENFC_RUN_H

#include "call.h"
#include "door.h"
#include "model.h"

#define DEFAULT_BLOCK 4096u
#define MAX_CHOICES 512u
#define MAX_WEIGHT 32768u	/* of all choices, in shares */
#define MAX_FAMILIES 48u
#define SMALL_COMMANDS 256u
/* What a call may be: a row of the table, an unknown command of a family, an unknown hypercall. */
#define MAX_KINDS (MAX_CHOICES + MAX_FAMILIES + 1)
#define MAX_RESULTS 128u	/* 0 and the errors of the public header */

/* Which of a family's commands exist: looked up many times for each that does not. */
struct known_commands {
	uint64_t bits[SMALL_COMMANDS / 64];
	uint32_t last;	/* of the table's */
};

struct choice {
	const struct family *family;
	const struct operation *operation;
	unsigned int known;	/* index of its family's known commands */
};

struct run {
	struct door *door;
	struct plan plan;
	struct outcome outcome;
	struct machine machine;
	struct model model;
	struct choice choices[MAX_CHOICES];
	unsigned int n_choices;
	uint16_t drawn[MAX_WEIGHT];	/* which choice: as many entries each as its shares */
	unsigned int weight;	/* of all */
	struct known_commands known[MAX_FAMILIES];
	struct call call;
	uint8_t shadow[ARENA_BYTES];	/* what the arena must hold */
	uint64_t free_at_start, claimed_at_start;	/* 0: not known yet */
	uint64_t forgiven;	/* pages that free_at_start was lowered by: housekeeping.c */
	uint64_t others_at_start;	/* which domains of others there were */
	/* How often each kind of call had each result, by what Xen could do with its structure. */
	uint8_t repeated[MAX_KINDS][3][MAX_RESULTS];
	uint8_t first_output[5 * DOOR_PAGE];
};

/* tell.c: the ancestor's lines. */
void tell_line(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tell_call(struct run *run, const struct call *call);
void tell_expectation(struct run *run, const struct call *call);
void tell_verdict(struct run *run, const struct call *call);
void add_sequence(struct text *t, const struct run *run);	/* "seed 7", "seed 7 twist 3" */

/* perform.c: make the call, check what came back. */
void perform(struct run *run, struct call *call);

/* A list at `address` that Xen filled, if it is `area`: behind `bytes` all is as it was. */
void check_rest(struct call *call, const struct area *area, uint64_t address, uint64_t bytes);

/* Between calls: whether nothing was written far from any buffer; if it was, it is undone. */
bool arena_is_clean(struct run *run);

/* For rules that came with a release. */
static inline bool since(const struct call *call, unsigned int release)
{
	return call->run->machine.release >= release;
}

/* What Xen is known to die of is done only where that was asked for. */
static inline bool may_break_xen(const struct call *call)
{
	return call->run->plan.allow & DANGER_FATAL;
}

static inline bool may_change_host(const struct call *call)
{
	return call->run->plan.allow & DANGER_HOST;
}

/* choose.c: fill the list of choices by the plan (false: none, or too many); draw one of them. */
bool choices_make(struct run *run);
void choose(struct call *call);
extern const struct family *const all_families[];

/* probe.c: what machine this is; an exit status, EXIT_PASS when the run can go on. */
int probe(struct run *run);

const struct xen_sysctl_physinfo *physinfo_read(struct run *run);	/* NULL: refused */

/* sequence.c: false: something was left behind. */
bool sequence_make(struct run *run);

/* repeat.c: a call that leaves nothing behind takes no memory either, however often it is made. */
void check_memory_kept(struct run *run, struct call *call);

/* housekeeping.c: how much memory Xen has left; 0: it does not say. */
uint64_t free_pages_read(struct run *run);

/* housekeeping.c: nothing of ours may be left.  False: something was, and it was said. */
bool housekeep(struct run *run);

#endif

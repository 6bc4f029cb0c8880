/*
 * One call of the sequence: its operation, its arguments in the arena, what Xen must
 * answer, what it did answer.  A generator fills the arguments from the call's own random
 * numbers alone, so that any subset of a sequence is a sequence too; an oracle looks at the
 * arguments and at the model, never at how the generator came to them.
 */
#ifndef XENFC_CALL_H
#define XENFC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "freestanding.h"
#include "plan.h"
#include "xenabi.h"

struct run;
struct domain_model;

#define ERR(name) (-(long)XEN_##name)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum flow {
	FLOW_IN,
	FLOW_OUT,	/* Xen defines it on success; two calls in a row give the same */
	FLOW_VOLATILE,	/* likewise, but it changes by itself (a time, a counter) */
	FLOW_INOUT,	/* read, and may be written; not required to be */
	FLOW_ECHO,	/* may be written; somebody else's input */
};

/* A part of the argument structure: for telling, for mutating and for checking output. */
struct field {
	const char *name;	/* NULL ends a list */
	uint16_t offset;
	uint16_t size;
	enum flow flow;
};

#define FIELD(type, member, flow) \
	{ #member, offsetof(type, member), sizeof(((type *)0)->member), flow }
#define FIELDS_END { .name = NULL }

/*
 * The arena: five regions, one an area, each area at a random place in it; then pages for
 * calls beside the sequence, for multicalls, for stirring Xen's stack, and one that ends
 * at the guard page.  What is not used holds ARENA_BACKGROUND.
 */
#define MAX_AREAS 5u
#define ARENA_REGION (5u * (size_t)DOOR_PAGE)
#define ARENA_ASIDE (25u * (size_t)DOOR_PAGE)
#define ARENA_ASIDE_BYTES (4u * (size_t)DOOR_PAGE)
#define ARENA_MULTICALL (29u * (size_t)DOOR_PAGE)
#define ARENA_STIR (30u * (size_t)DOOR_PAGE)
#define ARENA_BYTES (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define ARENA_CANARY 64u
#define ARENA_BACKGROUND 0xa5

/* Memory handed to Xen.  All of the arena outside of [out, out + out_size) must stay as it is. */
struct area {
	uint8_t *at;
	uint32_t size;
	uint32_t out_size;	/* from `at` on; 0: Xen only reads it */
	bool stable;		/* two calls in a row give the same bytes */
};

struct expect {
	long any[8];
	unsigned int count;
	bool range;		/* or any result from low to high */
	long low, high;
};

struct call {
	struct run *run;
	uint64_t number;

	const struct family *family;	/* NULL: a hypercall that does not exist */
	const struct operation *operation;	/* NULL: a command that does not exist */
	unsigned int kind;	/* below MAX_KINDS: what all calls of this sort have in common */
	unsigned int hypercall;
	uint32_t command;
	uint64_t arguments[5];
	unsigned int n_areas;
	struct area *structure;	/* the argument structure, if the operation has one */
	unsigned int pointer;	/* which argument points to it */
	uint8_t *torn;		/* the lowest address handed over in the arena's last bytes */
	bool in_multicall;
	bool interrupted;	/* it, and all that is called to follow it, as far as Xen lets it be */
	bool twice;		/* make it two times over different memory, and compare */
	bool untold;		/* its memory can only be read at the moment */
	bool forgets;		/* Xen then says what became of the last of its answers only */

	struct domain_model *domain;	/* the own domain it names, if it exists */
	long note;	/* from an operation's generator to its follower */
	long result;

	/* From here on nothing is cleared for a new call: its beginnings say what counts. */
	struct dice dice;	/* everything is drawn from these */
	struct expect expect;
	char wrong[160];	/* empty: all is well */
	struct area areas[MAX_AREAS];
};

/* All zero, as far as it counts. */
void call_begin(struct call *call, struct run *run, uint64_t number);

enum {
	TRAIT_READS = 1,	/* changes nothing: may be made twice */
	TRAIT_WRITES_ON_ERROR = 2,	/* may write its output fields when it fails, too */
	TRAIT_REFUSES_SELF = 4,	/* harmless with the caller's own domain, which it refuses */
	TRAIT_ALONE = 8,	/* never inside a multicall */
	TRAIT_KERNEL = 16,	/* needs a kernel of our own */
	TRAIT_ONCE = 32,	/* never repeated when it failed */
	TRAIT_REPLACES = 64,	/* what succeeded changes nothing more when it is made again */
	TRAIT_DEAR = 128,	/* takes as long as tens of others: a quarter of its weight */
	TRAIT_TELLS = 256,	/* changes nothing but its own arguments */
};

struct operation {
	const char *name;
	uint32_t command;
	enum danger danger;
	unsigned int traits;
	unsigned int weight;	/* 0: 10 */
	uint32_t structure_size;	/* 0: the family's */
	unsigned int since;	/* RELEASE(); 0: always */
	unsigned int until;	/* the first release without it; 0: none */
	const struct field *fields;	/* NULL: the whole structure is input of no interest */
	void (*generate)(struct call *call);	/* NULL: random fields */
	void (*expect)(struct call *call);
	void (*after)(struct call *call);	/* follow the model, read back; may be NULL */
};

/* A family's table may be spread over files. */
struct part {
	const struct operation *list;
	const size_t *count;
};

struct family {
	const char *name;
	unsigned int hypercall;
	uint32_t structure_size;	/* of the usual argument; 0: none */
	long unknown_command;		/* the answer to a command that does not exist */
	const struct field *head;	/* what all its operations have, told first */
	const struct part *parts;
	size_t n_parts;
	/* Commands beyond the table that exist (removed, internal): never drawn at random. */
	bool (*command_exists)(uint32_t command);
	void (*generate)(struct call *call);	/* before the operation's own */
	/* Checks that come before the operation's; false: the expectation is complete. */
	bool (*expect)(struct call *call);
};

/*
 * For families whose first argument is the command and whose second points to a
 * structure (of operations that have one): generators and the first of the checks.
 */
void command_generate(struct call *call);
bool command_expect(struct call *call);

/* Expectations that many share. */
void expect_success(struct call *call);
void expect_invalid(struct call *call);

/* Random numbers of this call. */
static inline uint64_t draw(struct call *call, uint64_t bound)
{
	return dice_below(&call->dice, bound);
}

static inline bool chance(struct call *call, unsigned int percent)
{
	return dice_chance(&call->dice, percent);
}

/* Bytes of no interest. */
void draw_bytes(struct call *call, void *at, size_t size);

uint64_t draw_interesting(struct call *call, unsigned int bits);	/* edges, mostly */
/* `percent` times in a hundred below `bound`; else round it, below it in 16 bits only, or any edge. */
uint32_t draw_mostly(struct call *call, unsigned int percent, uint64_t bound);
/* Below `most`; half of the time what is just enough, or one less or more. */
uint64_t draw_around(struct call *call, uint64_t most, uint64_t enough);
/* A place in a page: half of the time round the last one that is of use, by eights; else any. */
uint32_t draw_offset(struct call *call, uint32_t last);
/* The caller's last physical interrupt, the first that it does not have, or one far beyond. */
uint32_t draw_last_interrupt(struct call *call);
void draw_fields(struct call *call);	/* all input fields of the operation */

/* Memory in the arena, at most 4.9 pages; zeroes, or random bytes. */
struct area *area_take(struct call *call, uint32_t size, bool random_content);

/* An address for `area`; one time in ten instead one that Xen cannot reach for its size. */
uint64_t area_address(struct call *call, struct area *area);
/* Likewise, never out of reach. */
uint64_t area_sure(const struct area *area);

/*
 * A buffer of `size` bytes that Xen fills, or (out 0) reads; its address goes to the
 * handle at `handle`, which may be anywhere.  One time in ten it is out of reach.
 */
struct area *buffer_take(struct call *call, void *handle, uint32_t size, bool out, bool stable);
uint64_t handle_value(const void *handle);

/* The family's structure as first argument; sets call->structure. */
void structure_take(struct call *call, unsigned int argument);

/* Whether Xen can reach [address, address + size). */
bool reachable(const struct call *call, uint64_t address, uint64_t size);

void expect_only(struct call *call, long result);
void expect_also(struct call *call, long result);
void expect_range(struct call *call, long low, long high);
bool expect_holds(const struct call *call);
/* True when `result` is among what is expected. */
bool expect_names(const struct expect *expect, long result);

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The first thing that was wrong is kept. */
void call_wrong(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Every hypercall that a call is made of. */
long make_hypercall(struct run *run, unsigned int number, const uint64_t arguments[5]);

/* A hypercall beside the sequence: reading back, preparing, cleaning up. */
long aside(struct run *run, unsigned int number, uint64_t a0, uint64_t a1, uint64_t a2);

#endif

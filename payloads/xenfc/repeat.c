/*
 * What leaks: a call that failed, or only reads, is made again and again, and Xen's free memory
 * must not shrink with every time.  The first calls of each kind are tried, then one in many, so
 * that rare ones have their turn too.
 */
#include "repeat.h"

#include "run.h"

#define FIRST_CALLS 8u	/* of a kind that are tried */
#define TIMES 4u
#define TIMES_AGAIN 32u	/* when the first few took pages */
#define ROUNDS 3u
#define LIVES 128u	/* what they leak is small */
#define LIVES_PAGES 8u
#define PATIENCE_NS 1000000000ull	/* memory of what failed may be given back a little later */

/* Calls of one kind that ended in the same way; that Xen saw no arguments at all is another one. */
static uint8_t *times_before(struct run *run, const struct call *call)
{
	bool seen = call->structure &&
		reachable(call, call->arguments[call->pointer], call->structure->size);
	uint64_t result = call->result < 0 ? 0 - (uint64_t)call->result : 0;

	return &run->repeated[call->kind][seen][result < MAX_RESULTS ? result : 0];
}

/* What it returned says that it did nothing; what is written anyway would be another call. */
static bool may_be_repeated(const struct call *call)
{
	unsigned int traits = call->operation ? call->operation->traits : 0;

	return !call->in_multicall && !call->torn && !(traits & (TRAIT_WRITES_ON_ERROR | TRAIT_ONCE)) &&
	       (call->result < 0 || traits & TRAIT_READS);
}

static bool is_its_turn(struct run *run, struct call *call)
{
	uint8_t *times = times_before(run, call);

	if (*times >= FIRST_CALLS)
		return call->number % 256 == 0;
	++*times;
	return true;
}

/* Pages that Xen has less after the call (none: another that is harmless) was made so many times. */
static uint64_t cost(struct run *run, const struct call *call, unsigned int times)
{
	uint64_t before = free_pages_read(run), after;

	for (unsigned int i = 0; i < times; i++) {
		run->outcome.hypercalls++;
		if (call)
			run->door->hypercall(run->door, call->hypercall, call->arguments);
		else
			aside(run, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	}
	after = free_pages_read(run);
	return after < before ? before - after : 0;
}

/* With the call pages go, every time, and without it they do not: no other domain takes them. */
static bool takes_pages(struct run *run, const struct call *call)
{
	if (cost(run, call, TIMES) < TIMES)
		return false;
	for (unsigned int i = 0; i < ROUNDS; i++)
		if (cost(run, call, TIMES_AGAIN) < TIMES_AGAIN ||
		    cost(run, NULL, TIMES_AGAIN) >= TIMES_AGAIN)
			return false;
	return true;
}

static uint64_t cost_of_lives(struct call *call, void (*live)(struct call *call))
{
	uint64_t before = free_pages_read(call->run), after;

	for (unsigned int i = 0; i < LIVES; i++)
		live(call);
	after = free_pages_read(call->run);
	return after < before ? before - after : 0;
}

void check_lives_take_nothing(struct call *call, void (*live)(struct call *call))
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		if (call->wrong[0] || cost_of_lives(call, live) < LIVES_PAGES ||
		    cost(call->run, NULL, TIMES_AGAIN) >= LIVES_PAGES)
			return;
	call_wrong(call, "each %u times that it was made and taken back Xen lost %u pages or more",
		   LIVES, LIVES_PAGES);
}

void check_memory_kept(struct run *run, struct call *call)
{
	uint64_t before, after, start;

	if (!run->machine.control || call->wrong[0] || !may_be_repeated(call) ||
	    !is_its_turn(run, call))
		return;
	before = free_pages_read(run);
	if (!takes_pages(run, call))
		return;
	start = run->door->now_ns(run->door);
	do {
		after = free_pages_read(run);
		if (after + ROUNDS * TIMES_AGAIN > before)
			return;
	} while (run->door->now_ns(run->door) - start < PATIENCE_NS);
	call_wrong(call, "Xen has %lu free pages less after it was made again and again",
		   before - after);
}

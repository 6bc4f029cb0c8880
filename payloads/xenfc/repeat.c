/*
 * What leaks: a call that failed, only reads or sets the same again is made again and again, and
 * Xen's free memory must not shrink with every time.  The first calls of each kind are tried, then
 * one in many, so that rare ones have their turn too; the first that is quick is made so often that
 * even a few bytes show.
 */
#include "repeat.h"

#include "others.h"
#include "patience.h"
#include "run.h"

#define FIRST_CALLS 8u	/* of a kind that are tried */
#define LOOKED_CLOSELY 0x80u	/* beside their number: one of them was quick enough */
#define TIMES 4u
#define TIMES_AGAIN 32u	/* when the first few took pages */
#define ROUNDS 3u
#define TIMES_FOR_LITTLE 256u	/* so often 32 bytes are three pages */
#define LITTLE_PAGES 2u
#define QUICK_TICKS 100000u	/* for the first few: what is slower would take too long */
#define LIVES 128u	/* what they leak is small */
#define LIVES_PAGES 8u
#define PATIENCE_NS 1000000000ull	/* memory of what failed may be given back a little later */

/*
 * Calls of one kind that ended in the same way; that Xen saw no arguments at all, or could not
 * write to them, is another one.
 */
static uint8_t *times_before(struct run *run, const struct call *call)
{
	bool seen = call->structure &&
		reachable(call, call->arguments[call->pointer], call->structure->size);
	uint64_t result = call->result < 0 ? 0 - (uint64_t)call->result : 0;

	return &run->repeated[call->kind][call->untold ? 2 : seen][result < MAX_RESULTS ? result : 0];
}

/* What it returned says that it did nothing; what is written anyway would be another call. */
static bool may_be_repeated(const struct call *call)
{
	unsigned int traits = call->operation ? call->operation->traits : 0;

	if (call->untold)
		return true;
	return !call->in_multicall && !call->torn && !(traits & (TRAIT_WRITES_ON_ERROR | TRAIT_ONCE)) &&
	       (call->result < 0 || traits & (TRAIT_READS | TRAIT_REPLACES));
}

static bool has_turn(const struct call *call, uint8_t *times)
{
	if ((*times & ~LOOKED_CLOSELY) >= FIRST_CALLS)
		return call->number % 256 == 0;
	++*times;
	return true;
}

/* What Xen and all others have together: their balloons may take some while we look. */
struct stock {
	uint64_t pages, who;
	bool steady;	/* nothing moved while it was read */
};

static struct stock stock_read(struct run *run)
{
	struct others before = others_read(run), after;
	uint64_t free = free_pages_read(run);

	after = others_read(run);
	return (struct stock){
		.pages = free + after.pages, .who = after.who,
		.steady = before.pages == after.pages && before.who == after.who,
	};
}

static bool shrank(const struct stock *before, const struct stock *after, uint64_t pages)
{
	return before->steady && after->steady && before->who == after->who &&
	       after->pages + pages <= before->pages;
}

/* The call; none: another that is harmless. */
static void make(struct run *run, const struct call *call, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		run->outcome.hypercalls++;
		if (call)
			run->door->hypercall(run->door, call->hypercall, call->arguments);
		else
			aside(run, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	}
}

/* Pages that Xen has less after it was made so many times. */
static uint64_t cost(struct run *run, const struct call *call, unsigned int times)
{
	uint64_t before = free_pages_read(run), after;

	make(run, call, times);
	after = free_pages_read(run);
	return after < before ? before - after : 0;
}

/* With the call pages go, every time, and without it they do not; nor has another domain taken them. */
static bool takes(struct run *run, const struct call *call, uint64_t pages, unsigned int times)
{
	struct stock before, after;

	for (unsigned int i = 0; i < ROUNDS; i++)
		if (cost(run, call, times) < pages || cost(run, NULL, times) >= pages)
			return false;
	before = stock_read(run);
	make(run, call, times);
	after = stock_read(run);
	return shrank(&before, &after, pages);
}

/*
 * How many pages it took for certain, unless they come back; 0: none.  On a machine that is busy
 * with something else any call may seem slow once: that is no look at a few bytes.
 */
static uint64_t pages_taken(struct run *run, const struct call *call, uint8_t *times)
{
	uint64_t start = run->door->ticks();

	if (cost(run, call, TIMES) >= TIMES)
		return takes(run, call, TIMES_AGAIN, TIMES_AGAIN) ? ROUNDS * TIMES_AGAIN : 0;
	if (*times & LOOKED_CLOSELY || run->door->ticks() - start > QUICK_TICKS)
		return 0;
	*times |= LOOKED_CLOSELY;
	return takes(run, call, LITTLE_PAGES, TIMES_FOR_LITTLE) ? ROUNDS * LITTLE_PAGES : 0;
}

static void live_often(struct call *call, void (*live)(struct call *call))
{
	for (unsigned int i = 0; i < LIVES; i++)
		live(call);
}

static uint64_t cost_of_lives(struct call *call, void (*live)(struct call *call))
{
	uint64_t before = free_pages_read(call->run), after;

	live_often(call, live);
	after = free_pages_read(call->run);
	return after < before ? before - after : 0;
}

void check_lives_take_nothing(struct call *call, void (*live)(struct call *call))
{
	struct stock before, after;

	for (unsigned int i = 0; i < ROUNDS; i++)
		if (call->wrong[0] || cost_of_lives(call, live) < LIVES_PAGES ||
		    cost(call->run, NULL, TIMES_AGAIN) >= LIVES_PAGES)
			return;
	before = stock_read(call->run);
	live_often(call, live);
	after = stock_read(call->run);
	if (!shrank(&before, &after, LIVES_PAGES))
		return;
	call_wrong(call, "each %u times that it was made and taken back Xen lost %u pages or more",
		   LIVES, LIVES_PAGES);
}

void check_memory_kept(struct run *run, struct call *call)
{
	uint64_t before, after, taken;
	struct patience patience;
	uint8_t *times = times_before(run, call);

	if (!run->machine.control || call->wrong[0] || !may_be_repeated(call) ||
	    !has_turn(call, times))
		return;
	before = free_pages_read(run);
	taken = pages_taken(run, call, times);
	if (!taken)
		return;
	patience = patience_begin(run->door, PATIENCE_NS);
	do {
		after = free_pages_read(run);
		if (after + taken > before)
			return;
	} while (patience_lasts(&patience));
	call_wrong(call, "Xen has %lu free pages less after it was made again and again",
		   before - after);
}

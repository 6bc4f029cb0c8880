#include "timed.h"

#include "ticks.h"

/*
 * One hypercall in so many is measured, and no row comes round as regularly: where Xen emulates the
 * counter (in guests of a processor whose counter is not invariant) reading it takes longer than
 * most hypercalls.
 */
#define SAMPLE_EVERY 61u
#define TRIES 16u	/* to find out how long reading it takes */

static struct {
	long (*hypercall)(struct door *door, unsigned int number, const uint64_t arguments[5]);
	uint64_t begun, inside;
	uint64_t reading;	/* how long it takes to read the counter */
	unsigned int until_next;
} timed;

/* The least of some: others were interrupted. */
static uint64_t ticks_of_reading(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned int i = 0; i < TRIES; i++) {
		uint64_t start = ticks(), took = ticks() - start;

		if (took < least)
			least = took;
	}
	return least;
}

static long hypercall(struct door *door, unsigned int number, const uint64_t arguments[5])
{
	uint64_t start, took;
	long result;

	if (timed.until_next--)
		return timed.hypercall(door, number, arguments);
	timed.until_next = SAMPLE_EVERY - 1;
	start = ticks();
	result = timed.hypercall(door, number, arguments);
	took = ticks() - start;
	if (took > timed.reading)
		timed.inside += SAMPLE_EVERY * (took - timed.reading);
	return result;
}

void timed_begin(struct door *door)
{
	timed.hypercall = door->hypercall;
	timed.inside = 0;
	timed.until_next = 0;
	timed.reading = ticks_of_reading();
	timed.begun = ticks();
	door->hypercall = hypercall;
}

uint64_t timed_rate(const struct outcome *outcome)
{
	uint64_t all = ticks() - timed.begun, ms;

	/* No division of more than 64 bits without a library: thousandths are fine enough. */
	if (!timed.inside || all < 1000)
		return 0;
	ms = outcome->ns / 1000 * (timed.inside / (all / 1000)) / 1000000;
	return ms ? outcome->hypercalls * 1000 / ms : 0;
}

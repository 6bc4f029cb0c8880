/* Stamps: the time stamp counter, or the monotonic clock where the counter cannot be trusted. */
#ifndef ONEWAY_STAMP_H
#define ONEWAY_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "transport.h"

struct stamp_clock {
	bool counter;		/* else CLOCK_MONOTONIC in nanoseconds */
	struct tsc_rate rate;	/* of the stamps, whatever they are */
};

/*
 * `wanted` is "tsc" or "monotonic".  -1 with `why` when the counter is not invariant
 * (unless `trust`) or its rate cannot be found: ticks would mean nothing.
 */
int stamp_clock_choose(struct stamp_clock *clock, const char *wanted, bool trust, struct why *why);

static inline uint64_t stamp_begin(const struct stamp_clock *clock)
{
	return clock->counter ? tsc_begin() : clock_ns();
}

static inline uint64_t stamp_end(const struct stamp_clock *clock)
{
	return clock->counter ? tsc_end() : clock_ns();
}

static inline double stamp_to_us(const struct stamp_clock *clock, double stamps)
{
	return tsc_to_ns(&clock->rate, stamps) / 1000;
}

#endif

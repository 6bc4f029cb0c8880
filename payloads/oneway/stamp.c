#include "stamp.h"

#include <string.h>

int stamp_clock_choose(struct stamp_clock *clock, const char *wanted, bool trust, struct why *why)
{
	if (!strcmp(wanted, "monotonic")) {
		*clock = (struct stamp_clock){
			.counter = false,
			.rate = {.hz = NS_PER_S, .invariant = true, .method = "monotonic clock"},
		};
		return 0;
	}
	*clock = (struct stamp_clock){.counter = true, .rate = tsc_rate_find()};
	if (!clock->rate.invariant && !trust) {
		why_set(why, "the time stamp counter is not invariant (CPUID 0x80000007), so ticks "
			"are no measure of time; use --clock=monotonic, or --trust-tsc if you know "
			"better");
		return -1;
	}
	if (clock->rate.hz <= 0) {
		why_set(why, "how fast the time stamp counter runs could not be found (%s); use "
			"--clock=monotonic", clock->rate.method);
		return -1;
	}
	return 0;
}

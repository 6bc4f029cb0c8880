#include "seed.h"

#include <sys/random.h>
#include <unistd.h>

#include "clock.h"

/* A guest may start before its kernel has entropy; then time and pid must do: never wait. */
uint64_t seed_choose(void)
{
	uint32_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint32_t)(clock_ns() ^ clock_ns() >> 32 ^ (uint64_t)getpid() << 16);
	return seed;
}

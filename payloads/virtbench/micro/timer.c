/* A timer that is due at once: programming it, its interrupt, and waking up. */
#include <sys/prctl.h>
#include <time.h>

#include "benchmark.h"

static void timer(struct session *s, uint32_t runs)
{
	const struct timespec soon = { .tv_nsec = 1000 };

	/* Linux would else gather wake-ups of 50 us. */
	prctl(PR_SET_TIMERSLACK, 1);
	session_begin(s);
	while (runs--)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL);
	session_end(s);
}

static const struct benchmark benchmark = {
	"timer", "Time from programming a 1 us timer to running on", ON_ONE, NULL, timer,
};
REGISTER_BENCHMARK(benchmark);

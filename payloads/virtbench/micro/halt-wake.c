/*
 * Two threads on two processors wake each other: while one runs, the other's processor
 * has nothing to do and halts.  Each waking is one run.
 */
#include <pthread.h>
#include <unistd.h>

#include "benchmark.h"
#include "probe.h"

static int there[2], back[2];

static void *answer(void *context)
{
	char byte;

	(void)context;
	use_processor(1);
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	return NULL;
}

static const char *one_processor(const struct machine *machine)
{
	(void)machine;
	return usable_processors() < 2 ? "needs two processors" : NULL;
}

static void halt_wake(struct session *s, uint32_t runs)
{
	pthread_t other;
	char byte = 0;

	if (pipe(there) < 0 || pipe(back) < 0)
		session_fail_errno(s, "pipe");
	use_processor(0);
	if (pthread_create(&other, NULL, answer, NULL))
		session_fail(s, "no thread could be started");
	session_begin(s);
	for (uint32_t i = 0; i < runs; i += 2)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			session_fail_errno(s, "pipe");
	session_end(s);
	close(there[1]);
	pthread_join(other, NULL);
}

static const struct benchmark benchmark = {
	"halt-wake", "Time to wake a halted processor", ON_ONE, one_processor, halt_wake,
};
REGISTER_BENCHMARK(benchmark);

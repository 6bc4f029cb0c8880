/* Cheap, unless the hypervisor emulates the time stamp counter. */
#include "benchmark.h"

static void rdtsc(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--) {
		uint32_t low, high;

		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"rdtsc", "Time for one RDTSC instruction", ON_ONE, NULL, rdtsc,
};
REGISTER_BENCHMARK(benchmark);

/* Every hypervisor with hardware help has to handle CPUID itself. */
#include <cpuid.h>

#include "benchmark.h"

static void cpuid(struct session *s, uint32_t runs)
{
	unsigned int a, b, c, d;

	session_begin(s);
	while (runs--) {
		__cpuid(0, a, b, c, d);
		__asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"cpuid", "Time for one CPUID instruction", ON_ONE, NULL, cpuid,
};
REGISTER_BENCHMARK(benchmark);

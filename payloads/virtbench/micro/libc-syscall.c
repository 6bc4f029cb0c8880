#include <unistd.h>

#include "benchmark.h"

static void libc_syscall(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--)
		getppid();
	session_end(s);
}

static const struct benchmark benchmark = {
	"libc-syscall", "Time for one syscall via libc", ON_ONE, NULL, libc_syscall,
};
REGISTER_BENCHMARK(benchmark);

/* The 32-bit way into the kernel, which 64-bit kernels may have too. */
#include "benchmark.h"
#include "probe.h"

#define I386_GETPPID 64

static void int_80(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(I386_GETPPID)
			 : "memory", "r8", "r9", "r10", "r11");
}

static const char *no_int_80(const struct machine *machine)
{
	(void)machine;
	if (survives(int_80))
		return NULL;
	return "this kernel takes no system calls by int 0x80 (IA32 emulation)";
}

static void int_syscall(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--)
		int_80();
	session_end(s);
}

static const struct benchmark benchmark = {
	"int-syscall", "Time for one int-0x80 syscall", ON_ONE, no_int_80, int_syscall,
};
REGISTER_BENCHMARK(benchmark);

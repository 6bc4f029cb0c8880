/*
 * The instructions that call the hypervisor, with a number that KVM and others refuse
 * at once to programs: the shortest way there and back.
 */
#include "benchmark.h"
#include "probe.h"

static void vmcall_once(void)
{
	long result;

	__asm__ volatile("vmcall" : "=a"(result) : "a"(0) : "rbx", "rcx", "rdx", "memory");
}

static void vmmcall_once(void)
{
	long result;

	__asm__ volatile("vmmcall" : "=a"(result) : "a"(0) : "rbx", "rcx", "rdx", "memory");
}

static const char *no_vmcall(const struct machine *machine)
{
	(void)machine;
	if (survives(vmcall_once))
		return NULL;
	/* It emulates VMCALL for the kernel, as VMMCALL; a program gets a fault, wherever it lies. */
	return survives(vmmcall_once) ? "not a VT guest: under SVM a program's call is VMMCALL"
				      : "not a VT guest";
}

static const char *no_vmmcall(const struct machine *machine)
{
	(void)machine;
	return survives(vmmcall_once) ? NULL : "not an SVM guest";
}

static void run_vmcall(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--)
		vmcall_once();
	session_end(s);
}

static void run_vmmcall(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--)
		vmmcall_once();
	session_end(s);
}

static const struct benchmark vmcall = {
	"vmcall", "Time for one VMCALL (VT) instruction", ON_ONE, no_vmcall, run_vmcall,
};
REGISTER_BENCHMARK(vmcall);

static const struct benchmark vmmcall = {
	"vmmcall", "Time for one VMMCALL (SVM) instruction", ON_ONE, no_vmmcall, run_vmmcall,
};
REGISTER_BENCHMARK(vmmcall);

/*
 * The exit itself, measured from outside: a virtual machine of one page whose only
 * processor executes HLT again and again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "benchmark.h"
#include "environment.h"
#include "probe.h"

#define PAGE 4096
/* Away from address 0 and from what KVM uses for itself. */
#define CODE 0x10000

struct tiny {
	int processor;
	struct kvm_run *run;
};

/* 1: hlt; jmp 1b, in real mode. */
static const unsigned char code[] = { 0xf4, 0xeb, 0xfd };

/* NULL, or what could not be done. */
static const char *make_machine(struct tiny *tiny)
{
	struct kvm_userspace_memory_region memory = {
		.guest_phys_addr = CODE, .memory_size = PAGE,
	};
	struct kvm_regs registers = { .rip = 0, .rflags = 2 };
	struct kvm_sregs system;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), machine, size;
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (kvm < 0)
		return "/dev/kvm cannot be opened: no KVM here, or nothing nested";
	machine = ioctl(kvm, KVM_CREATE_VM, 0);
	if (machine < 0 || page == MAP_FAILED)
		return "KVM makes no machine";
	memcpy(page, code, sizeof(code));
	memory.userspace_addr = (uint64_t)page;
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	tiny->processor = ioctl(machine, KVM_SET_USER_MEMORY_REGION, &memory) < 0 || size < 0 ?
				  -1 : ioctl(machine, KVM_CREATE_VCPU, 0);
	if (tiny->processor < 0)
		return "KVM makes no processor";
	tiny->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, tiny->processor,
			 0);
	if (tiny->run == MAP_FAILED || ioctl(tiny->processor, KVM_GET_SREGS, &system) < 0)
		return "KVM's processor cannot be set up";
	system.cs.base = CODE;
	system.cs.selector = CODE >> 4;
	if (ioctl(tiny->processor, KVM_SET_SREGS, &system) < 0 ||
	    ioctl(tiny->processor, KVM_SET_REGS, &registers) < 0)
		return "KVM's processor cannot be set up";
	return NULL;
}

static bool halts(struct tiny *tiny)
{
	return ioctl(tiny->processor, KVM_RUN, 0) == 0 && tiny->run->exit_reason == KVM_EXIT_HLT;
}

/* /dev/kvm may be there and its machines never run. */
static void halt_once(void)
{
	struct tiny tiny;

	if (make_machine(&tiny) || !halts(&tiny))
		_exit(1);
}

static const char *no_kvm(const struct machine *machine)
{
	(void)machine;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return "no /dev/kvm: only where KVM can start machines";
	/* An emulated processor's nested virtualisation was seen to take the whole machine down. */
	if (environment_hypervisor())
		return "only where KVM runs on the hardware itself, not nested in a virtual machine";
	return survives(halt_once) ? NULL : "/dev/kvm is there, but a machine of it does not run";
}

static void hlt_exit(struct session *s, uint32_t runs)
{
	struct tiny tiny;
	const char *wrong = make_machine(&tiny);

	if (wrong)
		session_fail(s, "%s", wrong);
	session_begin(s);
	while (runs--)
		if (!halts(&tiny))
			session_fail(s, "KVM exit %u instead of HLT", tiny.run->exit_reason);
	session_end(s);
}

static const struct benchmark benchmark = {
	"hlt-exit", "Time for one HLT exit of KVM", ON_ONE, no_kvm, hlt_exit,
};
REGISTER_BENCHMARK(benchmark);

/*
 * The exit itself, measured from outside: a virtual machine of four pages whose only
 * processor executes HLT again and again, in long mode.
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
#include "probe.h"

#define PAGE 4096
/* Away from address 0 and from what KVM uses for itself, in the first 2 MB, which are mapped. */
#define START 0x10000

/* The machine's memory. */
struct memory {
	uint8_t code[PAGE];
	uint64_t level4[PAGE / 8], level3[PAGE / 8], level2[PAGE / 8];
};

struct tiny {
	int processor;
	struct kvm_run *run;
};

#define PRESENT_WRITABLE 3
#define LARGE_PAGE (1 << 7)
#define CR0_LONG_MODE 0x80000011	/* paging, protected mode */
#define CR4_PAE (1 << 5)
#define EFER_LONG_MODE 0x500

/* 1: hlt; jmp 1b */
static const uint8_t code[] = { 0xf4, 0xeb, 0xfd };

static void fill(struct memory *memory)
{
	memcpy(memory->code, code, sizeof(code));
	memory->level4[0] = (START + offsetof(struct memory, level3)) | PRESENT_WRITABLE;
	memory->level3[0] = (START + offsetof(struct memory, level2)) | PRESENT_WRITABLE;
	memory->level2[0] = PRESENT_WRITABLE | LARGE_PAGE;
}

static bool enter_long_mode(int processor)
{
	const struct kvm_segment cs = { .limit = 0xffffffff, .selector = 8, .type = 11,
					.present = 1, .s = 1, .l = 1, .g = 1 };
	const struct kvm_segment data = { .limit = 0xffffffff, .selector = 16, .type = 3,
					  .present = 1, .s = 1, .db = 1, .g = 1 };
	const struct kvm_regs registers = { .rip = START, .rflags = 2 };
	struct kvm_sregs system;

	if (ioctl(processor, KVM_GET_SREGS, &system) < 0)
		return false;
	system.cs = cs;
	system.ds = system.es = system.ss = data;
	system.cr3 = START + offsetof(struct memory, level4);
	system.cr4 = CR4_PAE;
	system.cr0 = CR0_LONG_MODE;
	system.efer = EFER_LONG_MODE;
	return ioctl(processor, KVM_SET_SREGS, &system) == 0 &&
	       ioctl(processor, KVM_SET_REGS, &registers) == 0;
}

/* NULL, or what could not be done. */
static const char *make_machine(struct tiny *tiny)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = START, .memory_size = sizeof(struct memory),
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), machine, size;
	struct memory *memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (kvm < 0)
		return "/dev/kvm cannot be opened: no KVM here, or nothing nested";
	machine = ioctl(kvm, KVM_CREATE_VM, 0);
	if (machine < 0 || memory == MAP_FAILED)
		return "KVM makes no machine";
	fill(memory);
	region.userspace_addr = (uint64_t)memory;
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	tiny->processor = ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) < 0 || size < 0 ?
				  -1 : ioctl(machine, KVM_CREATE_VCPU, 0);
	if (tiny->processor < 0)
		return "KVM makes no processor";
	tiny->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, tiny->processor,
			 0);
	if (tiny->run == MAP_FAILED || !enter_long_mode(tiny->processor))
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

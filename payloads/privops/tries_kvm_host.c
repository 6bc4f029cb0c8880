/*
 * The other side of a KVM guest: on the host a guest of a few bytes is made whose kernel
 * mode is all there is of it, and what KVM answers to its hypercalls is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"
#include "tries.h"

#define CODE 0x1000u	/* where the guest's one page of memory begins */
#define PAGE 4096u
#define UNKNOWN_NUMBER 9999u

struct guest {
	int kvm, machine, cpu;
	unsigned char *memory;
	struct kvm_run *run;
};

static struct answer open_kvm(struct scene *scene)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), version;

	(void)scene;
	if (kvm < 0)
		return answer_unreached("/dev/kvm: %s", strerror(errno));
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	close(kvm);
	if (version != KVM_API_VERSION)
		return answer_refused(errno, "KVM's version is %d", version);
	return answer_done("KVM answers");
}

const struct door door_kvm_host = { "/dev/kvm", open_kvm };

/* Real mode, which is kernel mode too, at the first byte of its memory. */
static bool start_at_code(const struct guest *g)
{
	struct kvm_sregs special;
	struct kvm_regs registers = { .rip = CODE, .rflags = 2 };

	if (ioctl(g->cpu, KVM_GET_SREGS, &special))
		return false;
	special.cs.base = 0;
	special.cs.selector = 0;
	return !ioctl(g->cpu, KVM_SET_SREGS, &special) &&
	       !ioctl(g->cpu, KVM_SET_REGS, &registers);
}

static bool make_guest(struct guest *g)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = CODE,
						      .memory_size = PAGE };
	int size;

	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	g->machine = ioctl(g->kvm, KVM_CREATE_VM, 0);
	g->memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->machine < 0 || g->memory == MAP_FAILED)
		return false;
	region.userspace_addr = (uintptr_t)g->memory;
	if (ioctl(g->machine, KVM_SET_USER_MEMORY_REGION, &region))
		return false;
	g->cpu = ioctl(g->machine, KVM_CREATE_VCPU, 0);
	size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (g->cpu < 0 || size <= 0)
		return false;
	g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->cpu, 0);
	return g->run != MAP_FAILED;
}

/* mov $number, %eax; the processor's hypercall; hlt */
static void write_code(unsigned char *code, uint32_t number)
{
	static const unsigned char vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };

	code[0] = 0x66;
	code[1] = 0xb8;
	memcpy(code + 2, &number, sizeof(number));
	memcpy(code + 6, cpu_is_amd() ? vmmcall : vmcall, sizeof(vmcall));
	code[9] = 0xf4;
}

static bool call_from_kernel_mode(struct guest *g, uint32_t number, int32_t *result)
{
	struct kvm_regs registers;

	write_code(g->memory, number);
	if (!start_at_code(g) || ioctl(g->cpu, KVM_RUN, 0) ||
	    g->run->exit_reason != KVM_EXIT_HLT || ioctl(g->cpu, KVM_GET_REGS, &registers))
		return false;
	*result = (int32_t)registers.rax;
	return true;
}

struct answer kernel_hypercall_answer(int32_t known, int32_t unknown)
{
	if (known)
		return answer_refused(0, "KVM_HC_VAPIC_POLL_IRQ from kernel mode returned %d", known);
	if (unknown != -KVM_ENOSYS)
		return answer_refused(0, "hypercall %u, which KVM does not have, returned %d instead "
				      "of %d", UNKNOWN_NUMBER, unknown, -KVM_ENOSYS);
	return answer_done("KVM_HC_VAPIC_POLL_IRQ from kernel mode is taken, an unknown number is "
			   "answered with %d", unknown);
}

struct answer try_kernel_hypercall(struct scene *scene)
{
	int32_t known, unknown;
	struct guest guest;

	(void)scene;
	if (!make_guest(&guest))
		return answer_broken("KVM makes no guest: %s", strerror(errno));
	if (!call_from_kernel_mode(&guest, KVM_HC_VAPIC_POLL_IRQ, &known) ||
	    !call_from_kernel_mode(&guest, UNKNOWN_NUMBER, &unknown))
		return answer_broken("the guest did not come to its end: KVM's exit reason is %u",
				     guest.run->exit_reason);
	return kernel_hypercall_answer(known, unknown);
}

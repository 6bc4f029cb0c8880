#include "traps.h"

#include "../freestanding.h"
#include "console.h"
#include "hypercall.h"
#include "shutdown.h"

#define TRAPS 20
#define PAGE_FAULT 14
#define RIGHTS 3	/* of a selector: the least */
#define STEP_FLAGS 0x40500ul	/* single steps, backwards, alignment checks: C knows none of them */

/* As entry.S leaves it on the stack. */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* What entry.S has, and what it calls. */
extern const unsigned long trap_entries[TRAPS];
void event_entry(void);
void failsafe_entry(void);
void catch_resume(void);
int catch_begin(struct catch *place) __attribute__((returns_twice));
void trap_handle(struct frame *frame);

static volatile struct vcpu_info *processor;
static struct catch *volatile catching;
static struct fault caught;

long traps_take(void)
{
	struct trap_info table[TRAPS + 1] = { 0 };

	for (int i = 0; i < TRAPS; i++) {
		table[i].vector = i;
		table[i].cs = FLAT_KERNEL_CS;
		table[i].address = trap_entries[i];
	}
	return hypercall1(__HYPERVISOR_set_trap_table, (unsigned long)table);
}

long traps_begin(struct vcpu_info *own)
{
	long status = traps_take();

	processor = own;
	if (status)
		return status;
	return hypercall3(__HYPERVISOR_set_callbacks, (unsigned long)event_entry,
			  (unsigned long)failsafe_entry, 0);
}

/* We look at no event; one that comes because a call unmasked them is put aside. */
void events_quieten(void)
{
	processor->evtchn_upcall_mask = 1;
	processor->evtchn_upcall_pending = 0;
}

/* Xen looks at both whenever it may interrupt a hypercall, and tells us on our way back. */
void events_await(void)
{
	processor->evtchn_upcall_pending = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	processor->evtchn_upcall_mask = 0;
}

static void tell(const struct fault *fault)
{
	char buffer[200];
	struct text line;

	text_begin(&line, buffer, sizeof(buffer));
	text_format(&line, "xenfc: the kernel itself faulted: vector %u, error %lx, ",
		    fault->vector, fault->error);
	text_format(&line, "instruction %lx, address %lx\n", fault->instruction, fault->address);
	console_say(buffer);
}

/* A PV kernel has the rights of user space, of which Xen must not give it more. */
static void check_rights(void)
{
	uint16_t selector;

	asm ("mov %%cs, %0" : "=r" (selector));
	if ((selector & RIGHTS) != RIGHTS)
		shutdown_with(EXIT_FAIL, "an exception came to this kernel with rights of Xen's own");
}

void trap_handle(struct frame *frame)
{
	check_rights();
	caught = (struct fault){
		.vector = frame->vector,
		.error = frame->error,
		.address = frame->vector == PAGE_FAULT ? processor->arch.cr2 : 0,
		.instruction = frame->rip,
	};
	if (!catching) {
		tell(&caught);
		shutdown_with(EXIT_ERROR, "a fault of the fuzzer's own kernel");
	}
	frame->rdi = (uint64_t)catching;
	frame->rip = (uint64_t)catch_resume;
	frame->rflags &= ~STEP_FLAGS;
	catching = NULL;
}

bool attempt(void (*action)(void *), void *argument, struct fault *fault)
{
	struct catch place;

	if (catch_begin(&place)) {
		*fault = caught;
		return false;
	}
	catching = &place;
	action(argument);
	catching = NULL;
	return true;
}

struct reading {
	const void *from;
	uint8_t value;
};

static void read_it(void *argument)
{
	struct reading *reading = argument;

	reading->value = *(const volatile uint8_t *)reading->from;
}

bool read_byte(const void *address, uint8_t *value, struct fault *fault)
{
	struct reading reading = { .from = address };

	if (!attempt(read_it, &reading, fault))
		return false;
	*value = reading.value;
	return true;
}

/* Exceptions of ours: caught round one access, else told and the end. */
#ifndef XENFC_RING0_TRAPS_H
#define XENFC_RING0_TRAPS_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

struct catch {
	uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

struct fault {
	unsigned int vector;
	uint64_t error;
	uint64_t address;	/* of the access, for a page fault */
	uint64_t instruction;
};

/* In entry.S: where an interrupt of our own comes to. */
void interrupt_entry(void);

/* From now on an event waits, until Xen has told us so. */
void events_await(void);
/* Of none we want to know. */
void events_quieten(void);

/* Exceptions come to us from now on, or again.  Fails only when Xen refuses the table. */
long traps_take(void);
/* The same, and events. */
long traps_begin(struct vcpu_info *own);

/* False, and what happened, when the action ended in an exception. */
bool attempt(void (*action)(void *), void *argument, struct fault *fault);

/* The same of a byte that cannot be read. */
bool read_byte(const void *address, uint8_t *value, struct fault *fault);

#endif

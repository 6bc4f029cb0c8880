/*
 * The memory of a small HVM machine of one processor: tables, and code that it executes from
 * its first instruction to its own end.  Either these are checks, each made twice: with memory,
 * where the processor does the work, and with a place where there is none, where Xen emulates the
 * same instruction (all bits set is what it reads there).  Or they are instructions at random, each
 * in its own unit, which may well damage all that the machine has; an exception goes on with the
 * next one.
 */
#ifndef XENFC_GUEST_CODE_H
#define XENFC_GUEST_CODE_H

#include <stdbool.h>
#include <stdint.h>

struct call;
struct hvm_hw_cpu;

#define GUEST_PAGES 12u		/* from frame 0 on */
#define GUEST_CHECKS 60u
#define GUEST_RESULTS_PAGE 5u
#define GUEST_END 42u		/* what it shuts itself down with */

/* One instruction, made twice. */
struct guest_check {
	uint8_t bytes[12];
	unsigned int size;
	uint32_t value;		/* the register before it */
	uint32_t flags;		/* those that are defined after it */
};

struct guest_code {
	bool wide;		/* 64 bits, with page tables; else 32 without */
	bool checked;
	struct guest_check checks[GUEST_CHECKS];
};

void guest_code_draw(struct call *call, struct guest_code *code);

/* Fill page `number`, all zero before. */
void guest_code_write(struct call *call, const struct guest_code *code, unsigned int number,
		      uint8_t *page);

/* The processor before its first instruction. */
void guest_code_start(const struct guest_code *code, struct hvm_hw_cpu *cpu);

/* The first check whose two results differ, given the results' page; GUEST_CHECKS: none. */
unsigned int guest_code_differs(const struct guest_code *code, const uint8_t *results);

/* Whether the processor came by all checks. */
bool guest_code_complete(const uint8_t *results);

#endif

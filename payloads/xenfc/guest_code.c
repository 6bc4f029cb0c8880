#include "guest_code.h"

#include "guest_places.h"
#include "run.h"

#include <xen/hvm/save.h>

/* In the fixed page. */
#define TASK 0x100u
#define TASK_STACK (TASK + 0x24u)
#define HANDLER 0x200u
#define NEXT_UNIT 0x800u
#define END_ARGUMENT 0x810u

#define STACK_TOP (STACK_PAGE * DOOR_PAGE + 0xf00u)
#define UNIT 64u
#define UNITS (2 * DOOR_PAGE / UNIT)
#define UNIT_AT(number) (CODE_PAGE * DOOR_PAGE + (number) * UNIT)
#define CODE_SELECTOR 0x08u
#define DATA_SELECTOR 0x10u
#define TASK_SELECTOR 0x18u

/* Where an exception goes on. */
static void begin_unit(struct writer *w, unsigned int number)
{
	static const uint8_t store_value[] = { 0xc7, 0x04, 0x25 };

	bytes(w, store_value, sizeof(store_value));
	word(w, NEXT_UNIT);
	word(w, UNIT_AT(number + 1));
}

void guest_code_draw(struct call *call, struct guest_code *code)
{
	code->wide = chance(call, 60);
	code->checked = chance(call, 25);
	for (unsigned int i = 0; i < GUEST_CHECKS; i++)
		guest_check_draw(call, code->wide, &code->checks[i]);
}

static void write_end(struct writer *w, bool amd)
{
	load(w, EAX, __HYPERVISOR_sched_op);
	load(w, EDI, SCHEDOP_shutdown);
	load(w, ESI, END_ARGUMENT);
	load(w, EBX, SCHEDOP_shutdown);
	load(w, ECX, END_ARGUMENT);
	call_xen(w, amd);
	byte(w, 0xeb);	/* for ever */
	byte(w, 0xfe);
}

/*
 * QEMU 7.2 dies of breakpoints that a guest of an emulated SVM sets itself, and of an interrupt in
 * user mode after LTR took a null selector, which it does not refuse.
 */
static bool kills_emulator(uint8_t first, uint8_t second, uint8_t third)
{
	bool debug_register = second == 0x23, ltr = second == 0x00 && (third >> 3 & 7) == 3;

	return first == 0x0f && (debug_register || ltr);
}

/* Nothing may look like such an instruction, wherever in it one jumps to. */
static void spare_emulator(uint8_t *at)
{
	for (unsigned int i = 0; i + 1 < UNIT; i++)
		if (kills_emulator(at[i], at[i + 1], i + 2 < UNIT ? at[i + 2] : NOP))
			at[i + 1] = NOP;
}

static void write_unit(struct call *call, const struct guest_code *code, unsigned int number,
		       uint8_t *at)
{
	struct writer w = { at };

	memset(at, NOP, UNIT);
	if (number == UNITS - 1)
		return write_end(&w, false);
	begin_unit(&w, number);
	if (number == UNITS - 2)
		return write_end(&w, true);
	if (code->checked && number < 2 * GUEST_CHECKS)
		guest_check_write(&w, &code->checks[number / 2], number / 2, number & 1);
	else if (!code->checked)
		guest_random_write(call, &w, code->wide);
	spare_emulator(at);
}

static void write_fixed(const struct guest_code *code, uint8_t *page)
{
	static const uint8_t handler[] = {
		0xbc, (uint8_t)STACK_TOP, (uint8_t)(STACK_TOP >> 8), 0, 0,	/* mov esp */
		0x6a, ALWAYS_SET, 0x9d, 0xfc,			/* all flags clear */
		0xb9, DATA_SELECTOR, 0, 0, 0, 0x8e, 0xd9, 0x8e, 0xc1, 0x8e, 0xd1,	/* ds, es, ss */
		0x2e, 0x8b, 0x04, 0x25, (uint8_t)NEXT_UNIT, NEXT_UNIT >> 8, 0, 0,
		0xff, 0xe0,					/* on with the next unit */
	};
	const uint64_t descriptors[] = {
		0, code->wide ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull,
		0x00cf93000000ffffull, 0x00008b0000000067ull | (uint64_t)TASK << 16, 0,
	};
	const uint64_t stack = STACK_TOP;
	const uint32_t end = GUEST_END;

	memcpy(page, descriptors, sizeof(descriptors));
	memcpy(page + TASK_STACK, &stack, sizeof(stack));
	memcpy(page + HANDLER, handler, sizeof(handler));
	memcpy(page + END_ARGUMENT, &end, sizeof(end));
}

static void write_gates(const struct guest_code *code, uint8_t *page)
{
	const uint64_t gate = HANDLER | CODE_SELECTOR << 16 | 0x8e0000000000ull;
	const uint64_t with_stack = gate | 1ull << 32;

	for (unsigned int i = 0; i < 256; i++)
		memcpy(page + i * (code->wide ? 16 : 8), code->wide ? &with_stack : &gate, 8);
}

/* The first gigabyte and the last one below 4, each where it is. */
static void write_table(unsigned int number, uint8_t *page)
{
	uint64_t *entries = (void *)page;

	switch (number) {
	case 0:
		entries[0] = (TABLES_PAGE + 1) * DOOR_PAGE | 7;
		break;
	case 1:
		entries[0] = (TABLES_PAGE + 2) * DOOR_PAGE | 7;
		entries[3] = (TABLES_PAGE + 3) * DOOR_PAGE | 7;
		break;
	default:
		for (uint64_t i = 0; i < 512; i++)
			entries[i] = (number == 3 ? 0xc0000000ull : 0) + (i << 21) + 0x87;
	}
}

void guest_code_write(struct call *call, const struct guest_code *code, unsigned int number,
		      uint8_t *page)
{
	switch (number) {
	case FIXED_PAGE:
		return write_fixed(code, page);
	case GATES_PAGE:
		return write_gates(code, page);
	case CODE_PAGE:
	case CODE_PAGE + 1:
		for (unsigned int i = 0; i < UNITS / 2; i++)
			write_unit(call, code, (number - CODE_PAGE) * UNITS / 2 + i,
				   page + i * UNIT);
		return;
	case ONES_PAGE:
		memset(page, 0xff, DOOR_PAGE);
		return;
	case TABLES_PAGE: case TABLES_PAGE + 1: case TABLES_PAGE + 2: case TABLES_PAGE + 3:
		return write_table(number - TABLES_PAGE, page);
	}
}

void guest_code_start(const struct guest_code *code, struct hvm_hw_cpu *cpu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->rip = UNIT_AT(0);
	cpu->rsp = STACK_TOP;
	cpu->rflags = ALWAYS_SET;
	cpu->cr0 = code->wide ? 0x80000031 : 0x31;
	cpu->cr3 = code->wide ? TABLES_PAGE * DOOR_PAGE : 0;
	cpu->cr4 = code->wide ? 0x620 : 0x600;
	cpu->msr_efer = code->wide ? 0x500 : 0;
	cpu->dr6 = 0xffff0ff0;
	cpu->dr7 = 0x400;
	cpu->cs_sel = CODE_SELECTOR;
	cpu->ds_sel = cpu->es_sel = cpu->fs_sel = cpu->gs_sel = cpu->ss_sel = DATA_SELECTOR;
	cpu->tr_sel = TASK_SELECTOR;
	cpu->cs_limit = cpu->ds_limit = cpu->es_limit = cpu->fs_limit = cpu->gs_limit =
		cpu->ss_limit = UINT32_MAX;
	cpu->tr_base = TASK;
	cpu->tr_limit = 0x67;
	cpu->gdtr_limit = 0x27;
	cpu->idtr_base = GATES_PAGE * DOOR_PAGE;
	cpu->idtr_limit = code->wide ? 0xfff : 0x7ff;
	cpu->cs_arbytes = code->wide ? 0xa9b : 0xc9b;
	cpu->ds_arbytes = cpu->es_arbytes = cpu->fs_arbytes = cpu->gs_arbytes =
		cpu->ss_arbytes = 0xc93;
	cpu->tr_arbytes = 0x8b;
}

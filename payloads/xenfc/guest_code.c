#include "guest_code.h"

#include "run.h"

#include <xen/hvm/save.h>

/* Frames. */
#define FIXED_PAGE 0u		/* descriptors, the handler of exceptions, a few variables */
#define GATES_PAGE 1u
#define CODE_PAGE 2u		/* and the next one */
#define ONES_PAGE 4u
#define STACK_PAGE 7u
#define TABLES_PAGE 8u		/* four of them */

/* In the fixed page. */
#define TASK 0x100u
#define TASK_STACK (TASK + 0x24u)
#define HANDLER 0x200u
#define NEXT_UNIT 0x800u
#define END_ARGUMENT 0x810u

#define STACK_TOP (STACK_PAGE * DOOR_PAGE + 0xf00u)
#define NOTHING_THERE 0x00200000u	/* no memory, no device */
#define UNIT 64u
#define UNITS (2 * DOOR_PAGE / UNIT)
#define UNIT_AT(number) (CODE_PAGE * DOOR_PAGE + (number) * UNIT)
#define RESULT_AT(check, second) (GUEST_RESULTS_PAGE * DOOR_PAGE + (check) * 16u + (second) * 8u)
#define NOP 0x90
#define CODE_SELECTOR 0x08u
#define DATA_SELECTOR 0x10u
#define TASK_SELECTOR 0x18u

#define CARRY 0x001u
#define ARITHMETIC 0x8d5u
#define LOGICAL 0x8c5u		/* but for the auxiliary carry */
#define PRODUCT 0x801u
#define ALWAYS_SET 0x002u	/* in the flags: the result was written */

struct writer {
	uint8_t *at;
};

static void byte(struct writer *w, unsigned int value)
{
	*w->at++ = (uint8_t)value;
}

static void word(struct writer *w, uint32_t value)
{
	memcpy(w->at, &value, sizeof(value));
	w->at += sizeof(value);
}

static void bytes(struct writer *w, const uint8_t *from, unsigned int size)
{
	memcpy(w->at, from, size);
	w->at += size;
}

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

static void load(struct writer *w, unsigned int reg, uint32_t value)
{
	byte(w, 0xb8 + reg);
	word(w, value);
}

/* mov [address], reg: written so that both modes take it for the same. */
static void store(struct writer *w, unsigned int reg, uint32_t address)
{
	byte(w, 0x89);
	byte(w, reg << 3 | 4);
	byte(w, 0x25);
	word(w, address);
}

/* Where an exception goes on. */
static void begin_unit(struct writer *w, unsigned int number)
{
	static const uint8_t store_value[] = { 0xc7, 0x04, 0x25 };

	bytes(w, store_value, sizeof(store_value));
	word(w, NEXT_UNIT);
	word(w, UNIT_AT(number + 1));
}

/* The instructions that are checked: [edi] and eax, or [edi] and a byte. */
struct kind {
	uint8_t opcode[2];
	uint8_t size;
	uint8_t reg;		/* the second part of a group's opcode */
	bool immediate;
	uint16_t flags;
	bool both_sizes;	/* one less is the same of a byte */
};

static const struct kind kinds[] = {
	{ { 0x01 }, 1, 0, false, ARITHMETIC, true }, { { 0x03 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x09 }, 1, 0, false, LOGICAL, true }, { { 0x0b }, 1, 0, false, LOGICAL, true },
	{ { 0x11 }, 1, 0, false, ARITHMETIC, true }, { { 0x13 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x19 }, 1, 0, false, ARITHMETIC, true }, { { 0x1b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x21 }, 1, 0, false, LOGICAL, true }, { { 0x23 }, 1, 0, false, LOGICAL, true },
	{ { 0x29 }, 1, 0, false, ARITHMETIC, true }, { { 0x2b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x31 }, 1, 0, false, LOGICAL, true }, { { 0x33 }, 1, 0, false, LOGICAL, true },
	{ { 0x39 }, 1, 0, false, ARITHMETIC, true }, { { 0x3b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x85 }, 1, 0, false, LOGICAL, true }, { { 0x87 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x89 }, 1, 0, false, ARITHMETIC, true }, { { 0x8b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x83 }, 1, 0, true, ARITHMETIC, false }, { { 0x83 }, 1, 1, true, LOGICAL, false },
	{ { 0x83 }, 1, 2, true, ARITHMETIC, false }, { { 0x83 }, 1, 3, true, ARITHMETIC, false },
	{ { 0x83 }, 1, 4, true, LOGICAL, false }, { { 0x83 }, 1, 5, true, ARITHMETIC, false },
	{ { 0x83 }, 1, 6, true, LOGICAL, false }, { { 0x83 }, 1, 7, true, ARITHMETIC, false },
	{ { 0xff }, 1, 0, false, ARITHMETIC, true }, { { 0xff }, 1, 1, false, ARITHMETIC, true },
	{ { 0xf7 }, 1, 2, false, ARITHMETIC, true }, { { 0xf7 }, 1, 3, false, ARITHMETIC, true },
	{ { 0x0f, 0xb6 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xb7 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xbe }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xbf }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xaf }, 2, 0, false, PRODUCT, false },
	{ { 0x0f, 0x42 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x43 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x92 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x9d }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xba }, 2, 4, true, CARRY, false }, { { 0x0f, 0xba }, 2, 5, true, CARRY, false },
	{ { 0x0f, 0xba }, 2, 6, true, CARRY, false }, { { 0x0f, 0xba }, 2, 7, true, CARRY, false },
	{ { 0x0f, 0xc1 }, 2, 0, false, ARITHMETIC, true },
};

static void draw_check(struct call *call, bool wide, struct guest_check *check)
{
	const struct kind *kind = &kinds[draw(call, COUNT(kinds))];
	struct writer w = { check->bytes };

	if (chance(call, 20))
		byte(&w, 0x66);
	if (wide && chance(call, 20))
		byte(&w, 0x48);
	bytes(&w, kind->opcode, kind->size);
	if (kind->both_sizes && chance(call, 30))
		w.at[-1]--;
	byte(&w, (unsigned int)kind->reg << 3 | EDI);
	if (kind->immediate)
		byte(&w, (unsigned int)draw(call, 256));
	check->size = (unsigned int)(w.at - check->bytes);
	check->value = (uint32_t)draw_interesting(call, 32);
	check->flags = kind->flags;
}

void guest_code_draw(struct call *call, struct guest_code *code)
{
	code->wide = chance(call, 60);
	code->checked = chance(call, 25);
	for (unsigned int i = 0; i < GUEST_CHECKS; i++)
		draw_check(call, code->wide, &code->checks[i]);
}

/* eax and the flags after it, among the results. */
static void write_check(struct writer *w, const struct guest_check *check, unsigned int number,
			bool emulated)
{
	uint32_t cell = number * 16;

	load(w, EDI, (emulated ? NOTHING_THERE : ONES_PAGE * DOOR_PAGE) + cell);
	load(w, EAX, check->value);
	byte(w, 0x6a);	/* push the flags: the carry is set every other time */
	byte(w, ALWAYS_SET | (number & 1));
	byte(w, 0x9d);
	bytes(w, check->bytes, check->size);
	byte(w, 0x9c);
	byte(w, 0x58 + EDX);
	store(w, EAX, RESULT_AT(number, emulated));
	store(w, EDX, RESULT_AT(number, emulated) + 4);
}

static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65, 0x67 };

/* Any instruction that has an operand in memory, at [edi]; or anything at all. */
static void write_any(struct call *call, struct writer *w, bool wide)
{
	unsigned int map = (unsigned int)draw(call, 8), reg = (unsigned int)draw(call, 8);
	uint8_t tail[8];

	if (chance(call, 40))
		byte(w, prefixes[draw(call, chance(call, 70) ? 3 : COUNT(prefixes))]);
	if (wide && chance(call, 25))
		byte(w, 0x40 | (uint8_t)(draw(call, 2) << 3 | draw(call, 2) << 2));
	if (map >= 2)
		byte(w, 0x0f);
	if (map >= 6)
		byte(w, map == 6 ? 0x38 : 0x3a);
	byte(w, (unsigned int)draw(call, 256));
	byte(w, chance(call, 90) ? reg << 3 | EDI : (unsigned int)draw(call, 256));
	random_fill(&call->random, tail, sizeof(tail));
	bytes(w, tail, chance(call, 50) ? sizeof(tail) : 1);
}

static uint32_t draw_place(struct call *call)
{
	static const uint32_t places[] = {
		NOTHING_THERE, NOTHING_THERE, NOTHING_THERE, 6 * DOOR_PAGE, 0x000a0000,
		16 * DOOR_PAGE, 24 * DOOR_PAGE,
		0xfec00000, 0xfec00010, 0xfed00000, 0xfed00100, 0xfee00000, 0xfee00300,
	};
	uint32_t place = places[draw(call, COUNT(places))];

	return place + (uint32_t)draw(call, 64) * (chance(call, 80) ? 16 : 1);
}

static void write_port(struct call *call, struct writer *w)
{
	static const uint16_t ports[] = {
		0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x42, 0x43, 0x61, 0x70, 0x71, 0x3c4,
		0x3c5, 0x3ce, 0x3cf, 0xcf8, 0xcfc, 0xcfe, 0xb000, 0xb008, 0x1f48, 0x40, 0x43,
	};
	static const uint8_t opcodes[] = { 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f };
	uint16_t port = ports[draw(call, COUNT(ports))];

	if (chance(call, 10))
		port = (uint16_t)draw(call, 0xe0);	/* below the port that Xen prints from */
	load(w, EDX, port);
	load(w, ESI, 6 * DOOR_PAGE);
	load(w, EDI, chance(call, 50) ? 6 * DOOR_PAGE : NOTHING_THERE);
	load(w, ECX, (uint32_t)draw(call, 8));
	load(w, EAX, (uint32_t)draw_interesting(call, 32));
	if (chance(call, 20))
		byte(w, 0x66);
	if (chance(call, 20))
		byte(w, 0xf3);
	byte(w, opcodes[draw(call, COUNT(opcodes))]);
}

static void write_register(struct call *call, struct writer *w)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0x10, 1 }, { 0x1b, 1 }, { 0x8b, 1 }, { 0xfe, 1 }, { 0x174, 3 }, { 0x179, 3 },
		{ 0x1a0, 1 }, { 0x1d9, 4 }, { 0x200, 16 }, { 0x250, 32 }, { 0x2ff, 1 }, { 0x400, 32 },
		{ 0x6e0, 1 }, { 0x800, 64 }, { 0xc0000080, 5 }, { 0xc0000100, 4 }, { 0xc0010000, 32 },
		{ 0xc0010110, 16 }, { 0xc0011020, 16 }, { 0x40000000, 8 }, { 0x40000020, 4 },
		{ 0x40000070, 4 }, { 0x40000080, 32 }, { 0xc0010200, 12 }, { 0x48, 2 },
	};
	unsigned int which = (unsigned int)draw(call, COUNT(ranges));

	load(w, ECX, ranges[which].first + (uint32_t)draw(call, ranges[which].count));
	load(w, EAX, (uint32_t)draw_interesting(call, 32));
	load(w, EDX, chance(call, 70) ? 0 : (uint32_t)draw_interesting(call, 32));
	byte(w, 0x0f);
	byte(w, chance(call, 60) ? 0x32 : 0x30);
}

/* What the processor asks Xen about itself. */
static void write_question(struct call *call, struct writer *w)
{
	static const uint8_t questions[][3] = {
		{ 0x0f, 0xa2, NOP }, { 0x0f, 0xa2, NOP }, { 0x0f, 0xa2, NOP }, { 0x0f, 0x31, NOP },
		{ 0x0f, 0x01, 0xf9 }, { 0x0f, 0x33, NOP }, { 0x0f, 0x01, 0xd0 }, { 0x0f, 0x08, NOP },
		{ 0x0f, 0x09, NOP }, { 0x0f, 0x06, NOP }, { 0x0f, 0x01, 0x3f }, { 0x0f, 0x20, 0xc0 },
		{ 0x0f, 0x20, 0xd8 }, { 0x0f, 0x20, 0xe0 }, { 0x0f, 0x22, 0xe0 },
		{ 0x0f, 0x21, 0xc0 }, { 0x0f, 0x01, 0xc8 }, { 0x0f, 0x01, 0xd8 },
		{ 0xf3, NOP, NOP }, { 0xcd, 0x80, NOP }, { 0xcc, NOP, NOP }, { 0x0f, 0x0b, NOP },
		{ 0x0f, 0x01, 0xdf }, { 0x0f, 0x01, 0xda }, { 0x0f, 0x01, 0xdc }, { 0xf1, NOP, NOP },
	};
	static const uint32_t leaves[] = { 0, 0x40000000, 0x40000100, 0x80000000 };

	load(w, EAX, leaves[draw(call, COUNT(leaves))] + (uint32_t)draw(call, 32));
	load(w, ECX, (uint32_t)draw(call, 4));
	load(w, EDI, draw_place(call));
	bytes(w, questions[draw(call, COUNT(questions))], 3);
}

/* Processors of one kind do not know the other's instruction: an exception. */
static void call_xen(struct writer *w, bool amd)
{
	byte(w, 0x0f);
	byte(w, 0x01);
	byte(w, amd ? 0xd9 : 0xc1);
}

/* The other hypercalls: what they do to such a machine goes when it goes. */
static void write_hypercall(struct call *call, struct writer *w)
{
	uint32_t number = (uint32_t)draw(call, 42), first = (uint32_t)draw(call, 16);

	load(w, EAX, chance(call, 95) ? number : 0x80000000 | number);
	load(w, EDI, first);
	load(w, EBX, first);
	load(w, ESI, 6 * DOOR_PAGE);
	load(w, ECX, 6 * DOOR_PAGE);
	load(w, EDX, (uint32_t)draw(call, 3));
	call_xen(w, chance(call, 70));
}

static void write_random(struct call *call, struct writer *w, bool wide)
{
	switch (draw(call, 20)) {
	case 0: case 1: case 2:
		return write_port(call, w);
	case 3: case 4:
		return write_register(call, w);
	case 5: case 6:
		return write_question(call, w);
	case 7:
		return write_hypercall(call, w);
	default:
		load(w, EDI, draw_place(call));
		load(w, ESI, draw_place(call));
		load(w, ECX, (uint32_t)draw(call, 5));
		write_any(call, w, wide);
	}
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
 * QEMU 7.2 dies of breakpoints that a guest of an emulated SVM sets itself: nothing may look like
 * an instruction that writes to a debug register.
 */
static void spare_emulator(uint8_t *at)
{
	for (unsigned int i = 0; i + 1 < UNIT; i++)
		if (at[i] == 0x0f && at[i + 1] == 0x23)
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
		write_check(&w, &code->checks[number / 2], number / 2, number & 1);
	else if (!code->checked)
		write_random(call, &w, code->wide);
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

struct result {
	uint32_t value, flags;
};

unsigned int guest_code_differs(const struct guest_code *code, const uint8_t *results)
{
	unsigned int i;

	for (i = 0; i < GUEST_CHECKS; i++) {
		struct result pair[2];

		memcpy(pair, results + i * sizeof(pair), sizeof(pair));
		if (!(pair[1].flags & ALWAYS_SET))
			continue;
		if (pair[0].value != pair[1].value ||
		    (pair[0].flags ^ pair[1].flags) & (code->checks[i].flags | ALWAYS_SET))
			break;
	}
	return i;
}

bool guest_code_complete(const uint8_t *results)
{
	for (unsigned int i = 0; i < GUEST_CHECKS; i++) {
		struct result pair[2];

		memcpy(pair, results + i * sizeof(pair), sizeof(pair));
		if (!(pair[0].flags & pair[1].flags & ALWAYS_SET))
			return false;
	}
	return true;
}

/*
 * Instructions that a PV kernel executes and Xen makes for it, refuses, or turns into an exception.
 * They are executed after a hypercall that changes nothing; only where the kernel is ours.
 */
#include "processor.h"

#define ANY_OUTCOME (-2)	/* no exception, or GENERAL_PROTECTION */
#define DIVIDE 0
#define DEBUG 1
#define BREAKPOINT 3
#define UNDEFINED 6
#define GENERAL_PROTECTION 13
#define PAGE_FAULT 14

#define PAGING_AND_PROTECTION 0x80000001ull
#define LOCAL_APIC 0xfee00900u	/* on, of the first processor */
#define XEN_LEAVES 0x40000000u

/* One or a few of them. */
struct instruction {
	const char *name;
	uint8_t bytes[32];
	uint8_t size;
	int outcome;
	/* Fill the registers before it; look at them after it, when there was no exception. */
	void (*before)(struct call *call, struct registers *r);
	void (*after)(struct call *call, const struct registers *before, const struct registers *now);
};

static void wrong(struct call *call, const char *what, uint64_t value)
{
	call_wrong(call, "%s gave our kernel %lx", what, value);
}

static void choose_leaf(struct call *call, struct registers *r)
{
	static const uint32_t leaves[] = { 0, 0, XEN_LEAVES, XEN_LEAVES, 0x40000100, 0x80000000 };

	r->rax = leaves[draw(call, COUNT(leaves))] + draw(call, chance(call, 50) ? 3 : 40);
	r->rcx = draw(call, 4);
}

/* Nobody but Xen knows of these leaves. */
static void check_leaf(struct call *call, const struct registers *before,
		       const struct registers *now)
{
	if (before->rax == XEN_LEAVES && (now->rbx != 0x566e6558 || now->rcx != 0x65584d4d ||
					  now->rdx != 0x4d4d566e))
		wrong(call, "cpuid of Xen's first leaf", now->rbx);
	else if (before->rax == XEN_LEAVES + 1 && now->rax != call->run->machine.reported)
		wrong(call, "cpuid of Xen's version", now->rax);
}

static void choose_register(struct call *call, struct registers *r)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0x10, 1 }, { 0x1b, 1 }, { 0x3a, 2 }, { 0x48, 2 }, { 0x8b, 1 }, { 0xc1, 8 },
		{ 0xce, 1 }, { 0xfe, 1 }, { 0x10a, 2 }, { 0x122, 1 }, { 0x140, 1 }, { 0x174, 3 },
		{ 0x179, 3 }, { 0x186, 4 }, { 0x1a0, 1 }, { 0x1d9, 4 }, { 0x200, 16 }, { 0x277, 1 },
		{ 0x2ff, 1 }, { 0x309, 3 }, { 0x345, 1 }, { 0x38d, 4 }, { 0x400, 32 }, { 0x480, 16 },
		{ 0x560, 4 }, { 0x6e0, 1 }, { 0x800, 64 }, { XEN_LEAVES, 8 }, { 0xc0000080, 5 },
		{ 0xc0000100, 4 }, { 0xc0010000, 32 }, { 0xc0010040, 4 }, { 0xc0010060, 8 },
		{ 0xc0010110, 16 }, { 0xc0010200, 12 }, { 0xc0011000, 48 }, { 0xda0, 1 },
	};
	unsigned int which = (unsigned int)draw(call, COUNT(ranges));

	r->rcx = ranges[which].first + draw(call, ranges[which].count);
	r->rax = draw_interesting(call, 32);
	r->rdx = chance(call, 60) ? 0 : draw_interesting(call, 32);
}

static void choose_apic_base(struct call *call, struct registers *r)
{
	(void)call;
	r->rcx = 0x1b;
}

static void check_apic_base(struct call *call, const struct registers *before,
			    const struct registers *now)
{
	(void)before;
	if (now->rax != LOCAL_APIC || now->rdx)
		wrong(call, "the address of the local APIC", now->rdx << 32 | now->rax);
}

/* Our segments, of which we use none. */
static void choose_segment(struct call *call, struct registers *r)
{
	uint64_t base = draw_interesting(call, 47) | (chance(call, 50) ? 0xffff800000000000ull : 0);

	r->rcx = 0xc0000100 + draw(call, 3);
	r->rax = (uint32_t)base;
	r->rdx = base >> 32;
}

static void check_segment(struct call *call, const struct registers *before,
			  const struct registers *now)
{
	if (now->rax != before->rax || now->rdx != before->rdx)
		wrong(call, "the base of a segment that was written before",
		      now->rdx << 32 | now->rax);
}

static void choose_bad_segment(struct call *call, struct registers *r)
{
	r->rcx = 0xc0000100 + draw(call, 3);
	r->rdx = 0x00008000u + draw(call, 0x1000);
}

static void check_mode(struct call *call, const struct registers *before,
		       const struct registers *now)
{
	(void)before;
	if ((now->rax & PAGING_AND_PROTECTION) != PAGING_AND_PROTECTION)
		wrong(call, "its first control register", now->rax);
}

static void check_tables(struct call *call, const struct registers *before,
			 const struct registers *now)
{
	(void)before;
	if (!now->rax || now->rax % DOOR_PAGE)
		wrong(call, "the address of its page tables", now->rax);
}

/* Read, changed and written, read again, and put back: what the first and the second reading told. */
#define CHANGED(number, operation, bits) \
	0x0f, 0x20, number, 0x89, 0xc3, 0x83, operation, bits, 0x0f, 0x22, number, 0x31, 0xc0, \
	0x0f, 0x20, number, 0x89, 0xc1, 0x89, 0xd8, 0x0f, 0x22, number
#define CR0 0xc0
#define CR4 0xe0
#define FLIP 0xf0
#define SET 0xc8
#define TIME_STAMPS 4u	/* of the fourth register: a kernel's own to change */
#define LARGE_PAGES 0x10u	/* Xen's */

static void check_changed(struct call *call, const struct registers *before,
			  const struct registers *now)
{
	(void)before;
	if ((now->rcx ^ now->rbx) != TIME_STAMPS)
		wrong(call, "its fourth control register, with one bit changed,", now->rcx);
}

static void check_unchanged(struct call *call, const struct registers *before,
			    const struct registers *now)
{
	(void)before;
	if (now->rcx != now->rbx)
		wrong(call, "its fourth control register, with one of Xen's bits changed,", now->rcx);
}

static void check_task_switched(struct call *call, const struct registers *before,
				const struct registers *now)
{
	(void)before;
	if (!(now->rcx & TASK_SWITCHED))
		wrong(call, "its first control register, with one bit set,", now->rcx);
}

static void check_task_cleared(struct call *call, const struct registers *before,
			       const struct registers *now)
{
	(void)before;
	if (!(now->rbx & TASK_SWITCHED) || now->rax & TASK_SWITCHED)
		wrong(call, "its first control register, with one bit set and cleared,", now->rax);
}

static void choose_value(struct call *call, struct registers *r)
{
	r->rax = draw_interesting(call, 64);
}

static void check_value(struct call *call, const struct registers *before,
			const struct registers *now)
{
	if (now->rax != before->rax)
		wrong(call, "a register that was written before", now->rax);
}

static void choose_features(struct call *call, struct registers *r)
{
	(void)call;
	r->rcx = 0xc0000080;
}

/* It runs in 64 bits, with system calls, and without virtual machines of its own. */
static void check_features(struct call *call, const struct registers *before,
			   const struct registers *now)
{
	(void)before;
	if ((now->rax & 0x1501) != 0x501)
		wrong(call, "extended features", now->rax);
}

static void choose_memory_types(struct call *call, struct registers *r)
{
	(void)call;
	r->rcx = 0x277;
}

/* The types of memory that page tables can name are Xen's, in every release. */
static void check_memory_types(struct call *call, const struct registers *before,
			       const struct registers *now)
{
	(void)before;
	if (now->rax != 0x00070406 || now->rdx != 0x00000501)
		wrong(call, "the types of memory", now->rdx << 32 | now->rax);
}

static void choose_address(struct call *call, struct registers *r)
{
	r->rax = call->run->door->unmapped + draw(call, DOOR_PAGE - 8);
}

static void choose_no_address(struct call *call, struct registers *r)
{
	r->rax = 0x8000000000000000ull + draw_interesting(call, 40);
}

/* Ports that tell without changing, to anybody who may ask; and a place for what they tell. */
static void choose_port(struct call *call, struct registers *r)
{
	static const uint16_t ports[] = {
		0x21, 0x40, 0x42, 0x43, 0x61, 0x70, 0x71, 0x80, 0xcf8, 0xcfc, 0xcfd, 0xcfe,
	};

	r->rdx = ports[draw(call, COUNT(ports))];
	r->rcx = draw(call, 4);
	r->rsi = r->rdi = (uintptr_t)call->run->door->arena + ARENA_ASIDE;
}

/* The register that says which device cfc is about, and the port of a diagnostic display. */
static void choose_quiet_port(struct call *call, struct registers *r)
{
	choose_port(call, r);
	r->rdx = chance(call, 50) ? 0xcf8 : 0x80;
	r->rax = 0x80000000u | (uint32_t)draw(call, 0x1000) << 2;
}

#define I(name_of, expected, fill, look, ...) \
	{ .name = name_of, .bytes = { __VA_ARGS__ }, .outcome = expected, \
	  .size = sizeof((uint8_t[]){ __VA_ARGS__ }), .before = fill, .after = look }
#define FORCED 0x0f, 0x0b, 'x', 'e', 'n'

static const struct instruction instructions[] = {
	I("cpuid", NO_FAULT, choose_leaf, NULL, 0x0f, 0xa2),
	I("forced cpuid", NO_FAULT, choose_leaf, check_leaf, FORCED, 0x0f, 0xa2),
	I("forced cpuid", NO_FAULT, choose_leaf, check_leaf, FORCED, 0x0f, 0xa2),
	I("forced nop", UNDEFINED, NULL, NULL, FORCED, 0x90),
	I("rdmsr", ANY_OUTCOME, choose_register, NULL, 0x0f, 0x32),
	I("rdmsr", ANY_OUTCOME, choose_register, NULL, 0x0f, 0x32),
	I("rdmsr", ANY_OUTCOME, choose_register, NULL, 0x0f, 0x32),
	I("wrmsr", ANY_OUTCOME, choose_register, NULL, 0x0f, 0x30),
	I("wrmsr", ANY_OUTCOME, choose_register, NULL, 0x0f, 0x30),
	I("rdmsr", NO_FAULT, choose_apic_base, check_apic_base, 0x0f, 0x32),
	I("wrmsr and rdmsr", NO_FAULT, choose_segment, check_segment, 0x0f, 0x30, 0x31, 0xc0, 0x31,
	  0xd2, 0x0f, 0x32),
	I("wrmsr", GENERAL_PROTECTION, choose_bad_segment, NULL, 0x0f, 0x30),
	I("mov from cr0", NO_FAULT, NULL, check_mode, 0x0f, 0x20, 0xc0),
	I("mov from cr2", NO_FAULT, NULL, NULL, 0x0f, 0x20, 0xd0),
	I("mov from cr3", NO_FAULT, NULL, check_tables, 0x0f, 0x20, 0xd8),
	I("mov from cr4", NO_FAULT, NULL, NULL, 0x0f, 0x20, 0xe0),
	I("mov cr3 to itself", NO_FAULT, NULL, check_tables, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8),
	I("mov cr4 to itself", NO_FAULT, NULL, NULL, 0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0),
	I("mov cr0 to itself", NO_FAULT, NULL, check_mode, 0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0),
	I("mov from dr7", NO_FAULT, NULL, NULL, 0x0f, 0x21, 0xf8),
	I("mov from dr6", NO_FAULT, NULL, NULL, 0x0f, 0x21, 0xf0),
	I("mov dr0 to itself", NO_FAULT, NULL, NULL, 0x0f, 0x21, 0xc0, 0x0f, 0x23, 0xc0),
	I("mov to cr4", NO_FAULT, NULL, check_changed, CHANGED(CR4, FLIP, TIME_STAMPS)),
	I("mov to cr4", NO_FAULT, NULL, check_unchanged, CHANGED(CR4, FLIP, LARGE_PAGES)),
	I("mov to cr0", NO_FAULT, NULL, check_task_switched, CHANGED(CR0, SET, TASK_SWITCHED)),
	I("mov to cr0 and clts", NO_FAULT, NULL, check_task_cleared, 0x0f, 0x20, CR0, 0x83, SET,
	  TASK_SWITCHED, 0x0f, 0x22, CR0, 0x0f, 0x20, CR0, 0x89, 0xc3, 0x0f, 0x06, 0x0f, 0x20, CR0),
	I("mov to cr0", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x20, CR0, 0x83, FLIP, 0x20, 0x0f, 0x22,
	  CR0),
	I("mov to cr2", NO_FAULT, choose_value, check_value, 0x0f, 0x22, 0xd0, 0x31, 0xc0, 0x0f, 0x20,
	  0xd0),
	I("rdmsr", NO_FAULT, choose_features, check_features, 0x0f, 0x32),
	I("rdmsr and wrmsr", NO_FAULT, choose_features, NULL, 0x0f, 0x32, 0x0f, 0x30),
	I("rdmsr and wrmsr", GENERAL_PROTECTION, choose_features, NULL, 0x0f, 0x32, 0x83, FLIP, 1, 0x0f,
	  0x30),
	I("rdmsr", NO_FAULT, choose_memory_types, check_memory_types, 0x0f, 0x32),
	I("clts", NO_FAULT, NULL, NULL, 0x0f, 0x06),
	I("wbinvd", NO_FAULT, NULL, NULL, 0x0f, 0x09),
	I("rdtsc", NO_FAULT, NULL, NULL, 0x0f, 0x31),
	I("hlt", GENERAL_PROTECTION, NULL, NULL, 0xf4),
	I("lgdt", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x01, 0x14, 0x24),
	I("lidt", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x01, 0x1c, 0x24),
	I("ltr", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x00, 0xd8),
	I("lldt", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x00, 0xd0),
	I("lmsw", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x01, 0xf0),
	I("invlpg", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x01, 0x38),
	I("invd", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x08),
	I("swapgs", GENERAL_PROTECTION, NULL, NULL, 0x0f, 0x01, 0xf8),
	I("ud2", UNDEFINED, NULL, NULL, 0x0f, 0x0b, 0x90, 0x90),
	I("lock nop", UNDEFINED, NULL, NULL, 0xf0, 0x90),
	I("int3", BREAKPOINT, NULL, NULL, 0xcc),
	I("int 0x90", GENERAL_PROTECTION, NULL, NULL, 0xcd, 0x90),
	I("division by zero", DIVIDE, NULL, NULL, 0x31, 0xc9, 0xf7, 0xf1),
	I("a single step", DEBUG, NULL, NULL, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90),
	I("a load from nowhere", PAGE_FAULT, choose_address, NULL, 0x48, 0x8b, 0x00),
	I("a load from no address", GENERAL_PROTECTION, choose_no_address, NULL, 0x48, 0x8b, 0x00),
	I("in", GENERAL_PROTECTION, choose_port, NULL, 0xec),
	I("cli", GENERAL_PROTECTION, NULL, NULL, 0xfa),
};

/* The same of ports when the kernel is given the right to use them. */
static const struct instruction with_right[] = {
	I("in of a byte", NO_FAULT, choose_port, NULL, 0xec),
	I("in of four", NO_FAULT, choose_port, NULL, 0xed),
	I("in of two", NO_FAULT, choose_port, NULL, 0x66, 0xed),
	I("rep insb", NO_FAULT, choose_port, NULL, 0xf3, 0x6c),
	I("out of a byte", NO_FAULT, choose_quiet_port, NULL, 0xee),
	I("out of four", NO_FAULT, choose_quiet_port, NULL, 0xef),
	I("rep outsb", NO_FAULT, choose_quiet_port, NULL, 0xf3, 0x6e),
	I("cli and sti", NO_FAULT, NULL, NULL, 0xfa, 0xfb),
};

static bool is_expected(const struct instruction *i, int vector)
{
	if (i->outcome == ANY_OUTCOME)
		return vector == NO_FAULT || vector == GENERAL_PROTECTION;
	return vector == i->outcome;
}

static void try_instruction(struct call *call, const struct instruction *i)
{
	struct door *door = call->run->door;
	struct registers before = { 0 }, now;
	int vector;

	if (i->before)
		i->before(call, &before);
	now = before;
	vector = door->execute(door, i->bytes, i->size, &now);
	if (!is_expected(i, vector))
		call_wrong(call, "%s, with %lx and %lx, ended in exception %d, expected %d", i->name,
			   before.rax, before.rcx, vector, i->outcome);
	else if (vector == NO_FAULT && i->after)
		i->after(call, &before, &now);
}

static void take_right(struct call *call, uint32_t level)
{
	struct physdev_set_iopl *p = (void *)(call->run->door->arena + ARENA_ASIDE);

	p->iopl = level;
	aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, (uintptr_t)p, 0);
}

/* No port is open to our kernel by itself, whatever calls before said. */
static void close_ports(struct call *call)
{
	struct physdev_set_iobitmap *p = (void *)(call->run->door->arena + ARENA_ASIDE);

	memset(p, 0, sizeof(*p));
	aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, (uintptr_t)p, 0);
}

static void after_instructions(struct call *call)
{
	bool right = chance(call, 25);

	if (call->result || !call->run->door->execute)
		return;
	close_ports(call);
	take_right(call, right);
	try_instruction(call, right ? &with_right[draw(call, COUNT(with_right))] :
			&instructions[draw(call, COUNT(instructions))]);
	take_right(call, 0);
}

/* Whatever the call set before: our processor may use its vector registers. */
static const struct operation instructions_list[] = {
	{ .name = "instructions", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 4, .generate = processor_generate, .expect = expect_success,
	  .after = after_instructions },
};

FAMILY(instructions, "processor", __HYPERVISOR_fpu_taskswitch, instructions_list);

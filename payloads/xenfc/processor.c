/*
 * What a PV kernel asks for its own processor: debug registers, segments, exceptions, callbacks.
 * Nearly all of it needs a kernel of our own, which uses none of it.
 */
#include "processor.h"

#define FIRST_SEGMENT 0xc0000100ull

bool processor_expect(struct call *call)
{
	(void)call;
	return true;
}

const void *processor_seen_at(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

/* The operations' own generators do all. */
void processor_generate(struct call *call)
{
	(void)call;
}

uint64_t draw_address(struct call *call)
{
	return chance(call, 30) ? LOW_END - 4 + draw(call, 8) : draw_interesting(call, 64);
}

/*
 * What an instruction of our kernel's own tells in rax (and rdx, when there is something): Xen
 * makes it for us.
 */
static uint64_t told(struct call *call, const uint8_t *code, size_t size, uint64_t number)
{
	struct registers r = { .rcx = number };
	int vector = call->run->door->execute(call->run->door, code, size, &r);

	if (vector != NO_FAULT)
		call_wrong(call, "reading register %lx of our processor ended in exception %d",
			   number, vector);
	return (uint32_t)r.rdx ? r.rdx << 32 | (uint32_t)r.rax : r.rax;
}

/* set_debugreg(register, value): none of ours is ever switched on. */

static void generate_set_debug(struct call *call)
{
	uint64_t number = draw_mostly(call, 90, 9), value;

	value = chance(call, 30) ? XEN_SPACE_START + draw(call, 1u << 20) :
		draw_interesting(call, chance(call, 70) ? 47 : 64);
	if (number >= 4)
		value &= ~ACTIVE_BREAKPOINTS;
	else if (value >= XEN_SPACE_END)
		value &= LOW_END - 1;	/* read back, it must look like no error */
	call->arguments[0] = number;
	call->arguments[1] = value;
}

static void expect_set_debug(struct call *call)
{
	uint64_t value = call->arguments[1];

	switch (call->arguments[0]) {
	case 0: case 1: case 2: case 3:
		expect_only(call, value < LOW_END || value >= XEN_SPACE_END ? 0 : ERR(EPERM));
		break;
	case 4: case 6:
		expect_only(call, value >> 32 ? ERR(EINVAL) : 0);
		break;
	case 5: case 7:
		expect_only(call, value >> 32 ? ERR(EINVAL) :
			    value & GENERAL_DETECT ? ERR(EPERM) : 0);
		break;
	default:
		expect_only(call, ERR(ENODEV));
	}
	/* Two of them are there only as long as debugging extensions are off. */
	if (call->arguments[0] == 4 || call->arguments[0] == 5)
		expect_also(call, ERR(ENODEV));
}

/* The last two have bits that always are the same; they are told by hypercall and by instruction. */
static void check_debug_bits(struct call *call)
{
	static const uint8_t read_status[] = { 0x0f, 0x21, 0xf0 }, read_control[] = { 0x0f, 0x21, 0xf8 };
	bool control = call->arguments[0] & 1;
	uint64_t ones = control ? CONTROL_ONES : STATUS_ONES, now;
	uint64_t zeroes = control ? CONTROL_ZEROES : STATUS_ZEROES;
	uint64_t right = (call->arguments[1] & ~zeroes) | ones;

	now = (uint64_t)aside(call->run, __HYPERVISOR_get_debugreg, control ? 7 : 6, 0, 0);
	if (now != right)
		call_wrong(call, "debug register %lu is told to be %lx, not %lx", call->arguments[0],
			   now, right);
	if (!call->run->door->execute)
		return;
	now = told(call, control ? read_control : read_status, sizeof(read_status), control ? 7 : 6);
	if (now != right)
		call_wrong(call, "debug register %lu is %lx afterwards, not %lx",
			   call->arguments[0], now, right);
}

static void after_set_debug(struct call *call)
{
	uint64_t number = call->arguments[0];
	long now;

	if (call->result)
		return;
	if (number > 3) {
		check_debug_bits(call);
		return;
	}
	now = aside(call->run, __HYPERVISOR_get_debugreg, number, 0, 0);
	if (now != (long)call->arguments[1])
		call_wrong(call, "debug register %lu is %lx afterwards", number, (uint64_t)now);
}

static const struct operation set_debug_list[] = {
	{ .name = "set_debugreg", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 5,
	  .generate = generate_set_debug, .expect = expect_set_debug, .after = after_set_debug },
};

FAMILY(set_debug, "processor", __HYPERVISOR_set_debugreg, set_debug_list);

static void generate_get_debug(struct call *call)
{
	call->arguments[0] = draw_mostly(call, 90, 9);
}

static void expect_get_debug(struct call *call)
{
	if (call->arguments[0] > 7) {
		expect_only(call, ERR(ENODEV));
		return;
	}
	expect_range(call, 0, INT64_MAX);
	if (call->arguments[0] == 4 || call->arguments[0] == 5)
		expect_also(call, ERR(ENODEV));
}

static const struct operation get_debug_list[] = {
	{ .name = "get_debugreg", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_READS,
	  .weight = 2, .generate = generate_get_debug, .expect = expect_get_debug },
};

FAMILY(get_debug, "processor", __HYPERVISOR_get_debugreg, get_debug_list);

/* set_segment_base(which, base): we use neither. */

static void generate_segment(struct call *call)
{
	call->arguments[0] = draw_mostly(call, 90, 5);
	call->arguments[1] = draw_address(call);
}

/* A selector that cannot be loaded becomes none. */
static void expect_segment(struct call *call)
{
	uint64_t which = call->arguments[0];

	expect_only(call, which > SEGBASE_GS_USER_SEL ||
		    (which < SEGBASE_GS_USER_SEL && !is_canonical(call->arguments[1])) ?
		    ERR(EINVAL) : 0);
}

static void after_segment(struct call *call)
{
	static const uint8_t read[] = { 0x0f, 0x32 };	/* rdmsr */
	static const uint64_t numbers[] = {
		[SEGBASE_FS] = FIRST_SEGMENT, [SEGBASE_GS_KERNEL] = FIRST_SEGMENT + 1,
		[SEGBASE_GS_USER] = FIRST_SEGMENT + 2,
	};
	uint64_t now;

	if (call->result || call->arguments[0] >= COUNT(numbers) || !call->run->door->execute)
		return;
	now = told(call, read, sizeof(read), numbers[call->arguments[0]]);
	if (now != call->arguments[1])
		call_wrong(call, "the base of segment %lu is %lx afterwards", call->arguments[0], now);
}

static const struct operation segment_list[] = {
	{ .name = "set_segment_base", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 4,
	  .generate = generate_segment, .expect = expect_segment, .after = after_segment },
};

FAMILY(segment, "processor", __HYPERVISOR_set_segment_base, segment_list);

/* fpu_taskswitch(set), stack_switch(segment, pointer): for a user space, which we have not. */

static void generate_switch(struct call *call)
{
	call->arguments[0] = draw_interesting(call, 32);
	call->arguments[1] = draw_interesting(call, 64);
}

/* Only whether it is zero counts, of 32 bits. */
static void after_float(struct call *call)
{
	static const uint8_t read[] = { 0x0f, 0x20, 0xc0 };	/* mov from cr0 */
	uint64_t now;

	if (call->result || !call->run->door->execute)
		return;
	now = told(call, read, sizeof(read), 0);
	if (!(now & TASK_SWITCHED) != !(uint32_t)call->arguments[0])
		call_wrong(call, "the first control register is %lx afterwards", now);
}

static const struct operation float_list[] = {
	{ .name = "fpu_taskswitch", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 2,
	  .generate = generate_switch, .expect = expect_success, .after = after_float },
};

FAMILY(float, "processor", __HYPERVISOR_fpu_taskswitch, float_list);

static const struct operation stack_list[] = {
	{ .name = "stack_switch", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 2,
	  .generate = generate_switch, .expect = expect_success },
};

FAMILY(stack, "processor", __HYPERVISOR_stack_switch, stack_list);

/* callback_op(command, structure): those that only a user space would need. */

static void generate_callback(struct call *call)
{
	static const uint16_t unused[] = {
		CALLBACKTYPE_syscall, CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter,
		CALLBACKTYPE_nmi, 3, 6, 8, 0xffff,
	};
	struct area *area = area_take(call, sizeof(struct callback_register), false);
	struct callback_register *r = (void *)area->at;

	r->type = unused[draw(call, COUNT(unused))];
	r->flags = (uint16_t)draw(call, 2);
	r->address = draw_address(call);
	call->arguments[0] = call->command;
	call->arguments[1] = area_address(call, area);
}

static bool is_callback(uint16_t type)
{
	return type == CALLBACKTYPE_nmi || type == CALLBACKTYPE_syscall ||
	       type == CALLBACKTYPE_syscall32 || type == CALLBACKTYPE_sysenter;
}

static void expect_register(struct call *call)
{
	const struct callback_register *r = processor_seen_at(call->arguments[1]);

	if (!reachable(call, call->arguments[1], sizeof(*r)))
		expect_only(call, ERR(EFAULT));
	else if (!is_canonical(r->address))
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, is_callback(r->type) ? 0 : ERR(ENOSYS));
}

static void expect_unregister(struct call *call)
{
	const struct callback_unregister *u = processor_seen_at(call->arguments[1]);

	if (!reachable(call, call->arguments[1], sizeof(*u)))
		expect_only(call, ERR(EFAULT));
	else if (!is_callback(u->type))
		expect_only(call, ERR(ENOSYS));
	else
		expect_only(call, u->type == CALLBACKTYPE_nmi ? 0 : ERR(EINVAL));
}

static const struct operation callback_list[] = {
	{ .name = "register", .command = CALLBACKOP_register, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL, .weight = 4, .generate = generate_callback,
	  .expect = expect_register },
	{ .name = "unregister", .command = CALLBACKOP_unregister, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL, .weight = 3, .generate = generate_callback,
	  .expect = expect_unregister },
};

static void generate_command(struct call *call)
{
	call->arguments[0] = call->command;
}

COMMAND_FAMILY(callback, "callback", __HYPERVISOR_callback_op, callback_list, ERR(ENOSYS),
	       generate_command);

/* nmi_op(command, structure): of the first processor only, so no other door's. */

static void generate_handler(struct call *call)
{
	struct area *area = area_take(call, sizeof(struct xennmi_callback), false);
	struct xennmi_callback *c = (void *)area->at;

	c->handler_address = draw_address(call);
	call->arguments[0] = call->command;
	call->arguments[1] = area_address(call, area);
}

static void expect_handler(struct call *call)
{
	const struct xennmi_callback *c = processor_seen_at(call->arguments[1]);

	if (!reachable(call, call->arguments[1], sizeof(*c)))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, is_canonical(c->handler_address) ? 0 : ERR(EINVAL));
}

static const struct operation nmi_list[] = {
	{ .name = "register_callback", .command = XENNMI_register_callback,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 3,
	  .generate = generate_handler, .expect = expect_handler },
	{ .name = "unregister_callback", .command = XENNMI_unregister_callback,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 2, .expect = expect_success },
};

COMMAND_FAMILY(nmi, "nmi", __HYPERVISOR_nmi_op, nmi_list, ERR(ENOSYS), generate_command);

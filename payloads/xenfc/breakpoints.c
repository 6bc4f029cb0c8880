/*
 * Breakpoints of ports: Xen keeps them beside the processor's own, where debugging extensions are on.
 * None of them is ever met, and none is left.
 */
#include "processor.h"

#define DEBUGGING_EXTENSIONS 8ull	/* of the fourth control register */
#define CONTROL 7
#define CONTROL_ALWAYS 0x400ull
#define BREAKPOINTS 4u
#define PORTS 2ull	/* what such a breakpoint watches */

/* None at all, to begin with. */
static void generate_ports(struct call *call)
{
	call->arguments[0] = CONTROL;
	call->arguments[1] = 0;
}

/* One instruction on the fourth control register, which Xen makes for us. */
static uint64_t control_register(struct call *call, uint8_t opcode, uint64_t value)
{
	const uint8_t code[] = { 0x0f, opcode, 0xe0 };
	struct registers r = { .rax = value };
	int vector = call->run->door->execute(call->run->door, code, sizeof(code), &r);

	if (vector != NO_FAULT)
		call_wrong(call, "our fourth control register ended in exception %d", vector);
	return r.rax;
}

static void switch_extensions(struct call *call, bool on)
{
	uint64_t now = control_register(call, 0x20, 0) & ~DEBUGGING_EXTENSIONS;

	control_register(call, 0x22, now | (on ? DEBUGGING_EXTENSIONS : 0));
}

static void set(struct call *call, uint64_t number, uint64_t value, long expected)
{
	long result = aside(call->run, __HYPERVISOR_set_debugreg, number, value, 0);

	if (result != expected)
		call_wrong(call, "debug register %lu with %lx gave %ld, expected %ld", number, value,
			   result, expected);
}

static void check(struct call *call, uint64_t number, long right)
{
	long now = aside(call->run, __HYPERVISOR_get_debugreg, number, 0, 0);

	if (now != right)
		call_wrong(call, "debug register %lu is told to be %lx, expected %lx", number,
			   (uint64_t)now, (uint64_t)right);
}

static void after_ports(struct call *call)
{
	uint64_t number = draw(call, BREAKPOINTS), size = draw(call, 4);
	uint64_t value = (1 + draw(call, 3)) << 2 * number | (PORTS | size << 2) << (16 + 4 * number);

	if (call->result || !call->run->door->execute)
		return;
	switch_extensions(call, true);
	set(call, CONTROL, value, 0);
	check(call, CONTROL, (long)(value | CONTROL_ALWAYS));
	/* There is no other name for it then. */
	set(call, CONTROL - 2, 0, ERR(ENODEV));
	check(call, CONTROL - 2, ERR(ENODEV));
	set(call, CONTROL, 0, 0);
	check(call, CONTROL, (long)CONTROL_ALWAYS);
	switch_extensions(call, false);
	set(call, CONTROL, value, ERR(EPERM));
	check(call, CONTROL - 2, (long)CONTROL_ALWAYS);
}

static const struct operation breakpoint_list[] = {
	{ .name = "breakpoints_of_ports", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 2, .generate = generate_ports, .expect = expect_success, .after = after_ports },
};

FAMILY(breakpoints, "processor", __HYPERVISOR_set_debugreg, breakpoint_list);

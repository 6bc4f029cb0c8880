/*
 * The small hypercalls: vm_assist, console_io, xenpmu_op, xsm_op, set_timer_op, multicall.  What
 * they would do to the caller or to the host stays out; how they refuse is checked.
 */
#include "small.h"

/* vm_assist(command, type) */

#define ASSIST_TYPES 64u
#define FIRST_TYPES 6u	/* which are for every PV kernel, as is the one that hides a map */

static bool type_exists(const struct call *call)
{
	uint64_t type = call->arguments[1];

	return type < FIRST_TYPES || type == VMASST_TYPE_m2p_strict;
}

/* Nothing that exists is switched: then there is no such command. */
static void generate_assist(struct call *call)
{
	call->arguments[0] = draw_interesting(call, 32);
	call->arguments[1] = chance(call, 60) ? draw(call, ASSIST_TYPES) :
		ASSIST_TYPES + draw_interesting(call, 31);
	if (type_exists(call) && call->arguments[0] <= VMASST_CMD_disable)
		call->arguments[0] += VMASST_CMD_disable + 1;
}

static void expect_assist(struct call *call)
{
	expect_only(call, type_exists(call) ? ERR(ENOSYS) : ERR(EINVAL));
}

static bool always(struct call *call)
{
	(void)call;
	return true;
}

static const struct operation assist_list[] = {
	{ .name = "vm_assist", .danger = DANGER_SAFE, .weight = 3, .expect = expect_assist },
};

FAMILY(assist, "vm", __HYPERVISOR_vm_assist, assist_list, 0, generate_assist, always);

/* console_io(command, count, buffer): the privilege is asked first. */

#define CONSOLE_ROOM 64u

static void generate_console(struct call *call)
{
	struct area *area = area_take(call, CONSOLE_ROOM, false);

	call->arguments[0] = call->operation ? call->command :
		CONSOLEIO_read + 1 + draw_interesting(call, 31);
	call->arguments[1] = call->command == CONSOLEIO_write ? 0 : draw(call, CONSOLE_ROOM);
	area->out_size = call->command == CONSOLEIO_read ? (uint32_t)call->arguments[1] : 0;
	call->arguments[2] = area_address(call, area);
}

/* Writing is for the control domain; Xen may be built or started to allow it to all. */
static bool console_expect(struct call *call)
{
	if (call->run->machine.control)
		return true;
	expect_only(call, ERR(EPERM));
	if (call->command == CONSOLEIO_write && call->operation)
		expect_also(call, 0);
	return false;
}

static void expect_read(struct call *call)
{
	expect_range(call, 0, (long)call->arguments[1]);
	if (!reachable(call, call->arguments[2], call->arguments[1]))
		expect_also(call, ERR(EFAULT));
}

static void generate_too_much(struct call *call)
{
	call->arguments[1] = 0x80000000u + draw(call, 0x7fffffff);
}

static void expect_too_much(struct call *call)
{
	expect_only(call, ERR(E2BIG));
}

static void expect_absent(struct call *call)
{
	expect_only(call, ERR(ENOSYS));
}

static const struct operation console_list[] = {
	{ .name = "write", .command = CONSOLEIO_write, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_success },
	{ .name = "read", .command = CONSOLEIO_read, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_read },
	{ .name = "read_too_much", .command = CONSOLEIO_read, .danger = DANGER_SAFE, .weight = 2,
	  .since = RELEASE(4, 12), .generate = generate_too_much, .expect = expect_too_much },
	{ .name = "no_command", .command = 1000, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_absent },
};

FAMILY(console, "console", __HYPERVISOR_console_io, console_list, 0, generate_console,
       console_expect);

/* xenpmu_op(command, structure): off unless Xen was started with vpmu. */

static void generate_pmu(struct call *call)
{
	struct area *area = area_take(call, sizeof(struct xen_pmu_params), true);

	call->arguments[0] = 64 + draw_interesting(call, 30);
	call->arguments[1] = area_address(call, area);
}

static void expect_pmu(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
	if (call->run->machine.vpmu || !call->run->machine.control)
		expect_also(call, ERR(EINVAL));
	if (!call->run->machine.control)
		expect_also(call, ERR(EPERM));
}

static const struct operation pmu_list[] = {
	{ .name = "no_command", .danger = DANGER_SAFE, .weight = 2, .expect = expect_pmu },
};

FAMILY(pmu, "xenpmu", __HYPERVISOR_xenpmu_op, pmu_list, 0, generate_pmu, always);

/* xsm_op(structure): there is a policy only where Flask is on. */

static void generate_xsm(struct call *call)
{
	struct area *area = area_take(call, 256, true);

	/* With Flask: a version of the interface that no release has. */
	memset(area->at + 4, 0xff, 4);
	call->arguments[0] = area_address(call, area);
}

static void expect_xsm(struct call *call)
{
	expect_only(call, ERR(ENOSYS));
	expect_also(call, ERR(EACCES));
	if (!reachable(call, call->arguments[0], 256))
		expect_also(call, ERR(EFAULT));
}

static const struct operation xsm_list[] = {
	{ .name = "wrong_version", .danger = DANGER_SAFE, .weight = 2, .expect = expect_xsm },
};

FAMILY(xsm, "xsm", __HYPERVISOR_xsm_op, xsm_list, 0, generate_xsm, always);

/* set_timer_op(time): ours would be taken from the kernel that waits for it. */

static void generate_timer(struct call *call)
{
	call->arguments[0] = draw_interesting(call, 64);
}

static const struct operation timer_list[] = {
	{ .name = "set_timer_op", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 2,
	  .expect = expect_success },
};

FAMILY(timer, "timer", __HYPERVISOR_set_timer_op, timer_list, 0, generate_timer, always);

/* multicall(entries, count): one inside of another is refused, and the rest goes on. */

#define NESTED_ENTRIES 3u

static void generate_nested(struct call *call)
{
	struct area *area = area_take(call, NESTED_ENTRIES * sizeof(multicall_entry_t), false);
	multicall_entry_t *entries = (void *)area->at;

	entries[0].op = __HYPERVISOR_multicall;
	entries[0].args[0] = (unsigned long)area_sure(area) + 2 * sizeof(*entries);
	entries[0].args[1] = 1;
	entries[1].op = entries[2].op = __HYPERVISOR_xen_version;
	area->out_size = area->size;
	call->arguments[0] = area_sure(area);
	call->arguments[1] = draw(call, NESTED_ENTRIES);
}

static void after_nested(struct call *call)
{
	const multicall_entry_t *entries = (const void *)call->areas[0].at;

	if (call->arguments[1] > 0 && (long)entries[0].result != ERR(EINVAL))
		call_wrong(call, "a multicall inside of one gave %ld", (long)entries[0].result);
	if (call->arguments[1] > 1 && (long)entries[1].result <= 0)
		call_wrong(call, "the call after it gave %ld", (long)entries[1].result);
	if (entries[2].result)
		call_wrong(call, "a call beyond the count was made");
}

static void generate_nothing(struct call *call)
{
	(void)call;
}

/* A long one that Xen interrupts after a timer that is over at once, and goes on with. */

#define MANY_ENTRIES 64u
#define NOT_MADE 0xffffffffffffffffull

static void generate_interrupted(struct call *call)
{
	struct area *area = area_take(call, MANY_ENTRIES * sizeof(multicall_entry_t), false);
	multicall_entry_t *entries = (void *)area->at;
	uint64_t last = draw(call, MANY_ENTRIES), timer = draw(call, last + 1);

	for (unsigned int i = 0; i < MANY_ENTRIES; i++) {
		entries[i].op = __HYPERVISOR_xen_version;
		entries[i].result = NOT_MADE;
	}
	entries[timer].op = __HYPERVISOR_set_timer_op;
	entries[timer].args[0] = 1;
	area->out_size = area->size;
	call->note = (long)timer;
	call->arguments[0] = area_sure(area);
	call->arguments[1] = last + 1;
}

static void after_interrupted(struct call *call)
{
	const multicall_entry_t *entries = (const void *)call->areas[0].at;
	unsigned long version = (unsigned long)aside(call->run, __HYPERVISOR_xen_version,
						     XENVER_version, 0, 0);

	for (uint64_t i = 0; i < MANY_ENTRIES; i++) {
		unsigned long right = i >= call->arguments[1] ? NOT_MADE :
			(long)i == call->note ? 0 : version;

		if (entries[i].result != right)
			call_wrong(call, "call %lu of %lu gave %ld, expected %ld", i,
				   call->arguments[1], (long)entries[i].result, (long)right);
	}
}

static const struct operation nested_list[] = {
	{ .name = "interrupted", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 1, .generate = generate_interrupted, .expect = expect_success,
	  .after = after_interrupted },
	{ .name = "nested", .danger = DANGER_SAFE, .traits = TRAIT_ALONE, .weight = 4,
	  .generate = generate_nested, .expect = expect_success, .after = after_nested },
};

FAMILY(multicall, "multicall", __HYPERVISOR_multicall, nested_list, 0, generate_nothing, always);

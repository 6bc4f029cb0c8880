/*
 * The small hypercalls: vm_assist, console_io, xenpmu_op, xsm_op, set_timer_op.  What they would do
 * to the caller or to the host stays out; how they refuse is checked.
 */
#include "small.h"
#include "timer_life.h"

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

bool no_checks_before(struct call *call)
{
	(void)call;
	return true;
}

static const struct operation assist_list[] = {
	{ .name = "vm_assist", .danger = DANGER_SAFE, .weight = 3, .expect = expect_assist },
};

FAMILY(assist, "vm", __HYPERVISOR_vm_assist, assist_list, 0, generate_assist, no_checks_before);

/*
 * One that our kernel has had since it was made, and that changes nothing for 64 bits: whether it is on
 * shows among the features.
 */
static void generate_own_assist(struct call *call)
{
	call->arguments[0] = chance(call, 50) ? VMASST_CMD_enable : VMASST_CMD_disable;
	call->arguments[1] = VMASST_TYPE_pae_extended_cr3;
}

static void after_own_assist(struct call *call)
{
	struct xen_feature_info *f = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*f));
	bool on = call->arguments[0] == VMASST_CMD_enable;
	long told, back;

	if (call->result)
		return;
	told = aside(call->run, __HYPERVISOR_xen_version, XENVER_get_features, (uintptr_t)f, 0);
	if (told || !(f->submap & 1u << XENFEAT_pae_pgdir_above_4gb) != !on)
		call_wrong(call, "assistance was switched %s, and the features are %x, with %ld",
			   on ? "on" : "off", f->submap, told);
	back = aside(call->run, __HYPERVISOR_vm_assist, VMASST_CMD_enable,
		     VMASST_TYPE_pae_extended_cr3, 0);
	if (back)
		call_wrong(call, "switching assistance on again gave %ld", back);
}

static const struct operation assist_own_list[] = {
	{ .name = "vm_assist_own", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 2, .expect = expect_success, .after = after_own_assist },
};

FAMILY(assist_own, "vm", __HYPERVISOR_vm_assist, assist_own_list, 0, generate_own_assist,
       no_checks_before);

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
		expect_also(call, call->arguments[1] ? ERR(EFAULT) : 0);
	return false;
}

/* What can be written stays out, as it would be seen; what cannot be read is refused. */
static void generate_write(struct call *call)
{
	if (reachable(call, call->arguments[2], 1))
		return;
	call->arguments[1] = 1 + draw(call, CONSOLE_ROOM);
}

static void expect_write(struct call *call)
{
	expect_only(call, call->arguments[1] ? ERR(EFAULT) : 0);
}

static void expect_read(struct call *call)
{
	expect_range(call, 0, (long)call->arguments[1]);
	if (!reachable(call, call->arguments[2], call->arguments[1]))
		expect_also(call, ERR(EFAULT));
}

static void generate_too_much(struct call *call)
{
	call->arguments[1] = 0x80000000u + (chance(call, 50) ? 0 : draw(call, 0x7fffffff));
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
	  .generate = generate_write, .expect = expect_write },
	{ .name = "read", .command = CONSOLEIO_read, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_read },
	{ .name = "read_too_much", .command = CONSOLEIO_read, .danger = DANGER_SAFE, .weight = 2,
	  .since = RELEASE(4, 12), .generate = generate_too_much, .expect = expect_too_much },
	{ .name = "no_command", .command = 1000, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_absent },
};

FAMILY(console, "console", __HYPERVISOR_console_io, console_list, 0, generate_console,
       console_expect);

/* xenpmu_op(command, structure): all of it is refused unless Xen was started with vpmu. */

static void generate_pmu(struct call *call)
{
	struct area *area = area_take(call, sizeof(struct xen_pmu_params), true);
	bool off = call->run->machine.control && !call->run->machine.vpmu;

	call->arguments[0] = 64 + draw_interesting(call, 30);
	if (off && chance(call, 70))
		call->arguments[0] = draw(call, XENPMU_flush + 1);
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
	{ .name = "switched_off", .danger = DANGER_SAFE, .weight = 2, .expect = expect_pmu },
};

FAMILY(pmu, "xenpmu", __HYPERVISOR_xenpmu_op, pmu_list, 0, generate_pmu, no_checks_before);

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

FAMILY(xsm, "xsm", __HYPERVISOR_xsm_op, xsm_list, 0, generate_xsm, no_checks_before);

/* set_timer_op(time): ours would be taken from the kernel that waits for it. */

static void generate_timer(struct call *call)
{
	call->arguments[0] = draw_interesting(call, 64);
}

static void generate_no_timer(struct call *call)
{
	call->arguments[0] = 0;
}

static const struct operation timer_list[] = {
	{ .name = "set_timer_op", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 2,
	  .expect = expect_success },
	{ .name = "timer_of_our_own", .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_DEAR, .weight = 1,
	  .generate = generate_no_timer, .expect = expect_success, .after = timer_live },
};

FAMILY(timer, "timer", __HYPERVISOR_set_timer_op, timer_list, 0, generate_timer,
       no_checks_before);

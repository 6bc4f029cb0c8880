/*
 * sysctl get_pmstat and pm_op: what Xen does to save power.  Whether it manages a kind of states at all
 * was asked at the start, of the first processor; each order about that kind is then answered alike.
 */
#include "sysctl.h"

#define CATEGORY 0xf0u
#define MOST_STATES 16u

/* Other kernels than ours may give Xen later what it needs for it. */
static void expect_managed(struct call *call, long at_start, long result)
{
	expect_only(call, at_start ? at_start : result);
	if (call->run->door->owns_kernel || call->run->plan.dry_run)
		return;
	expect_also(call, result);
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(ENODEV));
	expect_also(call, ERR(ENODATA));
}

static bool is_there(struct call *call, uint32_t processor)
{
	if (processor < call->run->machine.processors)
		return true;
	expect_only(call, ERR(EINVAL));
	return false;
}

static struct xen_sysctl_get_pmstat *statistics(const struct call *call)
{
	return &sysctl_of(call)->u.get_pmstat;
}

/* Its lists have room for all that is asked for; counts are set to nothing again by who may. */
static void generate_statistics(struct call *call)
{
	struct xen_sysctl_get_pmstat *p = statistics(call);

	memset(p, 0, sizeof(*p));
	p->type = (chance(call, 50) ? PMSTAT_CX : chance(call, 50) ? PMSTAT_PX :
		   (uint32_t)draw_interesting(call, 32) & ~(CATEGORY >> 4)) |
		  (uint32_t)draw(call, chance(call, 80) ? 4 : 16);
	if ((p->type == PMSTAT_reset_cxstat || p->type == PMSTAT_reset_pxstat) &&
	    !may_change_host(call))
		p->type ^= 1;
	p->cpuid = draw_mostly(call, 80, call->run->machine.processors);
	if (p->type != PMSTAT_get_cxstat)
		return;
	p->u.getcx.nr = (uint32_t)draw(call, MOST_STATES + 1);
	buffer_take(call, &p->u.getcx.triggers, MOST_STATES * sizeof(uint64_t), true, false);
	buffer_take(call, &p->u.getcx.residencies, MOST_STATES * sizeof(uint64_t), true, false);
}

/* Only lists that have something to tell are written. */
static void expect_idle_states(struct call *call)
{
	const struct xen_sysctl_get_pmstat *p = statistics(call);
	bool known = p->type >= PMSTAT_get_max_cx && p->type <= PMSTAT_reset_cxstat;
	uint32_t size = MOST_STATES * sizeof(uint64_t);

	expect_managed(call, call->run->machine.idle_states, known ? 0 : ERR(ENOSYS));
	if (p->type == PMSTAT_get_cxstat && !call->run->machine.idle_states &&
	    (!reachable(call, handle_value(&p->u.getcx.triggers), size) ||
	     !reachable(call, handle_value(&p->u.getcx.residencies), size)))
		expect_also(call, ERR(EFAULT));
}

static void expect_statistics(struct call *call)
{
	const struct xen_sysctl_get_pmstat *p = statistics(call);
	bool known = p->type >= PMSTAT_get_max_px && p->type <= PMSTAT_reset_pxstat;

	if (!is_there(call, p->cpuid))
		return;
	if ((p->type & CATEGORY) == PMSTAT_CX)
		expect_idle_states(call);
	else if ((p->type & CATEGORY) != PMSTAT_PX)
		expect_only(call, ERR(ENODEV));
	else
		expect_managed(call, call->run->machine.speeds, known ? 0 : ERR(ENOSYS));
	/* There are no lists to write speeds to. */
	if (p->type == PMSTAT_get_pxstat && !call->run->door->owns_kernel && !call->run->plan.dry_run)
		expect_also(call, ERR(EFAULT));
}

/* How many states there are does not depend on how it is asked. */
static void after_statistics(struct call *call)
{
	const struct xen_sysctl_get_pmstat *p = statistics(call);

	if (call->result)
		return;
	if (p->type == PMSTAT_get_cxstat && p->u.getcx.nr && p->u.getcx.last >= p->u.getcx.nr)
		call_wrong(call, "the last idle state is %u of %u", p->u.getcx.last,
			   p->u.getcx.nr);
	if (p->type == PMSTAT_get_pxstat && p->u.getpx.usable > p->u.getpx.total)
		call_wrong(call, "%u of %u speeds are usable", p->u.getpx.usable,
			   p->u.getpx.total);
}

static struct xen_sysctl_pm_op *power(const struct call *call)
{
	return &sysctl_of(call)->u.pm_op;
}

/* What would change something is asked of processors, and of things, that are not there. */
static void generate_power(struct call *call)
{
	static const uint32_t others[] = {
		XEN_SYSCTL_pm_op_get_max_cstate, XEN_SYSCTL_pm_op_get_max_cstate,
		XEN_SYSCTL_pm_op_set_max_cstate, XEN_SYSCTL_pm_op_set_sched_opt_smt,
		XEN_SYSCTL_pm_op_set_vcpu_migration_delay,
		XEN_SYSCTL_pm_op_get_vcpu_migration_delay, 0x20, 0x28, 0x100,
		XEN_SYSCTL_pm_op_enable_turbo, XEN_SYSCTL_pm_op_disable_turbo,
	};
	struct xen_sysctl_pm_op *p = power(call);

	memset(p, 0, sizeof(*p));
	p->cmd = chance(call, 70) ? others[draw(call, COUNT(others))] :
		CPUFREQ_PARA | (uint32_t)draw(call, 16);
	p->cpuid = draw_mostly(call, 80, 3);
	if (p->cmd == XEN_SYSCTL_pm_op_set_max_cstate)
		p->cpuid |= 2;
	else if (p->cmd == XEN_SYSCTL_pm_op_set_sched_opt_smt)
		p->cpuid |= 1;
	else if (p->cmd == XEN_SYSCTL_pm_op_enable_turbo ||
		 p->cmd == XEN_SYSCTL_pm_op_disable_turbo ||
		 ((p->cmd & CATEGORY) == CPUFREQ_PARA && !call->run->machine.frequencies))
		p->cpuid |= 1u << 16;
}

static void expect_power(struct call *call)
{
	const struct xen_sysctl_pm_op *p = power(call);

	switch (p->cmd) {
	case XEN_SYSCTL_pm_op_get_max_cstate:
		expect_only(call, p->cpuid < 2 ? 0 : ERR(EINVAL));
		break;
	case XEN_SYSCTL_pm_op_set_max_cstate:
	case XEN_SYSCTL_pm_op_set_sched_opt_smt:
		expect_only(call, ERR(EINVAL));
		break;
	default:
		if (!is_there(call, p->cpuid))
			return;
		if ((p->cmd & CATEGORY) == CPUFREQ_PARA)
			expect_managed(call, call->run->machine.frequencies, ERR(ENOSYS));
		else
			expect_only(call, ERR(ENOSYS));
	}
}

static uint32_t order(struct call *call, uint32_t command, uint32_t what, uint32_t value)
{
	struct xen_sysctl *s = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*s));

	s->cmd = SYSCTL(pm_op);
	s->interface_version = call->run->machine.sysctl_version;
	s->u.pm_op.cmd = command;
	s->u.pm_op.cpuid = what;
	s->u.pm_op.u.set_max_cstate = value;
	if (aside(call->run, __HYPERVISOR_sysctl, (uintptr_t)s, 0, 0))
		call_wrong(call, "the order %x about the host's power failed", command);
	return s->u.pm_op.u.get_max_cstate;
}

/* The deepest idle state and its variant, which are told as they were set. */
static void generate_limit(struct call *call)
{
	struct xen_sysctl_pm_op *p = power(call);

	memset(p, 0, sizeof(*p));
	p->cmd = XEN_SYSCTL_pm_op_set_max_cstate;
	p->cpuid = (uint32_t)draw(call, 2);
	p->u.set_max_cstate = (uint32_t)draw_interesting(call, 32);
	if (!call->run->plan.dry_run && call->run->machine.control)
		call->note = (long)order(call, XEN_SYSCTL_pm_op_get_max_cstate, p->cpuid, 0);
}

static void after_limit(struct call *call)
{
	const struct xen_sysctl_pm_op *p = power(call);
	uint32_t told;

	if (call->result)
		return;
	told = order(call, XEN_SYSCTL_pm_op_get_max_cstate, p->cpuid, 0);
	if (told != p->u.set_max_cstate)
		call_wrong(call, "the limit %u of idle states was set to %u, and is %u", p->cpuid,
			   p->u.set_max_cstate, told);
	told = order(call, XEN_SYSCTL_pm_op_get_max_cstate, !p->cpuid, 0);
	order(call, XEN_SYSCTL_pm_op_set_max_cstate, p->cpuid, (uint32_t)call->note);
	if (told != order(call, XEN_SYSCTL_pm_op_get_max_cstate, !p->cpuid, 0))
		call_wrong(call, "one limit of idle states changed with the other one");
}

/* What it was before is told when it is set: any number means that it is on. */
static void generate_saving(struct call *call)
{
	struct xen_sysctl_pm_op *p = power(call);

	memset(p, 0, sizeof(*p));
	p->cmd = XEN_SYSCTL_pm_op_set_sched_opt_smt;
	p->u.set_sched_opt_smt = (uint32_t)draw_interesting(call, 32);
	call->note = !!p->u.set_sched_opt_smt;
}

static void after_saving(struct call *call)
{
	uint32_t before = power(call)->u.set_sched_opt_smt, told;

	if (call->result)
		return;
	told = order(call, XEN_SYSCTL_pm_op_set_sched_opt_smt, 0, before);
	if (told != (uint32_t)call->note || before > 1)
		call_wrong(call, "saving of power was set to %ld, and was %u", call->note, told);
}

static const struct field statistics_fields[] = {
	SYSCTL_FIELD(get_pmstat.type, FLOW_IN),
	SYSCTL_FIELD(get_pmstat.cpuid, FLOW_IN),
	SYSCTL_FIELD(get_pmstat.u, FLOW_ECHO),
	FIELDS_END,
};

static const struct field power_fields[] = {
	SYSCTL_FIELD(pm_op.cmd, FLOW_IN),
	SYSCTL_FIELD(pm_op.cpuid, FLOW_IN),
	SYSCTL_FIELD(pm_op.u.get_max_cstate, FLOW_INOUT),
	FIELDS_END,
};

#define POWER(label, command_name, class, field_list, generator, expectation, follow) \
	{ .name = label, .command = SYSCTL(command_name), .danger = class, .weight = 3, \
	  .traits = TRAIT_ALONE, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation sysctl_power[] = {
	POWER("get_pmstat", get_pmstat, DANGER_SAFE, statistics_fields, generate_statistics,
	      expect_statistics, after_statistics),
	POWER("pm_op", pm_op, DANGER_SAFE, power_fields, generate_power, expect_power, NULL),
	POWER("idle_limit", pm_op, DANGER_HOST, power_fields, generate_limit, expect_success,
	      after_limit),
	POWER("power_saving", pm_op, DANGER_HOST, power_fields, generate_saving, expect_success,
	      after_saving),
};
const size_t sysctl_power_count = COUNT(sysctl_power);

/*
 * kexec_op and mca: what the control domain is told of the host for the case that it crashes or
 * its processors fail.  Nothing is loaded, started or injected.
 */
#include "small.h"

#define MOST_TOLD 4u	/* of the machine's processors */
#define MOST_THREADS 4096u
#define RANGES 8u	/* of memory; the last one does not exist */

static bool control_only(struct call *call)
{
	if (!call->run->machine.control)
		expect_only(call, ERR(EPERM));
	return call->run->machine.control;
}

/* kexec_op(command, structure) */

static void generate_kexec(struct call *call)
{
	struct area *area = area_take(call, sizeof(xen_kexec_range_t), true);
	xen_kexec_range_t *range = (void *)area->at;

	range->range = (int)draw_mostly(call, 90, RANGES);
	range->nr = (int)draw_mostly(call, 70, call->run->machine.processors + 1);
	area->out_size = area->size;
	call->arguments[0] = call->command;
	call->arguments[1] = area_address(call, area);
}

/* Notes are kept for each processor, if there is memory for them. */
static void expect_notes(struct call *call, int processor)
{
	if (processor < 0 || (uint32_t)processor >= call->run->machine.processors) {
		expect_only(call, ERR(ERANGE));
		return;
	}
	expect_only(call, 0);
	expect_also(call, ERR(EINVAL));
}

static void expect_range_told(struct call *call)
{
	const xen_kexec_range_t *range = (const void *)call->areas[0].at;

	if (!reachable(call, call->arguments[1], sizeof(*range)))
		expect_only(call, ERR(EFAULT));
	else if (range->range == KEXEC_RANGE_MA_CPU)
		expect_notes(call, range->nr);
	else
		expect_only(call, range->range == KEXEC_RANGE_MA_CRASH ||
			    range->range == KEXEC_RANGE_MA_XEN ||
			    range->range == KEXEC_RANGE_MA_VMCOREINFO ? 0 : ERR(EINVAL));
}

static void expect_kexec_status(struct call *call)
{
	expect_range(call, 0, 1);
	expect_also(call, ERR(EINVAL));
	if (!reachable(call, call->arguments[1], sizeof(xen_kexec_status_t)))
		expect_also(call, ERR(EFAULT));
}

static const struct operation kexec_list[] = {
	{ .name = "get_range", .command = KEXEC_CMD_kexec_get_range, .danger = DANGER_SAFE,
	  .weight = 3, .expect = expect_range_told },
	{ .name = "status", .command = KEXEC_CMD_kexec_status, .danger = DANGER_SAFE, .weight = 3,
	  .since = RELEASE(4, 8), .expect = expect_kexec_status },
};

FAMILY(kexec, "kexec", __HYPERVISOR_kexec_op, kexec_list, 0, generate_kexec, control_only);

/* mca(structure) */

static struct xen_mc *mc_of(const struct call *call)
{
	return (void *)call->areas[0].at;
}

static void generate_mca(struct call *call)
{
	struct area *area = area_take(call, sizeof(struct xen_mc), true);
	struct xen_mc *mc = (void *)area->at;

	mc->cmd = call->command;
	mc->interface_version = chance(call, 90) ? XEN_MCA_INTERFACE_VERSION :
		(uint32_t)draw_interesting(call, 32);
	area->out_size = sizeof(struct xen_mc);
	call->arguments[0] = area_address(call, area);
}

static bool mca_expect(struct call *call)
{
	if (!control_only(call))
		return false;
	if (!reachable(call, call->arguments[0], sizeof(struct xen_mc)))
		expect_only(call, ERR(EFAULT));
	else if (mc_of(call)->interface_version != XEN_MCA_INTERFACE_VERSION)
		expect_only(call, ERR(EACCES));
	else
		return true;
	return false;
}

static void expect_no_command(struct call *call)
{
	expect_only(call, ERR(EINVAL));
}

/*
 * Room for as many as are asked for; without any, the question is how many there are.  Xen 4.17
 * makes room for as many as are asked for too, but writes of all that are online into it.
 */
static void generate_processors(struct call *call)
{
	struct xen_mc_physcpuinfo *p = &mc_of(call)->u.mc_physcpuinfo;
	uint32_t online = call->run->machine.online;

	p->ncpus = draw_mostly(call, 70, online + 2);
	if (p->ncpus && p->ncpus < online && !may_break_xen(call))
		p->ncpus = online;
	call->note = (long)p->ncpus;
	buffer_take(call, &p->info, smaller(smaller(p->ncpus, online), MOST_TOLD) *
		    sizeof(xen_mc_logical_cpu_t), true, false);
	if (chance(call, 20))
		memset(&p->info, 0, sizeof(p->info));
}

static void expect_processors(struct call *call)
{
	const struct xen_mc_physcpuinfo *p = &mc_of(call)->u.mc_physcpuinfo;
	uint64_t info = handle_value(&p->info);
	uint32_t told = smaller(p->ncpus, call->run->machine.online);

	if (!info)
		expect_only(call, 0);
	else if (!p->ncpus)
		expect_only(call, ERR(EINVAL));
	else if (p->ncpus > INT32_MAX)	/* taken for less than none, when memory is looked for */
		expect_only(call, ERR(ENOMEM));
	else
		expect_only(call, reachable(call, info, told * sizeof(xen_mc_logical_cpu_t)) ? 0L :
			    ERR(EFAULT));
}

/* What a processor is, is told elsewhere, too. */
static void check_version(struct call *call, const xen_mc_logical_cpu_t *told)
{
	struct xen_platform_op *op = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*op));
	const struct xenpf_pcpu_version *v = &op->u.pcpu_version;

	op->cmd = XENPF_get_cpu_version;
	op->interface_version = call->run->machine.platform_version;
	op->u.pcpu_version.xen_cpuid = told->mc_cpunr;
	if (aside(call->run, __HYPERVISOR_platform_op, (uintptr_t)op, 0, 0) ||
	    memcmp(v->vendor_id, told->mc_vendorid, sizeof(v->vendor_id)) ||
	    v->family != told->mc_family || v->model != told->mc_model ||
	    v->stepping != told->mc_step)
		call_wrong(call, "processor %u is told to be of family %u, and of %u",
			   told->mc_cpunr, told->mc_family, v->family);
}

static bool is_some(uint32_t count)
{
	return count && count <= MOST_THREADS;
}

static void check_processors(struct call *call, const uint8_t *list, uint32_t count)
{
	xen_mc_logical_cpu_t told;
	uint32_t next = 0;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&told, list + i * sizeof(told), sizeof(told));
		if (told.mc_cpunr < next || told.mc_cpunr >= call->run->machine.processors ||
		    !is_some(told.mc_ncores) || !is_some(told.mc_ncores_active) ||
		    !is_some(told.mc_nthreads) || told.mc_nmsrvals < 1 ||
		    told.mc_nmsrvals > (int)COUNT(told.mc_msrvalues))
			call_wrong(call, "processor %u, with %u cores of %u and %u threads, cannot be",
				   told.mc_cpunr, told.mc_ncores_active, told.mc_ncores,
				   told.mc_nthreads);
		else
			check_version(call, &told);
		next = told.mc_cpunr + 1;
	}
}

static void after_processors(struct call *call)
{
	const struct xen_mc_physcpuinfo *p = &mc_of(call)->u.mc_physcpuinfo;
	uint32_t online = call->run->machine.online;
	uint32_t right = handle_value(&p->info) ? smaller((uint32_t)call->note, online) : online;

	if (!call->result && p->ncpus != right)
		call_wrong(call, "%u processors were told, expected %u", p->ncpus, right);
	else if (!call->result && handle_value(&p->info) == area_sure(&call->areas[1]))
		check_processors(call, call->areas[1].at, smaller(right, MOST_TOLD));
}

static const struct operation mca_list[] = {
	{ .name = "no_command", .command = 1000, .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_no_command },
	{ .name = "physcpuinfo", .command = XEN_MC_physcpuinfo, .danger = DANGER_SAFE,
	  .weight = 3, .generate = generate_processors, .expect = expect_processors,
	  .after = after_processors },
};

FAMILY(mca, "mca", __HYPERVISOR_mca, mca_list, 0, generate_mca, mca_expect);

/* domctl: virtual processors, their state and where they may run. */
#include "domctl.h"

#define MSRS 16u
#define NO_SUCH_ASSISTANCE (1ul << 63)
#define CANONICAL_HALF (1ull << 47)

/* Which processor most of these structures name in their first word. */
static uint32_t *vcpu_word(const struct call *call)
{
	return (uint32_t *)(void *)&domctl_of(call)->u;
}

static uint32_t draw_vcpu(struct call *call)
{
	return draw_mostly(call, 85, 5);
}

static bool vcpu_exists(const struct call *call, uint32_t vcpu)
{
	return call->domain->has_vcpus && vcpu < call->domain->max_vcpus;
}

static void generate_vcpu(struct call *call)
{
	draw_fields(call);
	*vcpu_word(call) = draw_vcpu(call);
}

static void expect_info(struct call *call)
{
	uint32_t vcpu = *vcpu_word(call);

	if (since(call, RELEASE(4, 22)) && !vcpu_exists(call, vcpu))
		expect_only(call, ERR(ENOENT));
	else if (vcpu >= call->domain->max_vcpus)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, call->domain->has_vcpus ? 0 : ERR(ESRCH));
}

static void after_info(struct call *call)
{
	const struct xen_domctl_getvcpuinfo *v = &domctl_of(call)->u.getvcpuinfo;

	if (call->result)
		return;
	if (v->online || v->blocked || v->running || v->cpu_time)
		call_wrong(call, "a processor that never started is online or has run");
	if (v->cpu >= call->run->machine.processors)
		call_wrong(call, "a processor is told to be on processor %u of the host, which has %u",
			   v->cpu, call->run->machine.processors);
}

/* Processors whose state nobody set have none to tell, and ours never get any. */
static void generate_get_context(struct call *call)
{
	struct xen_domctl_vcpucontext *c = &domctl_of(call)->u.vcpucontext;

	c->vcpu = draw_vcpu(call);
	buffer_take(call, &c->ctxt, sizeof(vcpu_guest_context_t), true, true);
}

static void expect_get_context(struct call *call)
{
	expect_only(call, vcpu_exists(call, domctl_of(call)->u.vcpucontext.vcpu) ?
		    ERR(ENODATA) : ERR(EINVAL));
}

/*
 * Random content, made wrong where it would otherwise make the processor run: tables of
 * descriptors that are too long for a PV one; HVM ones take anything, and stay offline.
 */
static void generate_set_context(struct call *call)
{
	struct xen_domctl_vcpucontext *c = &domctl_of(call)->u.vcpucontext;
	struct area *area;
	vcpu_guest_context_t context;

	c->vcpu = draw_vcpu(call);
	area = buffer_take(call, &c->ctxt, sizeof(context), false, false);
	memcpy(&context, area->at, sizeof(context));
	context.gdt_ents = 8193 + (unsigned long)draw(call, 1000);
	context.flags &= ~(unsigned long)VGCF_online;
	context.vm_assist = chance(call, 20) ? NO_SUCH_ASSISTANCE : 0;
	memcpy(area->at, &context, sizeof(context));
}

/* Registers of 32 bits; and the first processor's state has the whole domain's assistance in it. */
static bool asks_for_too_much(const struct call *call)
{
	vcpu_guest_context_t context;

	memcpy(&context, call->areas[1].at, sizeof(context));
	if (since(call, RELEASE(4, 18)) && (context.debugreg[6] | context.debugreg[7]) >> 32)
		return true;
	return !domctl_of(call)->u.vcpucontext.vcpu && context.vm_assist;
}

static void expect_set_context(struct call *call)
{
	const struct xen_domctl_vcpucontext *c = &domctl_of(call)->u.vcpucontext;

	if (!call->domain || !vcpu_exists(call, c->vcpu))
		expect_only(call, ERR(EINVAL));
	else if (!handle_value(&c->ctxt))
		expect_only(call, 0);	/* it is as new */
	else if (!reachable(call, handle_value(&c->ctxt), sizeof(vcpu_guest_context_t)))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, call->domain->hvm && !asks_for_too_much(call) ? 0 : ERR(EINVAL));
}

static void generate_affinity(struct call *call)
{
	struct xen_domctl_vcpuaffinity *a = &domctl_of(call)->u.vcpuaffinity;
	struct area *map;

	a->vcpu = draw_vcpu(call);
	a->flags = draw_mostly(call, 90, 4);
	a->cpumap_hard.nr_bits = (uint32_t)draw(call, 130);
	map = buffer_take(call, &a->cpumap_hard.bitmap, 32, true, true);
	map->out_size = map->out_size ? (a->cpumap_hard.nr_bits + 7) / 8 : 0;
	a->cpumap_soft.nr_bits = (uint32_t)draw(call, 130);
	map = buffer_take(call, &a->cpumap_soft.bitmap, 32, true, true);
	map->out_size = map->out_size ? (a->cpumap_soft.nr_bits + 7) / 8 : 0;
}


/* Bits of no meaning are let through; a map that is asked for must be there. */
static bool affinity_sane(const struct xen_domctl_vcpuaffinity *a)
{
	bool hard = a->flags & XEN_VCPUAFFINITY_HARD, soft = a->flags & XEN_VCPUAFFINITY_SOFT;

	return a->flags &&
	       (!hard || handle_value(&a->cpumap_hard.bitmap)) &&
	       (!soft || handle_value(&a->cpumap_soft.bitmap));
}

static void expect_get_affinity(struct call *call)
{
	const struct xen_domctl_vcpuaffinity *a = &domctl_of(call)->u.vcpuaffinity;
	bool hard = a->flags & XEN_VCPUAFFINITY_HARD, soft = a->flags & XEN_VCPUAFFINITY_SOFT;

	if (a->vcpu >= call->domain->max_vcpus)
		expect_only(call, ERR(EINVAL));
	else if (!call->domain->has_vcpus)
		expect_only(call, ERR(ESRCH));
	else if (!affinity_sane(a))
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, 0);
	/* Xen forgets that the first map could not be told when there is a second one. */
	call->forgets = hard && soft && !a->cpumap_soft.nr_bits;
	if (expect_names(&call->expect, 0) && (hard || soft))
		expect_map(call, soft ? &a->cpumap_soft : &a->cpumap_hard);
	if (expect_names(&call->expect, 0) && hard && soft &&
	    !reachable(call, handle_value(&a->cpumap_hard.bitmap), 32))
		expect_also(call, ERR(EFAULT));
}

static void expect_vcpu_or_esrch(struct call *call)
{
	expect_only(call, vcpu_exists(call, *vcpu_word(call)) ? 0 : ERR(ESRCH));
}

static uint64_t draw_entry(struct call *call)
{
	uint64_t address = chance(call, 70) ? 0 : draw_interesting(call, 47);

	return chance(call, 20) ? draw_interesting(call, 64) : address;
}

static void generate_set_extended(struct call *call)
{
	struct xen_domctl_ext_vcpucontext *e = &domctl_of(call)->u.ext_vcpucontext;

	generate_vcpu(call);
	e->size = (uint32_t)draw_around(call, 128, offsetof(struct xen_domctl_ext_vcpucontext, vmce));
	e->sysenter_callback_eip = draw_entry(call);
	e->syscall32_callback_eip = draw_entry(call);
	if (chance(call, 60))
		e->sysenter_callback_cs = 0;
	if (chance(call, 60))
		e->syscall32_callback_cs = 0;
	if (chance(call, 70))
		e->vmce.caps = 0;
}

static bool is_canonical(uint64_t address)
{
	return address + CANONICAL_HALF < 2 * CANONICAL_HALF;
}

/* An HVM processor has no such entries: it is told about none, but for a selector's privilege. */
static bool entries_sane(const struct xen_domctl_ext_vcpucontext *e, bool hvm)
{
	if (hvm)
		return !e->sysenter_callback_eip && !e->syscall32_callback_eip &&
		       !((e->sysenter_callback_cs | e->syscall32_callback_cs) & ~3);
	return is_canonical(e->sysenter_callback_eip) && is_canonical(e->syscall32_callback_eip);
}

static void expect_set_extended(struct call *call)
{
	const struct xen_domctl_ext_vcpucontext *e = &domctl_of(call)->u.ext_vcpucontext;
	const size_t capabilities = offsetof(struct xen_domctl_ext_vcpucontext, vmce);

	if (!vcpu_exists(call, e->vcpu)) {
		expect_only(call, ERR(ESRCH));
	} else if (e->size < capabilities || !entries_sane(e, call->domain->hvm)) {
		expect_only(call, ERR(EINVAL));
	} else {
		expect_only(call, 0);
		/* Which capabilities there are depends on the machine. */
		if (e->size >= capabilities + sizeof(e->vmce.caps) && e->vmce.caps)
			expect_also(call, ERR(EINVAL));
	}
}

/* Entries are taken before the capabilities are looked at. */
static void after_set_extended(struct call *call)
{
	const struct xen_domctl_ext_vcpucontext *set = &domctl_of(call)->u.ext_vcpucontext, *now;
	long result;

	if (call->result || call->domain->hvm)
		return;
	domctl_aside_structure(call->run)->u.ext_vcpucontext.vcpu = set->vcpu;
	result = domctl_aside(call->run, DOMCTL(get_ext_vcpucontext), call->domain->id);
	now = &domctl_aside_structure(call->run)->u.ext_vcpucontext;
	if (result || now->sysenter_callback_eip != set->sysenter_callback_eip ||
	    now->syscall32_callback_eip != set->syscall32_callback_eip ||
	    (now->sysenter_callback_cs | 3) != (set->sysenter_callback_cs | 3) ||
	    (now->syscall32_callback_cs | 3) != (set->syscall32_callback_cs | 3))
		call_wrong(call, "a processor's entries are others afterwards, or %ld", result);
}

static void generate_msrs(struct call *call)
{
	struct xen_domctl_vcpu_msrs *m = &domctl_of(call)->u.vcpu_msrs;

	m->vcpu = draw_vcpu(call);
	m->msr_count = (uint32_t)draw(call, MSRS + 1);
	buffer_take(call, &m->msrs, MSRS * sizeof(xen_domctl_vcpu_msr_t), true, true);
	if (chance(call, 20))
		memset(&m->msrs, 0, sizeof(m->msrs));
}

static void expect_get_msrs(struct call *call)
{
	const struct xen_domctl_vcpu_msrs *m = &domctl_of(call)->u.vcpu_msrs;

	if (!vcpu_exists(call, m->vcpu)) {
		expect_only(call, ERR(ESRCH));
		return;
	}
	if (call->domain->hvm) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	/* Only registers that are not zero are told: there may be none. */
	expect_only(call, 0);
	expect_also(call, ERR(ENOBUFS));
	if (!reachable(call, handle_value(&m->msrs), 1))
		expect_also(call, ERR(EFAULT));
}

/* Who sets as many as there may be has them read; who sets more does not. */
static void check_most_msrs(struct call *call, uint32_t vcpu, uint32_t most)
{
	struct run *run = call->run;

	for (uint32_t more = 0; more < 2; more++) {
		struct xen_domctl *d = memset(domctl_aside_structure(run), 0, sizeof(*d));
		long result;

		d->u.vcpu_msrs.vcpu = vcpu;
		d->u.vcpu_msrs.msr_count = most + more;
		memcpy(&d->u.vcpu_msrs.msrs, &run->door->unmapped, sizeof(uint64_t));
		result = domctl_aside(run, DOMCTL(set_vcpu_msrs), call->domain->id);
		if (result != (more ? ERR(EINVAL) : ERR(EFAULT)))
			call_wrong(call, "%u registers may be set; setting %u gave %ld", most,
				   most + more, result);
	}
}

static void after_get_msrs(struct call *call)
{
	const struct xen_domctl_vcpu_msrs *m = &domctl_of(call)->u.vcpu_msrs;

	if (!call->result && !handle_value(&m->msrs))
		check_most_msrs(call, m->vcpu, m->msr_count);
	else if (!call->result)
		check_rest(call, &call->areas[1], handle_value(&m->msrs),
			   m->msr_count * sizeof(xen_domctl_vcpu_msr_t));
}

static void generate_trigger(struct call *call)
{
	struct xen_domctl_sendtrigger *t = &domctl_of(call)->u.sendtrigger;

	t->trigger = draw_mostly(call, 80, 6);
	t->vcpu = draw_vcpu(call);
}

static void expect_trigger(struct call *call)
{
	const struct xen_domctl_sendtrigger *t = &domctl_of(call)->u.sendtrigger;

	if (!vcpu_exists(call, t->vcpu))
		expect_only(call, ERR(ESRCH));
	else if (t->trigger == XEN_DOMCTL_SENDTRIGGER_NMI)
		expect_only(call, 0);
	else if (t->trigger == XEN_DOMCTL_SENDTRIGGER_POWER ||
		 t->trigger == XEN_DOMCTL_SENDTRIGGER_SLEEP)
		expect_only(call, call->domain->hvm ? 0 : ERR(EINVAL));
	else
		expect_only(call, ERR(ENOSYS));
}

static const struct field info_fields[] = {
	DOMCTL_FIELD(getvcpuinfo.vcpu, FLOW_IN),
	DOMCTL_FIELD(getvcpuinfo.online, FLOW_OUT),
	DOMCTL_FIELD(getvcpuinfo.blocked, FLOW_OUT),
	DOMCTL_FIELD(getvcpuinfo.running, FLOW_OUT),
	DOMCTL_FIELD(getvcpuinfo.cpu_time, FLOW_OUT),
	DOMCTL_FIELD(getvcpuinfo.cpu, FLOW_OUT),
	FIELDS_END,
};

static const struct field context_fields[] = {
	DOMCTL_FIELD(vcpucontext.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpucontext.ctxt, FLOW_IN),
	FIELDS_END,
};

static const struct field affinity_fields[] = {
	DOMCTL_FIELD(vcpuaffinity.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.flags, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.cpumap_hard.nr_bits, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.cpumap_soft.nr_bits, FLOW_IN),
	FIELDS_END,
};

static const struct field extended_out_fields[] = {
	DOMCTL_FIELD(ext_vcpucontext.vcpu, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.size, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.syscall32_callback_eip, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.sysenter_callback_eip, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.syscall32_callback_cs, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.sysenter_callback_cs, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.syscall32_disables_events, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.sysenter_disables_events, FLOW_OUT),
	DOMCTL_FIELD(ext_vcpucontext.vmce, FLOW_INOUT),
	FIELDS_END,
};

static const struct field extended_in_fields[] = {
	DOMCTL_FIELD(ext_vcpucontext.vcpu, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.size, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.syscall32_callback_eip, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.sysenter_callback_eip, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.syscall32_callback_cs, FLOW_IN),
	DOMCTL_FIELD(ext_vcpucontext.sysenter_callback_cs, FLOW_IN),
	FIELDS_END,
};

static const struct field msr_fields[] = {
	DOMCTL_FIELD(vcpu_msrs.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpu_msrs.msr_count, FLOW_INOUT),
	FIELDS_END,
};

static const struct field trigger_fields[] = {
	DOMCTL_FIELD(sendtrigger.trigger, FLOW_IN),
	DOMCTL_FIELD(sendtrigger.vcpu, FLOW_IN),
	FIELDS_END,
};

#define OWN(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_vcpu[] = {
	OWN(getvcpuinfo, TRAIT_READS, info_fields, generate_vcpu, expect_info, after_info),
	OWN(getvcpucontext, TRAIT_READS, context_fields, generate_get_context, expect_get_context,
	    NULL),
	OWN(setvcpucontext, TRAIT_REFUSES_SELF, context_fields, generate_set_context,
	    expect_set_context, NULL),
	OWN(getvcpuaffinity, TRAIT_READS, affinity_fields, generate_affinity, expect_get_affinity,
	    NULL),
	OWN(get_ext_vcpucontext, TRAIT_READS, extended_out_fields, generate_vcpu,
	    expect_vcpu_or_esrch, NULL),
	OWN(set_ext_vcpucontext, TRAIT_REPLACES, extended_in_fields, generate_set_extended,
	    expect_set_extended, after_set_extended),
	OWN(get_vcpu_msrs, TRAIT_READS | TRAIT_WRITES_ON_ERROR, msr_fields, generate_msrs,
	    expect_get_msrs, after_get_msrs),
	OWN(sendtrigger, 0, trigger_fields, generate_trigger, expect_trigger, NULL),
};
const size_t domctl_vcpu_count = COUNT(domctl_vcpu);

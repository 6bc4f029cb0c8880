/* domctl: time, saved state, scheduling, paging memory, debuggers. */
#include "domctl.h"

#define MOST_LEAVES 300u
#define FRAMES 16u
#define POOL_PAGES 64u
#define NO_FRAME (1ull << 50)	/* no machine has memory there */

static uint32_t draw_vcpu(struct call *call)
{
	return draw_mostly(call, 85, 5);
}

static bool vcpu_exists(const struct call *call, uint32_t vcpu)
{
	return call->domain->has_vcpus && vcpu < call->domain->max_vcpus;
}

static void generate_set_tsc(struct call *call)
{
	struct xen_domctl_tsc_info *t = &domctl_of(call)->u.tsc_info;

	draw_fields(call);
	t->tsc_mode = chance(call, 80) ? (uint32_t)draw(call, 4) : t->tsc_mode;
	t->gtsc_khz = 0;
}

static void expect_set_tsc(struct call *call)
{
	expect_unless_self(call);
	if (domctl_of(call)->u.tsc_info.tsc_mode <= 2 || !call->domain)
		return;
	expect_only(call, ERR(EINVAL));
	expect_also(call, ERR(EOPNOTSUPP));
}

static void generate_frames(struct call *call)
{
	struct xen_domctl_getpageframeinfo3 *g = &domctl_of(call)->u.getpageframeinfo3;
	struct area *list = buffer_take(call, &g->array, FRAMES * sizeof(xen_pfn_t), true, false);

	draw_bytes(call, list->at, list->size);
	g->num = chance(call, 90) ? draw(call, FRAMES + 1) : 1025 + draw_interesting(call, 63);
}

static void expect_frames(struct call *call)
{
	const struct xen_domctl_getpageframeinfo3 *g = &domctl_of(call)->u.getpageframeinfo3;

	if (g->num > 1024)
		expect_only(call, ERR(E2BIG));
	else
		expect_only(call, !g->num ||
			    reachable(call, handle_value(&g->array), g->num * sizeof(xen_pfn_t)) ?
			    0 : ERR(EFAULT));
}

/* The page that Xen shares with a domain is told to be no frame of it; asking keeps nothing. */
static void after_frames(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t *frame = (void *)(d + 1);

	if (call->result || !call->domain || call->domain->hvm)
		return;
	info = domain_read(call->run, call->domain->id);
	if (!info)
		return;
	*frame = info->shared_info_frame;
	memset(d, 0, sizeof(*d));
	d->u.getpageframeinfo3.num = 1;
	memcpy(&d->u.getpageframeinfo3.array, &frame, sizeof(frame));
	if (domctl_aside(call->run, DOMCTL(getpageframeinfo3), call->domain->id) ||
	    *frame != XEN_DOMCTL_PFINFO_XTAB)
		call_wrong(call, "the page that Xen shares with a domain is of type %lx", *frame);
}

/*
 * Only the question how large it is, and buffers that are too small for any: saving a
 * domain whose processors were not made yet is a page fault in Xen 4.17.
 */
static void generate_hvm_context(struct call *call)
{
	struct xen_domctl_hvmcontext *c = &domctl_of(call)->u.hvmcontext;

	memset(c, 0, sizeof(*c));
	if (chance(call, 50))
		return;
	c->size = (uint32_t)draw(call, 16);
	buffer_take(call, &c->buffer, 64, true, false);
}

static void expect_hvm_context(struct call *call)
{
	const struct xen_domctl_hvmcontext *c = &domctl_of(call)->u.hvmcontext;

	if (!call->domain || !call->domain->hvm)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, handle_value(&c->buffer) ? ERR(ENOSPC) : 0);
}

static void expect_no_device(struct call *call)
{
	expect_only(call, ERR(ENODEV));
}

static void generate_policy(struct call *call)
{
	struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy;
	uint32_t leaves = chance(call, 5) ? MOST_LEAVES : 16;

	p->nr_leaves = (uint32_t)draw(call, leaves);
	p->nr_msrs = (uint32_t)draw(call, 8);
	buffer_take(call, &p->leaves, leaves * sizeof(xen_cpuid_leaf_t), true, true);
	buffer_take(call, &p->msrs, 8 * sizeof(xen_msr_entry_t), true, true);
}

static void expect_policy(struct call *call)
{
	const struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy;
	uint64_t leaves = handle_value(&p->leaves), msrs = handle_value(&p->msrs);

	expect_only(call, 0);
	if ((leaves && p->nr_leaves < 256) || (msrs && p->nr_msrs < 4))
		expect_also(call, ERR(ENOBUFS));
	if (leaves != area_sure(&call->areas[1]) || msrs != area_sure(&call->areas[2]))
		expect_also(call, ERR(EFAULT));
}

static void expect_get_pool(struct call *call)
{
	expect_only(call, call->domain->hvm ? 0 : ERR(EOPNOTSUPP));
}

static void generate_set_pool(struct call *call)
{
	domctl_of(call)->u.paging_mempool.size = draw(call, POOL_PAGES) * DOOR_PAGE;
	if (chance(call, 20))
		domctl_of(call)->u.paging_mempool.size |= 1 + draw(call, DOOR_PAGE - 1);
}

static void expect_set_pool(struct call *call)
{
	if (!call->domain->hvm) {
		expect_only(call, ERR(EOPNOTSUPP));
	} else if (domctl_of(call)->u.paging_mempool.size % DOOR_PAGE) {
		expect_only(call, ERR(EINVAL));
	} else {
		expect_only(call, 0);
		expect_also(call, ERR(ENOMEM));
	}
}

static void generate_mapping(struct call *call)
{
	draw_fields(call);
	domctl_of(call)->u.memory_mapping.first_mfn |= NO_FRAME;
	domctl_of(call)->u.memory_mapping.nr_mfns |= 1;
}

static void generate_no_frame(struct call *call)
{
	domctl_of(call)->u.hypercall_init.gmfn = NO_FRAME | draw_interesting(call, 50);
}

static void generate_vcpu(struct call *call)
{
	domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu = draw_vcpu(call);
}

/* Xen may be built without gdbsx. */
static void may_be_missing(struct call *call)
{
	expect_also(call, ERR(ENOSYS));
}

static bool debugger_refused(struct call *call)
{
	if (!call->domain->paused)
		expect_only(call, ERR(EBUSY));
	else if (!vcpu_exists(call, domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu))
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, 0);
	may_be_missing(call);
	return !expect_names(&call->expect, 0);
}

static void expect_pause_vcpu(struct call *call)
{
	uint32_t vcpu = domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu;

	if (debugger_refused(call))
		return;
	if (vcpu >= COUNT(call->domain->vcpu_paused))
		expect_also(call, ERR(EOVERFLOW));
	else if (call->domain->vcpu_paused[vcpu] == MOST_PAUSES)
		expect_only(call, ERR(EOVERFLOW));
	may_be_missing(call);
}

static void after_pause_vcpu(struct call *call)
{
	uint32_t vcpu = domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu;

	if (call->result || vcpu >= COUNT(call->domain->vcpu_paused))
		return;
	call->domain->vcpu_paused[vcpu]++;
	if (!chance(call, LIMIT_PERCENT))
		return;
	memset(domctl_aside_structure(call->run), 0, sizeof(struct xen_domctl));
	domctl_aside_structure(call->run)->u.gdbsx_pauseunp_vcpu.vcpu = vcpu;
	reach_most_pauses(call, DOMCTL(gdbsx_pausevcpu), DOMCTL(gdbsx_unpausevcpu),
			  call->domain->vcpu_paused[vcpu]);
}

static void expect_unpause_vcpu(struct call *call)
{
	uint32_t vcpu = domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu;

	if (debugger_refused(call))
		return;
	expect_only(call, vcpu < COUNT(call->domain->vcpu_paused) &&
		    call->domain->vcpu_paused[vcpu] ? 0 : ERR(EINVAL));
	if (vcpu >= COUNT(call->domain->vcpu_paused))
		expect_also(call, 0);
	may_be_missing(call);
}

static void after_unpause_vcpu(struct call *call)
{
	uint32_t vcpu = domctl_of(call)->u.gdbsx_pauseunp_vcpu.vcpu;

	if (!call->result && vcpu < COUNT(call->domain->vcpu_paused) &&
	    call->domain->vcpu_paused[vcpu])
		call->domain->vcpu_paused[vcpu]--;
}

static void expect_debug_status(struct call *call)
{
	expect_only(call, 0);
	may_be_missing(call);
}

static void after_debug_status(struct call *call)
{
	const struct xen_domctl_gdbsx_domstatus *s = &domctl_of(call)->u.gdbsx_domstatus;

	if (!call->result && !s->paused != !call->domain->paused)
		call_wrong(call, "the debugger is told the wrong pause state");
}

static void generate_scheduler(struct call *call)
{
	struct xen_domctl_scheduler_op *s = &domctl_of(call)->u.scheduler_op;

	s->sched_id = XEN_SCHEDULER_CREDIT + (uint32_t)draw(call, 6);
	s->cmd = chance(call, 70) ? XEN_DOMCTL_SCHEDOP_getinfo :
		4 + (uint32_t)draw_interesting(call, 30);
}

static void expect_scheduler(struct call *call)
{
	const struct xen_domctl_scheduler_op *s = &domctl_of(call)->u.scheduler_op;

	expect_only(call, ERR(EINVAL));
	if (s->cmd == XEN_DOMCTL_SCHEDOP_getinfo)
		expect_also(call, 0);
}

static const struct field tsc_out_fields[] = {
	DOMCTL_FIELD(tsc_info.tsc_mode, FLOW_OUT),
	DOMCTL_FIELD(tsc_info.gtsc_khz, FLOW_OUT),
	DOMCTL_FIELD(tsc_info.incarnation, FLOW_OUT),
	DOMCTL_FIELD(tsc_info.elapsed_nsec, FLOW_VOLATILE),
	FIELDS_END,
};

static const struct field tsc_in_fields[] = {
	DOMCTL_FIELD(tsc_info.tsc_mode, FLOW_IN),
	DOMCTL_FIELD(tsc_info.incarnation, FLOW_IN),
	DOMCTL_FIELD(tsc_info.elapsed_nsec, FLOW_IN),
	FIELDS_END,
};

static const struct field frame_fields[] = {
	/* Where it goes on after an interruption is kept here. */
	DOMCTL_FIELD(getpageframeinfo3.num, FLOW_INOUT),
	DOMCTL_FIELD(getpageframeinfo3.array, FLOW_INOUT),
	FIELDS_END,
};

static const struct field hvm_fields[] = {
	DOMCTL_FIELD(hvmcontext.size, FLOW_INOUT),
	DOMCTL_FIELD(hvmcontext.buffer, FLOW_IN),
	FIELDS_END,
};

static const struct field trace_fields[] = {
	DOMCTL_FIELD(vmtrace_op.cmd, FLOW_IN),
	DOMCTL_FIELD(vmtrace_op.vcpu, FLOW_IN),
	FIELDS_END,
};

static const struct field cache_fields[] = {
	DOMCTL_FIELD(psr_cmt_op.cmd, FLOW_IN),
	FIELDS_END,
};

static const struct field policy_fields[] = {
	DOMCTL_FIELD(cpu_policy.nr_leaves, FLOW_INOUT),
	DOMCTL_FIELD(cpu_policy.nr_msrs, FLOW_INOUT),
	FIELDS_END,
};

static const struct field get_pool_fields[] = {
	DOMCTL_FIELD(paging_mempool.size, FLOW_OUT),
	FIELDS_END,
};

static const struct field set_pool_fields[] = {
	DOMCTL_FIELD(paging_mempool.size, FLOW_IN),
	FIELDS_END,
};

static const struct field mapping_fields[] = {
	DOMCTL_FIELD(memory_mapping.first_gfn, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.first_mfn, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.nr_mfns, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.add_mapping, FLOW_IN),
	FIELDS_END,
};

static const struct field page_fields[] = {
	DOMCTL_FIELD(hypercall_init.gmfn, FLOW_IN),
	FIELDS_END,
};

static const struct field vcpu_fields[] = {
	DOMCTL_FIELD(gdbsx_pauseunp_vcpu.vcpu, FLOW_IN),
	FIELDS_END,
};

static const struct field status_fields[] = {
	DOMCTL_FIELD(gdbsx_domstatus.vcpu_id, FLOW_OUT),
	DOMCTL_FIELD(gdbsx_domstatus.paused, FLOW_OUT),
	DOMCTL_FIELD(gdbsx_domstatus.vcpu_ev, FLOW_ECHO),
	FIELDS_END,
};

static const struct field scheduler_fields[] = {
	DOMCTL_FIELD(scheduler_op.sched_id, FLOW_IN),
	DOMCTL_FIELD(scheduler_op.cmd, FLOW_IN),
	DOMCTL_FIELD(scheduler_op.u, FLOW_ECHO),
	FIELDS_END,
};

#define STATE(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 6, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_state[] = {
	STATE(gettscinfo, TRAIT_READS | TRAIT_REFUSES_SELF, tsc_out_fields, NULL,
	      expect_unless_self, NULL),
	STATE(settscinfo, TRAIT_REFUSES_SELF, tsc_in_fields, generate_set_tsc, expect_set_tsc,
	      NULL),
	/* It may fail after it was interrupted, and says how far it came. */
	STATE(getpageframeinfo3, TRAIT_WRITES_ON_ERROR, frame_fields, generate_frames,
	      expect_frames, after_frames),
	STATE(gethvmcontext, TRAIT_WRITES_ON_ERROR, hvm_fields, generate_hvm_context,
	      expect_hvm_context, NULL),
	STATE(vmtrace_op, 0, trace_fields, NULL, expect_invalid, NULL),
	STATE(psr_cmt_op, 0, cache_fields, NULL, expect_no_device, NULL),
	STATE(get_cpu_policy, TRAIT_READS | TRAIT_WRITES_ON_ERROR, policy_fields, generate_policy,
	      expect_policy, NULL),
	STATE(get_paging_mempool_size, TRAIT_READS, get_pool_fields, NULL, expect_get_pool, NULL),
	STATE(set_paging_mempool_size, 0, set_pool_fields, generate_set_pool, expect_set_pool,
	      NULL),
	STATE(memory_mapping, 0, mapping_fields, generate_mapping, expect_invalid, NULL),
	STATE(hypercall_init, 0, page_fields, generate_no_frame, expect_invalid, NULL),
	STATE(gdbsx_pausevcpu, 0, vcpu_fields, generate_vcpu, expect_pause_vcpu, after_pause_vcpu),
	STATE(gdbsx_unpausevcpu, 0, vcpu_fields, generate_vcpu, expect_unpause_vcpu,
	      after_unpause_vcpu),
	STATE(gdbsx_domstatus, TRAIT_READS, status_fields, NULL, expect_debug_status,
	      after_debug_status),
	STATE(scheduler_op, TRAIT_WRITES_ON_ERROR, scheduler_fields, generate_scheduler,
	      expect_scheduler, NULL),
};
const size_t domctl_state_count = COUNT(domctl_state);

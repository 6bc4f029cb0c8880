/* domctl: saved state, what a domain's processors are told to be, devices' memory, debuggers. */
#include "domctl.h"
#include "room.h"

#define MOST_LEAVES 300u
#define LEAST_CONTEXT 16u	/* of a machine's state: its header */
#define NO_FRAME (1ull << 50)	/* no machine has memory there */

static uint32_t draw_vcpu(struct call *call)
{
	return draw_mostly(call, 85, 5);
}

static bool vcpu_exists(const struct call *call, uint32_t vcpu)
{
	return call->domain->has_vcpus && vcpu < call->domain->max_vcpus;
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

static void after_hvm_context(struct call *call)
{
	if (!call->result && domctl_of(call)->u.hvmcontext.size < LEAST_CONTEXT)
		call_wrong(call, "a machine's state has %u bytes",
			   domctl_of(call)->u.hvmcontext.size);
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

/* Of the two lists one; the other one is not asked for. */
static long ask_policy(struct call *call, const struct room *room, uint64_t given, uint64_t *told)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	struct xen_domctl_cpu_policy *p = &d->u.cpu_policy;
	uint64_t at = (uintptr_t)room_buffer(call);
	long result;

	memset(d, 0, sizeof(*d));
	p->nr_leaves = p->nr_msrs = (uint32_t)given;
	memcpy(room->second ? (void *)&p->msrs : (void *)&p->leaves, &at, sizeof(at));
	result = domctl_aside(call->run, DOMCTL(get_cpu_policy), domctl_of(call)->domain);
	*told = room->second ? p->nr_msrs : p->nr_leaves;
	return result;
}

/* How many there may be is told to who asks for none. */
static void after_policy(struct call *call)
{
	static const struct room rooms[] = {
		ROOM_FOR_LEAVES(ask_policy), ROOM_FOR_REGISTERS(ask_policy),
	};
	const struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy, *most;
	struct xen_domctl *d = domctl_aside_structure(call->run);

	if (call->result)
		return;
	memset(d, 0, sizeof(*d));
	domctl_aside(call->run, DOMCTL(get_cpu_policy), domctl_of(call)->domain);
	most = &d->u.cpu_policy;
	check_policy(call, &(struct policy){ handle_value(&p->leaves), handle_value(&p->msrs),
					     p->nr_leaves, p->nr_msrs },
		     most->nr_leaves, most->nr_msrs);
	if (chance(call, 20))
		check_room_of_all(call, &rooms[draw(call, COUNT(rooms))]);
}

static void generate_mapping(struct call *call)
{
	draw_fields(call);
	domctl_of(call)->u.memory_mapping.first_mfn |= NO_FRAME;
	domctl_of(call)->u.memory_mapping.nr_mfns |= 1;
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

static const struct field mapping_fields[] = {
	DOMCTL_FIELD(memory_mapping.first_gfn, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.first_mfn, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.nr_mfns, FLOW_IN),
	DOMCTL_FIELD(memory_mapping.add_mapping, FLOW_IN),
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

#define STATE(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 6, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_state[] = {
	STATE(gethvmcontext, TRAIT_TELLS | TRAIT_WRITES_ON_ERROR, hvm_fields, generate_hvm_context,
	      expect_hvm_context, after_hvm_context),
	STATE(vmtrace_op, 0, trace_fields, NULL, expect_invalid, NULL),
	STATE(psr_cmt_op, 0, cache_fields, NULL, expect_no_device, NULL),
	STATE(get_cpu_policy, TRAIT_READS | TRAIT_WRITES_ON_ERROR, policy_fields, generate_policy,
	      expect_policy, after_policy),
	STATE(memory_mapping, 0, mapping_fields, generate_mapping, expect_invalid, NULL),
	STATE(gdbsx_pausevcpu, 0, vcpu_fields, generate_vcpu, expect_pause_vcpu, after_pause_vcpu),
	STATE(gdbsx_unpausevcpu, 0, vcpu_fields, generate_vcpu, expect_unpause_vcpu,
	      after_unpause_vcpu),
	STATE(gdbsx_domstatus, TRAIT_READS, status_fields, NULL, expect_debug_status,
	      after_debug_status),
};
const size_t domctl_state_count = COUNT(domctl_state);

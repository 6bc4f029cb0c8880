/*
 * domctl: what helpers of HVM domains use: paging and its log, reports of events, debugging,
 * saved state.
 */
#include "domctl.h"

#include <xen/hvm/save.h>

#define MOST_MEGABYTES 4u
#define MONITOR_EVENTS 32u
#define SAVED_BYTES 512u
#define SAVED_TYPES 24u

static bool hvm(const struct call *call)
{
	return call->domain && call->domain->hvm;
}

static bool has_vcpus(const struct call *call)
{
	return call->domain && call->domain->has_vcpus;
}

static uint32_t draw_vcpu(struct call *call)
{
	return draw_mostly(call, 85, 5);
}

static bool vcpu_exists(const struct call *call, uint32_t vcpu)
{
	return has_vcpus(call) && vcpu < call->domain->max_vcpus;
}

static bool is_self(const struct call *call)
{
	return domctl_of(call)->domain == call->run->machine.domid;
}

static void generate_paging(struct call *call)
{
	struct xen_domctl_shadow_op *s = &domctl_of(call)->u.shadow_op;
	static const uint32_t commands[] = {
		XEN_DOMCTL_SHADOW_OP_OFF, XEN_DOMCTL_SHADOW_OP_CLEAN, XEN_DOMCTL_SHADOW_OP_PEEK,
		XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION,
		XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, XEN_DOMCTL_SHADOW_OP_ENABLE, 77,
	};

	memset(s, 0, sizeof(*s));
	s->op = commands[draw(call, COUNT(commands))];
	s->mode = chance(call, 60) ? 0 : (uint32_t)draw(call, 64);
	/*
	 * With any mode a run ended in a fault of Xen 4.17, in a domain's table of pages; what
	 * led there is not known, so it is not tried.
	 */
	if (s->op == XEN_DOMCTL_SHADOW_OP_ENABLE)
		s->mode = XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY;
	s->mb = 1 + (uint32_t)draw(call, MOST_MEGABYTES);
	s->pages = draw(call, 512);
	buffer_take(call, &s->dirty_bitmap, 64, true, false);
	if (chance(call, 30))
		memset(&s->dirty_bitmap, 0, sizeof(uint64_t));
}

/* Of tables that are not Xen's own it follows the writes by shadows, if it was built with them. */
static bool has_paging(const struct call *call)
{
	return call->domain->hap || call->run->machine.shadow;
}

/* Whether it is on, with what memory: too much to know; not that it works without processors. */
static void expect_paging(struct call *call)
{
	const struct xen_domctl_shadow_op *s = &domctl_of(call)->u.shadow_op;

	expect_only(call, ERR(EINVAL));
	if (is_self(call) || !has_vcpus(call) || s->op == 77)
		return;
	if (s->op == XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION) {
		if (has_paging(call))
			expect_only(call, 0);
		return;
	}
	if (!has_paging(call))
		expect_also(call, ERR(EOPNOTSUPP));
	expect_also(call, 0);
	expect_also(call, ERR(ENOMEM));
	expect_also(call, ERR(EFAULT));
	expect_also(call, ERR(EBUSY));
}

static void generate_monitor(struct call *call)
{
	struct xen_domctl_monitor_op *m = &domctl_of(call)->u.monitor_op;

	memset(m, 0, sizeof(*m));
	m->op = draw_mostly(call, 90, 6);
	m->event = draw_mostly(call, 90, MONITOR_EVENTS + 2);
	/* A Xen that was built for debugging ends at what it says it can watch, and cannot. */
	if (m->event == XEN_DOMCTL_MONITOR_EVENT_INTERRUPT && !may_break_xen(call))
		m->event = XEN_DOMCTL_MONITOR_EVENT_CPUID;
}

/* What is on is not switched on again, nor off what is off: of what the machine has at all. */
static void expect_switch(struct call *call, const struct xen_domctl_monitor_op *m)
{
	bool on = call->domain->watched >> m->event & 1;

	expect_only(call, ERR(EEXIST));
	if (on && m->op == XEN_DOMCTL_MONITOR_OP_ENABLE)
		return;
	expect_also(call, ERR(EOPNOTSUPP));
	if (!on && m->op == XEN_DOMCTL_MONITOR_OP_DISABLE)
		return;
	expect_only(call, 0);
	if (on)
		return;
	expect_also(call, ERR(EOPNOTSUPP));
	/* Nobody has the list of watched registers made. */
	expect_also(call, ERR(ENXIO));
}

static void expect_monitor(struct call *call)
{
	const struct xen_domctl_monitor_op *m = &domctl_of(call)->u.monitor_op;
	bool switches = m->op == XEN_DOMCTL_MONITOR_OP_ENABLE ||
			m->op == XEN_DOMCTL_MONITOR_OP_DISABLE;

	if (is_self(call))
		expect_only(call, ERR(EPERM));
	else if (switches && m->event > 31)
		expect_only(call, ERR(EINVAL));
	else if (switches && !hvm(call))
		expect_only(call, ERR(EOPNOTSUPP));
	else if (m->op == XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES ||
		 m->op == XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS)
		expect_only(call, 0);
	else if (m->op == XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, ERR(EOPNOTSUPP));
	if (!switches || m->event > 31 || !hvm(call) || is_self(call))
		return;
	expect_switch(call, m);
}

static void after_monitor(struct call *call)
{
	const struct xen_domctl_monitor_op *m = &domctl_of(call)->u.monitor_op;

	if (call->result || !call->domain || m->event > 31)
		return;
	if (m->op == XEN_DOMCTL_MONITOR_OP_ENABLE)
		call->domain->watched |= 1u << m->event;
	else if (m->op == XEN_DOMCTL_MONITOR_OP_DISABLE)
		call->domain->watched &= ~(1u << m->event);
}

static void generate_listener(struct call *call)
{
	struct xen_domctl_vm_event_op *v = &domctl_of(call)->u.vm_event_op;

	memset(v, 0, sizeof(*v));
	v->op = draw_mostly(call, 90, 5);
	v->mode = draw_mostly(call, 90, 5);
	/* Xen 4.17 looks for the listener's page among parameters that a PV domain has not: a crash. */
	if (v->op == XEN_VM_EVENT_ENABLE && !(call->run->plan.allow & DANGER_FATAL))
		v->op = XEN_VM_EVENT_DISABLE;
	/* DOMID_INVALID would be taken for no domain, and be looked into all the same. */
	if (domctl_of(call)->domain == DOMID_INVALID)
		domctl_of(call)->domain = DOMID_NOBODY_FIRST;
	/* The version is told about oneself, too. */
	if (is_self(call))
		v->op |= XEN_VM_EVENT_GET_VERSION + 1;
}

/* Nobody listens, and where nobody can, Xen was built without it. */
static void expect_listener(struct call *call)
{
	const struct xen_domctl_vm_event_op *v = &domctl_of(call)->u.vm_event_op;
	bool switches = v->op <= XEN_VM_EVENT_DISABLE;

	if (v->op == XEN_VM_EVENT_GET_VERSION) {
		expect_only(call, 0);
		return;
	}
	expect_only(call, ERR(EINVAL));
	if (is_self(call) || !has_vcpus(call))
		return;
	if (!switches)
		expect_only(call, v->op == XEN_VM_EVENT_RESUME ? ERR(ENODEV) : ERR(ENOSYS));
	if (v->mode == XEN_DOMCTL_VM_EVENT_OP_PAGING || v->mode == XEN_DOMCTL_VM_EVENT_OP_SHARING)
		expect_also(call, ERR(ENOSYS));
	else if (v->mode != XEN_DOMCTL_VM_EVENT_OP_MONITOR)
		expect_only(call, ERR(ENOSYS));
	if (v->op != XEN_VM_EVENT_ENABLE)
		return;
	/* Of a kind that has none, without its page, without memory. */
	expect_also(call, ERR(ENODEV));
	expect_also(call, ERR(EOPNOTSUPP));
	expect_also(call, ERR(ENOMEM));
}

static void expect_required(struct call *call)
{
	expect_only(call, is_self(call) ? ERR(EPERM) : 0);
	/* Xen may be built without it. */
	expect_also(call, ERR(ENOSYS));
}

static void expect_absent(struct call *call)
{
	expect_only(call, since(call, RELEASE(4, 22)) ? ERR(EOPNOTSUPP) : ERR(ENOSYS));
}

/* Only a Xen that was built for debugging can. */
static void expect_audit(struct call *call)
{
	expect_absent(call);
	expect_also(call, 0);
}

static void generate_debug(struct call *call)
{
	domctl_of(call)->u.debug_op.op = draw_mostly(call, 80, 3);
	domctl_of(call)->u.debug_op.vcpu = draw_vcpu(call);
}

static void expect_debug(struct call *call)
{
	const struct xen_domctl_debug_op *d = &domctl_of(call)->u.debug_op;

	if (!vcpu_exists(call, d->vcpu) || !hvm(call)) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (d->op > XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON) {
		expect_only(call, ERR(ENOSYS));
		return;
	}
	expect_only(call, ERR(EOPNOTSUPP));
	expect_also(call, 0);
}

/* Frames of HVM domains that are not there. */
static void generate_broken(struct call *call)
{
	domctl_of(call)->u.set_broken_page_p2m.pfn = 1ull << 36 | draw_interesting(call, 36);
}

/* A record of the saved state of an HVM domain with all its processors. */
static void generate_partial(struct call *call)
{
	struct xen_domctl_hvmcontext_partial *p = &domctl_of(call)->u.hvmcontext_partial;

	memset(p, 0, sizeof(*p));
	p->type = draw_mostly(call, 90, SAVED_TYPES);
	p->instance = draw_mostly(call, 90, 5);
	p->bufsz = draw_around(call, SAVED_BYTES, HVM_SAVE_LENGTH(LAPIC));
	buffer_take(call, &p->buffer, SAVED_BYTES, true, false);
	/* Records of the whole domain are a page fault in Xen 4.17 when it has no processor. */
	if (p->type != HVM_SAVE_CODE(CPU) && p->type != HVM_SAVE_CODE(LAPIC))
		p->type = chance(call, 50) ? HVM_SAVE_CODE(CPU) : 30 + (uint32_t)draw(call, 100);
}

static void expect_partial(struct call *call)
{
	const struct xen_domctl_hvmcontext_partial *p = &domctl_of(call)->u.hvmcontext_partial;

	expect_only(call, ERR(EINVAL));
	if (!hvm(call))
		return;
	if (!vcpu_exists(call, p->instance)) {
		if (p->type < SAVED_TYPES)
			expect_only(call, ERR(ENOENT));
		return;
	}
	if (p->type >= SAVED_TYPES)
		return;
	/* A processor that is down has no registers to tell. */
	expect_only(call, ERR(ENODATA));
	if (handle_value(&p->buffer) && p->bufsz < (p->type == HVM_SAVE_CODE(CPU) ?
						    HVM_SAVE_LENGTH(CPU) : HVM_SAVE_LENGTH(LAPIC))) {
		expect_also(call, ERR(ENOBUFS));
		return;
	}
	expect_also(call, 0);
	expect_also(call, ERR(EFAULT));
}

/* Random bytes are no saved domain. */
static void generate_load(struct call *call)
{
	struct xen_domctl_hvmcontext *c = &domctl_of(call)->u.hvmcontext;

	memset(c, 0, sizeof(*c));
	c->size = (uint32_t)draw(call, SAVED_BYTES);
	buffer_take(call, &c->buffer, SAVED_BYTES, false, false);
}

static void expect_load(struct call *call)
{
	const struct xen_domctl_hvmcontext *c = &domctl_of(call)->u.hvmcontext;

	if (!hvm(call))
		expect_only(call, ERR(EINVAL));
	else if (c->size && !reachable(call, handle_value(&c->buffer), c->size))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, ERR(ENODATA));
}

static const struct field paging_fields[] = {
	DOMCTL_FIELD(shadow_op.op, FLOW_IN),
	DOMCTL_FIELD(shadow_op.mode, FLOW_IN),
	DOMCTL_FIELD(shadow_op.mb, FLOW_INOUT),
	DOMCTL_FIELD(shadow_op.pages, FLOW_INOUT),
	DOMCTL_FIELD(shadow_op.stats, FLOW_INOUT),
	FIELDS_END,
};

static const struct field monitor_fields[] = {
	DOMCTL_FIELD(monitor_op.op, FLOW_IN),
	DOMCTL_FIELD(monitor_op.event, FLOW_INOUT),
	FIELDS_END,
};

static const struct field listener_fields[] = {
	DOMCTL_FIELD(vm_event_op.op, FLOW_IN),
	DOMCTL_FIELD(vm_event_op.mode, FLOW_IN),
	DOMCTL_FIELD(vm_event_op.u, FLOW_INOUT),
	FIELDS_END,
};

static const struct field required_fields[] = {
	DOMCTL_FIELD(access_required.access_required, FLOW_IN),
	FIELDS_END,
};

static const struct field audit_fields[] = {
	DOMCTL_FIELD(audit_p2m, FLOW_INOUT),
	FIELDS_END,
};

static const struct field debug_fields[] = {
	DOMCTL_FIELD(debug_op.op, FLOW_IN),
	DOMCTL_FIELD(debug_op.vcpu, FLOW_IN),
	FIELDS_END,
};

static const struct field broken_fields[] = {
	DOMCTL_FIELD(set_broken_page_p2m.pfn, FLOW_IN),
	FIELDS_END,
};

static const struct field partial_fields[] = {
	DOMCTL_FIELD(hvmcontext_partial.type, FLOW_IN),
	DOMCTL_FIELD(hvmcontext_partial.instance, FLOW_IN),
	DOMCTL_FIELD(hvmcontext_partial.bufsz, FLOW_INOUT),
	FIELDS_END,
};

static const struct field load_fields[] = {
	DOMCTL_FIELD(hvmcontext.size, FLOW_IN),
	DOMCTL_FIELD(hvmcontext.buffer, FLOW_IN),
	FIELDS_END,
};

#define HELPED(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 4, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_hvm[] = {
	HELPED(shadow_op, TRAIT_REFUSES_SELF | TRAIT_WRITES_ON_ERROR | TRAIT_DEAR,
		paging_fields, generate_paging, expect_paging, NULL),
	HELPED(monitor_op, TRAIT_REFUSES_SELF, monitor_fields, generate_monitor, expect_monitor,
		after_monitor),
	HELPED(vm_event_op, TRAIT_REFUSES_SELF, listener_fields, generate_listener,
		expect_listener, NULL),
	HELPED(set_access_required, TRAIT_REFUSES_SELF, required_fields, NULL, expect_required,
		NULL),
	HELPED(audit_p2m, 0, audit_fields, NULL, expect_audit, NULL),
	HELPED(mem_sharing_op, 0, NULL, NULL, expect_absent, NULL),
	HELPED(debug_op, 0, debug_fields, generate_debug, expect_debug, NULL),
	HELPED(set_broken_page_p2m, 0, broken_fields, generate_broken, expect_invalid, NULL),
	HELPED(gethvmcontext_partial, TRAIT_REFUSES_SELF, partial_fields, generate_partial,
		expect_partial, NULL),
	HELPED(sethvmcontext, TRAIT_REFUSES_SELF, load_fields, generate_load, expect_load, NULL),
};
const size_t domctl_hvm_count = COUNT(domctl_hvm);

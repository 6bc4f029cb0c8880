/* domctl: what only releases after 4.17 can be asked. */
#include "domctl.h"

/* Its place in the structure is the same in all headers that know it. */
#define RECENT_FIELD(name, member, flow) \
	{ #name "." #member, offsetof(struct xen_domctl, u) + \
	  offsetof(struct xen_domctl_##name, member), \
	  sizeof(((struct xen_domctl_##name *)0)->member), flow }

#define INTERRUPTS 24u	/* that the first controller has */

static void *recent_of(const struct call *call)
{
	return &domctl_of(call)->u;
}

/* Named by nobody's number, Xen would tell which domain changed, once: xenstored waits for that. */
static void generate_state(struct call *call)
{
	struct xen_domctl_get_domain_state *state = recent_of(call);
	struct xen_domctl *d = domctl_of(call);

	if (d->domain == DOMID_INVALID)
		d->domain = DOMID_SELF;
	state->pad0 = chance(call, 10) ? (uint32_t)draw_interesting(call, 32) : 0;
	if (chance(call, 5))
		d->interface_version = call->run->machine.domctl_version;
}

static void expect_state(struct call *call)
{
	const struct xen_domctl_get_domain_state *state = recent_of(call);

	expect_only(call, state->pad0 ? ERR(EINVAL) : 0);
}

/* HVM ones Xen itself crashes when there is no memory for their paging. */
static uint16_t least_state(const struct domain_model *domain)
{
	return XEN_DOMCTL_GETDOMSTATE_STATE_EXIST |
	       (domain->shut ? XEN_DOMCTL_GETDOMSTATE_STATE_SHUTDOWN : 0);
}

/* A number of its own for as long as it lives, whoever had or has its domain number. */
static void check_unique(struct call *call, uint64_t told)
{
	struct domain_model *own = call->run->model.own;

	if (call->domain->unique && call->domain->unique != told)
		call_wrong(call, "the domain is now %lx, not %lx", told, call->domain->unique);
	if (told == call->domain->unique_before)
		call_wrong(call, "the domain is %lx, as one was that is dead", told);
	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		if (&own[i] != call->domain && own[i].unique == told)
			call_wrong(call, "domain %u is %lx as well", own[i].id, told);
	call->domain->unique = told;
}

static void after_state(struct call *call)
{
	const struct xen_domctl_get_domain_state *told = recent_of(call);
	const struct domain_model *domain = call->domain;
	uint16_t least, most;

	if (call->result || !domain)
		return;
	least = least_state(domain);
	most = domain->hvm ? least | XEN_DOMCTL_GETDOMSTATE_STATE_SHUTDOWN : least;
	if ((told->state & least) != least || told->state & ~most)
		call_wrong(call, "a state of %x, expected %x", told->state, least);
	if (told->caps != (domain->flags & XEN_DOMCTL_CDF_xs_domain ?
			   XEN_DOMCTL_GETDOMSTATE_CAP_XENSTORE : 0))
		call_wrong(call, "the domain is told to have the rights %x", told->caps);
	check_unique(call, told->unique_id);
}

static void generate_gsi(struct call *call)
{
	struct xen_domctl_gsi_permission *p = recent_of(call);

	p->gsi = chance(call, 60) ? (uint32_t)draw(call, INTERRUPTS) : draw_last_interrupt(call);
	p->flags = (uint32_t)(chance(call, 70) ? draw(call, 3) : draw_interesting(call, 32));
}

/* Which of them are wired is not known, nor which is the one of Xen's own clock. */
static void expect_gsi(struct call *call)
{
	const struct xen_domctl_gsi_permission *p = recent_of(call);

	if (p->flags & ~(uint32_t)XEN_DOMCTL_GSI_ACTION_MASK) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	expect_only(call, ERR(ERANGE));
	if (p->gsi >= call->run->machine.pirqs)
		return;
	expect_also(call, 0);
	expect_also(call, ERR(EPERM));
	expect_also(call, ERR(EINVAL));
}

static void generate_colors(struct call *call)
{
	struct xen_domctl_set_llc_colors *p = recent_of(call);

	p->num_llc_colors = (uint32_t)draw_interesting(call, 32);
	p->pad = chance(call, 30) ? (uint32_t)draw_interesting(call, 32) : 0;
}

/* Only processors of ARM's have any. */
static void expect_colors(struct call *call)
{
	const struct xen_domctl_set_llc_colors *p = recent_of(call);

	expect_only(call, p->pad ? ERR(EINVAL) : ERR(EOPNOTSUPP));
}

static const struct field state_fields[] = {
	RECENT_FIELD(get_domain_state, state, FLOW_OUT),
	RECENT_FIELD(get_domain_state, caps, FLOW_OUT),
	RECENT_FIELD(get_domain_state, pad0, FLOW_INOUT),
	RECENT_FIELD(get_domain_state, unique_id, FLOW_OUT),
	FIELDS_END,
};

static const struct field gsi_fields[] = {
	RECENT_FIELD(gsi_permission, gsi, FLOW_IN),
	RECENT_FIELD(gsi_permission, flags, FLOW_IN),
	FIELDS_END,
};

static const struct field color_fields[] = {
	RECENT_FIELD(set_llc_colors, num_llc_colors, FLOW_IN),
	RECENT_FIELD(set_llc_colors, pad, FLOW_IN),
	FIELDS_END,
};

const struct operation domctl_recent[] = {
	{ .name = "get_domain_state", .command = DOMCTL(get_domain_state), .danger = DANGER_OWN,
	  .traits = TRAIT_READS, .since = RELEASE(4, 21), .fields = state_fields,
	  .generate = generate_state, .expect = expect_state, .after = after_state },
	{ .name = "gsi_permission", .command = DOMCTL(gsi_permission), .danger = DANGER_OWN,
	  .since = RELEASE(4, 20), .fields = gsi_fields, .generate = generate_gsi,
	  .expect = expect_gsi },
	{ .name = "set_llc_colors", .command = DOMCTL(set_llc_colors), .danger = DANGER_OWN,
	  .since = RELEASE(4, 20), .fields = color_fields, .generate = generate_colors,
	  .expect = expect_colors },
};
const size_t domctl_recent_count = COUNT(domctl_recent);

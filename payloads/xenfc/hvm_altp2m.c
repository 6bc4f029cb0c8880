/*
 * hvm_op altp2m: other views of a domain's memory.  Whether the machine has them was asked at the start;
 * without, all of it is refused before anything is looked at.  None is ever made.
 */
#include "domctl.h"
#include "hvm.h"
#include "who.h"

static struct xen_hvm_altp2m_op *view_of(const struct call *call)
{
	return (struct xen_hvm_altp2m_op *)(void *)call->structure->at;
}

static void generate_view(struct call *call)
{
	struct xen_hvm_altp2m_op *a = view_of(call);

	draw_bytes(call, &a->u, chance(call, 50) ? sizeof(a->u) : 0);
	a->version = chance(call, 90) ? HVMOP_ALTP2M_INTERFACE_VERSION :
		(uint32_t)draw_interesting(call, 32);
	a->cmd = chance(call, 50) ? HVMOP_altp2m_get_domain_state :
		draw_mostly(call, 90, HVMOP_altp2m_set_visibility + 2);
	a->domain = draw_who(call, true);
	a->pad1 = chance(call, 5);
	a->pad2 = chance(call, 5);
	if (a->cmd == HVMOP_altp2m_set_domain_state)
		a->u.domain_state.state = 0;
	/* Without views not even that is looked at. */
	if (call->run->machine.views) {
		call->arguments[1] = area_sure(call->structure);
		call->torn = NULL;
	}
}

static void expect_state(struct call *call)
{
	const struct xen_hvm_altp2m_op *a = view_of(call);
	const struct domain_model *domain = call->domain;
	bool state = a->cmd == HVMOP_altp2m_get_domain_state ||
		     a->cmd == HVMOP_altp2m_set_domain_state;
	bool nested = domain && domain->flags & XEN_DOMCTL_CDF_nested_virt;

	if (!domain || !domain->hvm || !state)
		expect_only(call, ERR(EOPNOTSUPP));
	else if (!domain->parameters[HVM_PARAM_ALTP2M] ||
		 (nested && a->cmd == HVMOP_altp2m_set_domain_state))
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, 0);
}

static void expect_view(struct call *call)
{
	const struct xen_hvm_altp2m_op *a = view_of(call);

	if (call->run->machine.views)
		expect_only(call, call->run->machine.views);
	else if (a->pad1 || a->pad2 || a->version != HVMOP_ALTP2M_INTERFACE_VERSION)
		expect_only(call, ERR(EINVAL));
	else if (!a->cmd || a->cmd > HVMOP_altp2m_set_visibility)
		expect_only(call, ERR(EOPNOTSUPP));
	else if (who_allows(call, a->domain, LOOKUP_ANY, RIGHT_ANYBODY))
		expect_state(call);
	else if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EOPNOTSUPP));
}

static void after_view(struct call *call)
{
	const struct xen_hvm_altp2m_op *a = view_of(call);

	if (!call->result && a->cmd == HVMOP_altp2m_get_domain_state && a->u.domain_state.state)
		call_wrong(call, "a domain is told to have other views, which nobody made");
}

static const struct field view_fields[] = {
	FIELD(struct xen_hvm_altp2m_op, version, FLOW_IN),
	FIELD(struct xen_hvm_altp2m_op, cmd, FLOW_IN),
	FIELD(struct xen_hvm_altp2m_op, domain, FLOW_IN),
	FIELD(struct xen_hvm_altp2m_op, pad1, FLOW_IN),
	FIELD(struct xen_hvm_altp2m_op, pad2, FLOW_IN),
	FIELD(struct xen_hvm_altp2m_op, u.domain_state, FLOW_INOUT),
	FIELDS_END,
};

const struct operation hvm_altp2m[] = {
	{ .name = "altp2m", .command = HVMOP_altp2m, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct xen_hvm_altp2m_op), .fields = view_fields,
	  .generate = generate_view, .expect = expect_view, .after = after_view },
};
const size_t hvm_altp2m_count = COUNT(hvm_altp2m);

/*
 * The hypercall by which Xen goes on with an operation on a domain's paging that it interrupted.
 * Whoever makes it himself has nothing to go on with; all the checks of domctl are the same.
 */
#include "domctl.h"
#include "processor.h"
#include "who.h"

#define PAGING_CONTINUED 49u	/* the second of the processor's architecture */

static void generate_continued(struct call *call)
{
	struct xen_domctl *d;

	structure_take(call, 0);
	d = domctl_of(call);
	memset(d, 0, sizeof(*d));
	d->cmd = chance(call, 85) ? XEN_DOMCTL_shadow_op : draw_mostly(call, 90, 90);
	d->interface_version = chance(call, 85) ? call->run->machine.domctl_version :
		(uint32_t)draw_interesting(call, 32);
	d->domain = draw_who(call, true);
	d->u.shadow_op.op = chance(call, 50) ? XEN_DOMCTL_SHADOW_OP_CLEAN : (uint32_t)draw(call, 33);
	d->u.shadow_op.pages = draw(call, 512);
}

/* Oneself has no such paging, nor has a domain without processors; of some the first may be there. */
static void expect_nothing_begun(struct call *call)
{
	const struct domain_model *domain = call->domain;

	expect_only(call, domain && domain->has_vcpus ? ERR(EBUSY) : ERR(EINVAL));
	if (domain && domain->hvm)
		expect_also(call, ERR(EBUSY));
}

static void expect_continued(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);

	if (!reachable(call, call->arguments[0], sizeof(*d)))
		expect_only(call, ERR(EFAULT));
	else if (d->cmd != XEN_DOMCTL_shadow_op ||
		 d->interface_version != call->run->machine.domctl_version)
		expect_only(call, ERR(EOPNOTSUPP));
	else if (who_allows(call, d->domain, LOOKUP_NUMBER, RIGHT_CONTROL))
		expect_nothing_begun(call);
}

static const struct field continued_fields[] = {
	FIELD(struct xen_domctl, cmd, FLOW_IN),
	FIELD(struct xen_domctl, interface_version, FLOW_IN),
	FIELD(struct xen_domctl, domain, FLOW_IN),
	FIELD(struct xen_domctl, u.shadow_op.op, FLOW_IN),
	FIELDS_END,
};

static const struct operation paging_list[] = {
	{ .name = "continued", .danger = DANGER_SAFE, .weight = 3,
	  .structure_size = sizeof(struct xen_domctl), .fields = continued_fields,
	  .generate = generate_continued, .expect = expect_continued },
};

FAMILY(paging, "paging", PAGING_CONTINUED, paging_list);

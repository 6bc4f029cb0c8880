/* domctl: parameters of a domain's clock, scheduling and paging, which are told as they were set. */
#include "domctl.h"

#define POOL_PAGES 64u
#define CAP_EACH_VCPU 100u	/* percent of a processor */
#define USUAL_WEIGHT 256u	/* of a domain that nobody gave another one */

static void *ask(struct call *call, uint32_t command, const char *what)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	long result = domctl_aside(call->run, command, call->domain->id);

	if (result)
		call_wrong(call, "asking for the %s afterwards gave %ld", what, result);
	return &d->u;
}

static void *begin(struct call *call)
{
	return &((struct xen_domctl *)memset(domctl_aside_structure(call->run), 0,
					     sizeof(struct xen_domctl)))->u;
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

/* A domain that is given a counter is one more incarnation of itself. */
static void after_set_tsc(struct call *call)
{
	const struct xen_domctl_tsc_info *set = &domctl_of(call)->u.tsc_info, *now;

	if (call->result || !call->domain)
		return;
	begin(call);
	now = ask(call, DOMCTL(gettscinfo), "counter");
	if (now->tsc_mode != set->tsc_mode || now->incarnation != set->incarnation + 1)
		call_wrong(call, "the counter has mode %u and incarnation %u afterwards",
			   now->tsc_mode, now->incarnation);
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

/* A domain keeps what it needs, however little it shall have. */
static void after_set_pool(struct call *call)
{
	uint64_t set = domctl_of(call)->u.paging_mempool.size;
	const struct xen_domctl_paging_mempool *now;

	if (call->result)
		return;
	begin(call);
	now = ask(call, DOMCTL(get_paging_mempool_size), "pool for paging");
	if (now->size < set || now->size % DOOR_PAGE)
		call_wrong(call, "the pool for paging has %lu bytes afterwards, expected %lu",
			   (uint64_t)now->size, set);
}

static struct xen_domctl_scheduler_op *scheduling(const struct call *call)
{
	return &domctl_of(call)->u.scheduler_op;
}

/*
 * Beside a domain that weighs much more than the caller that one never has any credit left, and Xen
 * 4.17 may forget to run it when a call of its goes on on another processor.
 */
static uint16_t draw_weight(struct call *call)
{
	uint16_t weight = (uint16_t)draw_interesting(call, 16);

	return weight <= USUAL_WEIGHT || may_break_xen(call) ? weight : weight % USUAL_WEIGHT + 1;
}

static void generate_scheduler(struct call *call)
{
	struct xen_domctl_scheduler_op *s = scheduling(call);
	uint32_t most = CAP_EACH_VCPU * vcpus_of_slot(domctl_of(call)->domain);

	s->sched_id = chance(call, 70) ? call->run->machine.scheduler :
		XEN_SCHEDULER_CREDIT + (uint32_t)draw(call, 6);
	s->cmd = chance(call, 50) ? XEN_DOMCTL_SCHEDOP_putinfo :
		chance(call, 70) ? XEN_DOMCTL_SCHEDOP_getinfo :
		4 + (uint32_t)draw_interesting(call, 30);
	/* Both credit schedulers have them at the same places. */
	s->u.credit2.weight = draw_weight(call);
	s->u.credit2.cap = (uint16_t)draw_around(call, 2 * most, most);
}

/* No more than all of its processors can use; asked after the weight was set. */
static bool cap_sane(const struct call *call)
{
	uint32_t vcpus = call->domain->has_vcpus ? call->domain->max_vcpus : 0;

	return scheduling(call)->u.credit2.cap <= CAP_EACH_VCPU * vcpus;
}

static void expect_scheduler(struct call *call)
{
	const struct xen_domctl_scheduler_op *s = scheduling(call);
	uint32_t here = call->run->machine.scheduler;

	expect_only(call, ERR(EINVAL));
	if (s->sched_id != here || s->cmd > XEN_DOMCTL_SCHEDOP_getinfo)
		return;
	if (s->cmd == XEN_DOMCTL_SCHEDOP_getinfo)
		expect_only(call, 0);
	else if (here == XEN_SCHEDULER_CREDIT2)
		expect_only(call, cap_sane(call) ? 0 : ERR(EINVAL));
	else
		expect_also(call, 0);
}

/* No weight means that of before. */
static void after_scheduler(struct call *call)
{
	const struct xen_domctl_scheduler_op *set = scheduling(call);
	struct xen_domctl_scheduler_op *now;

	if (call->result || set->cmd != XEN_DOMCTL_SCHEDOP_putinfo ||
	    set->sched_id != XEN_SCHEDULER_CREDIT2)
		return;
	now = begin(call);
	now->sched_id = set->sched_id;
	now->cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	now = ask(call, DOMCTL(scheduler_op), "scheduling");
	if ((set->u.credit2.weight && now->u.credit2.weight != set->u.credit2.weight) ||
	    now->u.credit2.cap != set->u.credit2.cap)
		call_wrong(call, "a domain's weight and cap are %u and %u afterwards, not %u and %u",
			   now->u.credit2.weight, now->u.credit2.cap, set->u.credit2.weight,
			   set->u.credit2.cap);
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

static const struct field get_pool_fields[] = {
	DOMCTL_FIELD(paging_mempool.size, FLOW_OUT),
	FIELDS_END,
};

static const struct field set_pool_fields[] = {
	DOMCTL_FIELD(paging_mempool.size, FLOW_IN),
	FIELDS_END,
};

static const struct field scheduler_fields[] = {
	DOMCTL_FIELD(scheduler_op.sched_id, FLOW_IN),
	DOMCTL_FIELD(scheduler_op.cmd, FLOW_IN),
	DOMCTL_FIELD(scheduler_op.u, FLOW_ECHO),
	FIELDS_END,
};

#define PARAMETERS(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 6, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_parameters[] = {
	PARAMETERS(gettscinfo, TRAIT_READS | TRAIT_REFUSES_SELF, tsc_out_fields, NULL,
		   expect_unless_self, NULL),
	PARAMETERS(settscinfo, TRAIT_REFUSES_SELF, tsc_in_fields, generate_set_tsc,
		   expect_set_tsc, after_set_tsc),
	PARAMETERS(get_paging_mempool_size, TRAIT_READS, get_pool_fields, NULL, expect_get_pool,
		   NULL),
	PARAMETERS(set_paging_mempool_size, TRAIT_DEAR, set_pool_fields, generate_set_pool,
		   expect_set_pool, after_set_pool),
	PARAMETERS(scheduler_op, TRAIT_WRITES_ON_ERROR, scheduler_fields, generate_scheduler,
		   expect_scheduler, after_scheduler),
};
const size_t domctl_parameters_count = COUNT(domctl_parameters);

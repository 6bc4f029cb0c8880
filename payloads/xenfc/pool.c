/* sysctl: a pool that has no processors: made, asked about, refused what is wrong, destroyed. */
#include "repeat.h"
#include "sysctl.h"

#define FIRST_NUMBER 30000u	/* the toolstack counts up from 1 */
#define NUMBERS 1000u
#define NO_PROCESSOR 0x7fffffffu
#define NO_COMMAND 77u
#define POOL_OF_ALL 0u	/* is always there */
#define MOST_COUNTED 1000u

static struct xen_sysctl_cpupool_op *pool_of(const struct call *call)
{
	return &sysctl_of(call)->u.cpupool_op;
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a pool of ours gave %ld, expected %ld", what, result,
			   expected);
}

static struct xen_sysctl *begin_pool(struct call *call, uint32_t command)
{
	struct xen_sysctl *s = sysctl_begin(call->run, XEN_SYSCTL_cpupool_op);

	s->u.cpupool_op.op = command;
	s->u.cpupool_op.cpupool_id = (uint32_t)call->note;
	return s;
}

static void check_told(struct call *call)
{
	struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_INFO);
	const struct xen_sysctl_cpupool_op *p = &s->u.cpupool_op;

	must(call, "asking about", sysctl_ask(call->run, s), 0);
	if (p->cpupool_id != (uint32_t)call->note || p->sched_id != pool_of(call)->sched_id ||
	    p->n_dom)
		call_wrong(call, "pool %ld is told as %u, with scheduler %u and %u domains",
			   call->note, p->cpupool_id, p->sched_id, p->n_dom);
}

static long schedule(struct call *call, uint32_t scheduler, uint32_t command)
{
	struct xen_sysctl *s = sysctl_begin(call->run, XEN_SYSCTL_scheduler_op);

	s->u.scheduler_op.cpupool_id = (uint32_t)call->note;
	s->u.scheduler_op.sched_id = scheduler;
	s->u.scheduler_op.cmd = command;
	return sysctl_ask(call->run, s);
}

static void refuse_scheduling(struct call *call)
{
	uint32_t scheduler = pool_of(call)->sched_id;

	must(call, "another scheduler for", schedule(call, scheduler + 1,
						      XEN_SYSCTL_SCHEDOP_getinfo), ERR(EINVAL));
	must(call, "an unknown parameter of", schedule(call, scheduler, NO_COMMAND), ERR(EINVAL));
}

/* Of the credit scheduler, which nobody uses. */
static void try_parameters(struct call *call, uint32_t slice_ms, uint32_t limit_us, uint32_t delay_us)
{
	struct xen_sysctl *s = sysctl_begin(call->run, XEN_SYSCTL_scheduler_op);
	const struct xen_sysctl_credit_schedule wanted = {
		.tslice_ms = slice_ms, .ratelimit_us = limit_us, .vcpu_migr_delay_us = delay_us,
	};
	bool sane = slice_ms >= XEN_SYSCTL_CSCHED_TSLICE_MIN &&
		slice_ms <= XEN_SYSCTL_CSCHED_TSLICE_MAX &&
		(!limit_us || (limit_us >= XEN_SYSCTL_SCHED_RATELIMIT_MIN &&
			       limit_us <= XEN_SYSCTL_SCHED_RATELIMIT_MAX)) &&
		limit_us <= slice_ms * 1000 && delay_us <= XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US;

	s->u.scheduler_op.cpupool_id = (uint32_t)call->note;
	s->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
	s->u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
	s->u.scheduler_op.u.sched_credit = wanted;
	must(call, "setting the times of", sysctl_ask(call->run, s), sane ? 0 : ERR(EINVAL));
	s->u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	must(call, "asking for the times of", sysctl_ask(call->run, s), 0);
	if (!memcmp(&s->u.scheduler_op.u.sched_credit, &wanted, sizeof(wanted)) != sane)
		call_wrong(call, "a slice of %u ms, a limit of %u us and a delay of %u us are "
			   "in force, or not, and should not be", slice_ms, limit_us, delay_us);
}

/* At the edges of each, and where the limit is as long as the slice. */
static void try_all_parameters(struct call *call)
{
	const uint32_t slice = 2 + (uint32_t)draw(call, 100);
	const uint32_t edges[][3] = {
		{ XEN_SYSCTL_CSCHED_TSLICE_MIN - 1, 0, 0 }, { XEN_SYSCTL_CSCHED_TSLICE_MIN, 0, 1 },
		{ XEN_SYSCTL_CSCHED_TSLICE_MAX, 0, 2 }, { XEN_SYSCTL_CSCHED_TSLICE_MAX + 1, 0, 3 },
		{ slice, XEN_SYSCTL_SCHED_RATELIMIT_MIN - 1, 4 },
		{ slice, XEN_SYSCTL_SCHED_RATELIMIT_MIN, 5 },
		{ slice, slice * 1000, 6 }, { slice, slice * 1000 + 1, 7 },
		{ XEN_SYSCTL_CSCHED_TSLICE_MAX, XEN_SYSCTL_SCHED_RATELIMIT_MAX, 8 },
		{ XEN_SYSCTL_CSCHED_TSLICE_MAX, XEN_SYSCTL_SCHED_RATELIMIT_MAX + 1, 9 },
		{ slice, 0, XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US },
		{ slice, 0, XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US + 1 },
	};

	for (unsigned int i = 0; i < COUNT(edges); i++)
		try_parameters(call, edges[i][0], edges[i][1], edges[i][2]);
}

/* Nobody comes where there is no processor. */
static void refuse_domain(struct call *call, uint16_t id, long expected)
{
	struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN);

	s->u.cpupool_op.domid = id;
	must(call, "a domain for", sysctl_ask(call->run, s), expected);
}

static void refuse_members(struct call *call)
{
	struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_ADDCPU);

	s->u.cpupool_op.cpu = NO_PROCESSOR;
	must(call, "a processor that is not there for", sysctl_ask(call->run, s), ERR(EINVAL));
	s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_RMCPU);
	s->u.cpupool_op.cpu = NO_PROCESSOR;
	must(call, "taking such a processor from", sysctl_ask(call->run, s), ERR(EINVAL));
	s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN);
	s->u.cpupool_op.domid = DOMID_NOBODY_FIRST;
	must(call, "a domain that is not there for", sysctl_ask(call->run, s), ERR(ESRCH));
	refuse_domain(call, call->run->machine.domid, ERR(EPERM));
	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		if (call->run->model.own[i].exists)
			refuse_domain(call, call->run->model.own[i].id, ERR(ENOENT));
}

static void generate_pool(struct call *call)
{
	struct xen_sysctl_cpupool_op *p = pool_of(call);

	memset(p, 0, sizeof(*p));
	p->op = XEN_SYSCTL_CPUPOOL_OP_CREATE;
	p->cpupool_id = chance(call, 70) ? FIRST_NUMBER + (uint32_t)draw(call, NUMBERS) :
		XEN_SYSCTL_CPUPOOL_PAR_ANY;
	/* Most others say on the console that they begin. */
	p->sched_id = chance(call, 80) ? XEN_SCHEDULER_CREDIT :
		chance(call, 98) ? XEN_SCHEDULER_NULL + 1 + (uint32_t)draw(call, 5) :
		draw_mostly(call, 90, XEN_SCHEDULER_NULL + 1);
}

/* Xen may lack most schedulers, and others may have made as many pools as there may be. */
static void expect_pool(struct call *call)
{
	uint32_t scheduler = pool_of(call)->sched_id;

	expect_only(call, ERR(ENOENT));
	expect_also(call, ERR(ENOSPC));
	if (scheduler >= XEN_SCHEDULER_CREDIT && scheduler <= XEN_SCHEDULER_NULL)
		expect_also(call, 0);
}

static long make(struct call *call, uint32_t number)
{
	struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_CREATE);

	s->u.cpupool_op.cpupool_id = number;
	s->u.cpupool_op.sched_id = pool_of(call)->sched_id;
	return sysctl_ask(call->run, s);
}

/* Where there may be one pool more only, that is not told of the call's own. */
static void refuse_number_of(struct call *call, uint32_t number)
{
	long result = make(call, number);

	if (result != ERR(ENOSPC))
		must(call, "making twice", result, ERR(EEXIST));
}

static void destroy(struct call *call)
{
	struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_DESTROY);

	must(call, "destroying", sysctl_ask(call->run, s), 0);
	must(call, "destroying twice", sysctl_ask(call->run, s), ERR(ENOENT));
}

static void live(struct call *call)
{
	refuse_number_of(call, POOL_OF_ALL);
	must(call, "making again", make(call, (uint32_t)call->note), 0);
	refuse_scheduling(call);
	if (pool_of(call)->sched_id == XEN_SCHEDULER_CREDIT)
		try_all_parameters(call);
	refuse_members(call);
	destroy(call);
}

static uint32_t count_pools(struct call *call)
{
	uint32_t next = 0, count = 0;

	while (count < MOST_COUNTED) {
		struct xen_sysctl *s = begin_pool(call, XEN_SYSCTL_CPUPOOL_OP_INFO);

		s->u.cpupool_op.cpupool_id = next;
		if (sysctl_ask(call->run, s))
			break;
		next = s->u.cpupool_op.cpupool_id + 1;
		count++;
	}
	return count;
}

/* There may be two for each processor.  Asked again, for somebody else's may have gone meanwhile. */
static void check_no_room(struct call *call)
{
	uint32_t most = 2 * call->run->machine.processors;
	uint32_t number = pool_of(call)->cpupool_id;
	long result;

	call->note = number;
	if (number == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		return;
	result = make(call, number);
	if (!result)
		destroy(call);
	else if (result == ERR(ENOSPC) && count_pools(call) < most)
		call_wrong(call, "there is no room for a pool, with %u there", count_pools(call));
}

static void after_pool(struct call *call)
{
	if (call->result == ERR(ENOSPC))
		check_no_room(call);
	if (call->result)
		return;
	call->note = pool_of(call)->cpupool_id;
	check_told(call);
	refuse_number_of(call, (uint32_t)call->note);
	destroy(call);
	if (chance(call, 5) && pool_of(call)->sched_id == XEN_SCHEDULER_CREDIT)
		check_lives_take_nothing(call, live);
	else
		live(call);
}

static const struct field pool_fields[] = {
	SYSCTL_FIELD(cpupool_op.op, FLOW_IN),
	SYSCTL_FIELD(cpupool_op.cpupool_id, FLOW_INOUT),
	SYSCTL_FIELD(cpupool_op.sched_id, FLOW_IN),
	FIELDS_END,
};

/* As a row of sysctl, which is how it comes and goes. */
const struct operation sysctl_pool[] = {
	{ .name = "pool_of_our_own", .command = SYSCTL(cpupool_op), .danger = DANGER_OWN,
	  .traits = TRAIT_ALONE | TRAIT_DEAR, .weight = 2, .fields = pool_fields,
	  .generate = generate_pool, .expect = expect_pool, .after = after_pool },
};
const size_t sysctl_pool_count = COUNT(sysctl_pool);

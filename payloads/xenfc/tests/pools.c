/* Pools of processors, beside a stand-in that counts them and keeps the times of their scheduler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sysctl.h"

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define PROCESSORS 2u
#define MOST_POOLS (2 * PROCESSORS)
#define CALLS 200u

enum careless { NOTHING, COUNTS_REFUSED, FORGETS_TO_COUNT, LONG_LIMIT, LONG_DELAY, SHORT_SLICE, NEVER_SET };

static struct run run;
static struct door door;
static uint8_t *arena;
static struct pool {
	bool there;
	uint32_t number, scheduler;
	struct xen_sysctl_credit_schedule times;
} pools[MOST_POOLS];
static unsigned int counted;
static enum careless careless;

/* The first one from this number on. */
static struct pool *pool_from(uint32_t number)
{
	struct pool *found = NULL;

	for (unsigned int i = 0; i < MOST_POOLS; i++)
		if (pools[i].there && pools[i].number >= number &&
		    (!found || pools[i].number < found->number))
			found = &pools[i];
	return found;
}

static struct pool *pool_of(uint32_t number)
{
	struct pool *found = pool_from(number);

	return found && found->number == number ? found : NULL;
}

static long create(struct xen_sysctl_cpupool_op *p)
{
	bool any = p->cpupool_id == XEN_SYSCTL_CPUPOOL_PAR_ANY;
	bool unknown = p->sched_id < XEN_SCHEDULER_CREDIT || p->sched_id > XEN_SCHEDULER_NULL;
	unsigned int i = 0;

	if (counted >= MOST_POOLS)
		return ERR(ENOSPC);
	if (unknown || (!any && pool_of(p->cpupool_id))) {
		counted += careless == COUNTS_REFUSED;
		return unknown ? ERR(ENOENT) : ERR(EEXIST);
	}
	while (pools[i].there)
		i++;
	p->cpupool_id = any ? 1 : p->cpupool_id;
	pools[i] = (struct pool){
		.there = true, .number = p->cpupool_id, .scheduler = p->sched_id,
		.times = { .tslice_ms = 30, .ratelimit_us = 1000 },
	};
	counted++;
	return 0;
}

static long pool_op(struct xen_sysctl_cpupool_op *p)
{
	struct pool *pool = pool_of(p->cpupool_id);

	switch (p->op) {
	case XEN_SYSCTL_CPUPOOL_OP_CREATE:
		return create(p);
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		pool = pool_from(p->cpupool_id);
		if (!pool)
			return ERR(ENOENT);
		p->cpupool_id = pool->number;
		p->sched_id = pool->scheduler;
		return 0;
	case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
		if (!pool)
			return ERR(ENOENT);
		pool->there = false;
		counted -= careless != FORGETS_TO_COUNT;
		return 0;
	case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
		return p->domid == DOMID_NOBODY_FIRST ? ERR(ESRCH) : ERR(EPERM);
	default:
		return ERR(EINVAL);
	}
}

static bool sane(const struct xen_sysctl_credit_schedule *t)
{
	if (t->tslice_ms > XEN_SYSCTL_CSCHED_TSLICE_MAX ||
	    (t->tslice_ms < XEN_SYSCTL_CSCHED_TSLICE_MIN && careless != SHORT_SLICE))
		return false;
	if (t->ratelimit_us && (t->ratelimit_us > XEN_SYSCTL_SCHED_RATELIMIT_MAX ||
				t->ratelimit_us < XEN_SYSCTL_SCHED_RATELIMIT_MIN))
		return false;
	if (t->ratelimit_us > t->tslice_ms * 1000 && careless != LONG_LIMIT)
		return false;
	return t->vcpu_migr_delay_us <= XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US || careless == LONG_DELAY;
}

static long schedule(struct xen_sysctl_scheduler_op *s)
{
	struct pool *pool = pool_of(s->cpupool_id);

	if (!pool || s->sched_id != pool->scheduler || s->cmd > XEN_SYSCTL_SCHEDOP_getinfo)
		return ERR(EINVAL);
	if (s->cmd == XEN_SYSCTL_SCHEDOP_getinfo)
		s->u.sched_credit = pool->times;
	else if (!sane(&s->u.sched_credit))
		return ERR(EINVAL);
	else if (careless != NEVER_SET)
		pool->times = s->u.sched_credit;
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	struct xen_sysctl *s = (void *)(uintptr_t)arguments[0];

	(void)from;
	assert_int_equal(number, __HYPERVISOR_sysctl);
	return s->cmd == XEN_SYSCTL_scheduler_op ? schedule(&s->u.scheduler_op) :
		pool_op(&s->u.cpupool_op);
}

static int begin(void **state)
{
	(void)state;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, 0, ARENA_SIZE);
	memset(&run, 0, sizeof(run));
	memset(pools, 0, sizeof(pools));
	pools[0].there = true;
	pools[0].number = 0;
	pools[0].scheduler = XEN_SCHEDULER_CREDIT2;
	counted = 1;
	careless = NOTHING;
	door = (struct door){ .hypercall = hypercall, .arena = arena };
	run.door = &door;
	run.machine = (struct machine){ .control = true, .processors = PROCESSORS };
	return 0;
}

/* The row's call number `number`, and what was found wrong with it. */
static const char *pool_call(uint64_t number)
{
	extern const struct family family_sysctl;
	struct call *call = &run.call;

	call_begin(call, &run, number);
	call->family = &family_sysctl;
	call->operation = sysctl_pool;
	call->command = XEN_SYSCTL_cpupool_op;
	call->family->generate(call);
	call->operation->generate(call);
	call->operation->expect(call);
	call->result = pool_op(&((struct xen_sysctl *)(void *)call->structure->at)->u.cpupool_op);
	assert_true(expect_holds(call));
	call->operation->after(call);
	return call->wrong;
}

static const char *first_wrong(enum careless of)
{
	const char *wrong = "";

	begin(NULL);
	careless = of;
	for (uint64_t number = 0; number < CALLS && !wrong[0]; number++)
		wrong = pool_call(number);
	return wrong;
}

static void pools_come_and_go(void **state)
{
	(void)state;
	assert_string_equal(first_wrong(NOTHING), "");
	assert_int_equal(counted, 1);
}

/* Whichever comes first, a pool of ours or a refusal. */
static void what_takes_the_room_of_pools_is_seen(void **state)
{
	(void)state;
	assert_string_not_equal(first_wrong(COUNTS_REFUSED), "");
	assert_string_not_equal(first_wrong(FORGETS_TO_COUNT), "");
	begin(NULL);
	counted = MOST_POOLS;
	for (uint64_t number = 0; number < CALLS && !run.call.wrong[0]; number++)
		pool_call(number);
	assert_string_equal(run.call.wrong, "there is no room for a pool, with 1 there");
}

static void pools_of_others_take_room(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < MOST_POOLS; i++)
		pools[i] = (struct pool){ .there = true, .number = i };
	counted = MOST_POOLS;
	for (uint64_t number = 0; number < CALLS; number++)
		assert_string_equal(pool_call(number), "");
}

static void times_of_a_scheduler_have_limits(void **state)
{
	(void)state;
	for (enum careless of = LONG_LIMIT; of <= NEVER_SET; of++)
		assert_string_not_equal(first_wrong(of), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pools_come_and_go, begin),
		cmocka_unit_test_setup(what_takes_the_room_of_pools_is_seen, begin),
		cmocka_unit_test_setup(pools_of_others_take_room, begin),
		cmocka_unit_test_setup(times_of_a_scheduler_have_limits, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a refused call must leave as it was: beside a stand-in that forgets half of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"

#define CALLS 20000u
#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define PROCESSORS 3u
#define ALL_PROCESSORS 7ull
#define VCPUS 2u

static struct run run;
static struct door door;
static uint8_t *arena;
static uint64_t hard[VCPUS], soft[VCPUS];	/* what the stand-in keeps */
static uint32_t reported;
static bool careless;	/* keeps what it changed before it failed; switches on what is on */
static uint32_t generous;	/* of these kinds it tells that all are in force */
static bool forgetful;	/* where a processor shall run is not kept */

static bool reach(const struct xenctl_bitmap *map)
{
	uint64_t address = handle_value(&map->bitmap);

	return address >= (uintptr_t)arena && address < (uintptr_t)arena + ARENA_SIZE;
}

static uint64_t taken(const struct xenctl_bitmap *map)
{
	uint64_t bits = 0;

	memcpy(&bits, (void *)(uintptr_t)handle_value(&map->bitmap), (map->nr_bits + 7) / 8);
	if (map->nr_bits < PROCESSORS)
		bits &= (1ull << map->nr_bits) - 1;
	return bits & ALL_PROCESSORS;
}

static void tell(const struct xenctl_bitmap *map, uint64_t bits)
{
	memcpy((void *)(uintptr_t)handle_value(&map->bitmap), &bits, (map->nr_bits + 7) / 8);
}

static long take_hard(const struct xen_domctl_vcpuaffinity *a)
{
	if (!reach(&a->cpumap_hard))
		return ERR(EFAULT);
	if (!taken(&a->cpumap_hard))
		return ERR(EINVAL);
	hard[a->vcpu] = taken(&a->cpumap_hard);
	tell(&a->cpumap_hard, generous & XEN_VCPUAFFINITY_HARD ? ALL_PROCESSORS : hard[a->vcpu]);
	return 0;
}

static long take_soft(const struct xen_domctl_vcpuaffinity *a, uint64_t hard_before)
{
	if (reach(&a->cpumap_soft)) {
		uint64_t all = generous & XEN_VCPUAFFINITY_SOFT ? ALL_PROCESSORS : hard[a->vcpu];

		tell(&a->cpumap_soft, taken(&a->cpumap_soft) & all);
		if (!forgetful)
			soft[a->vcpu] = taken(&a->cpumap_soft);
		return 0;
	}
	if (!careless)
		hard[a->vcpu] = hard_before;
	return ERR(EFAULT);
}

static long set(const struct xen_domctl_vcpuaffinity *a)
{
	bool with_hard = a->flags & XEN_VCPUAFFINITY_HARD, with_soft = a->flags & XEN_VCPUAFFINITY_SOFT;
	uint64_t before;
	long result = 0;

	if (a->vcpu >= VCPUS || !a->flags || (with_hard && !handle_value(&a->cpumap_hard.bitmap)) ||
	    (with_soft && !handle_value(&a->cpumap_soft.bitmap)))
		return ERR(EINVAL);
	before = hard[a->vcpu];
	if (with_hard)
		result = take_hard(a);
	return result || !with_soft ? result : take_soft(a, before);
}

static long report(const struct xen_domctl_monitor_op *m)
{
	uint32_t bit = 1u << m->event;
	bool on = m->op == XEN_DOMCTL_MONITOR_OP_ENABLE;

	if (!(reported & bit) == !on && !(careless && on))
		return ERR(EEXIST);
	reported ^= bit;
	return 0;
}

/* Asked beside the sequence: where a processor may run; or told so, with half of it out of reach. */
static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	const struct xen_domctl *d = (void *)(uintptr_t)arguments[0];
	const struct xen_domctl_vcpuaffinity *a = &d->u.vcpuaffinity;

	(void)from;
	assert_int_equal(number, __HYPERVISOR_domctl);
	if (d->cmd == XEN_DOMCTL_setvcpuaffinity)
		return set(a);
	assert_int_equal(d->cmd, XEN_DOMCTL_getvcpuaffinity);
	if (a->flags == XEN_VCPUAFFINITY_HARD)
		tell(&a->cpumap_hard, hard[a->vcpu]);
	else
		tell(&a->cpumap_soft, soft[a->vcpu]);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	for (unsigned int i = 0; i < VCPUS; i++)
		hard[i] = ALL_PROCESSORS;
	reported = 0;
	careless = forgetful = false;
	generous = 0;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	door = (struct door){ .hypercall = hypercall, .arena = arena, .unmapped = 1ull << 40 };
	run.door = &door;
	run.machine.control = true;
	run.machine.online = run.machine.processors = PROCESSORS;
	run.model.own[1] = (struct domain_model){
		.exists = true, .id = DOMID_OWN_FIRST + 1, .max_vcpus = VCPUS, .has_vcpus = true,
		.hvm = true,
	};
	return 0;
}

static const struct operation *row(const struct operation *list, const char *name)
{
	while (strcmp(list->name, name))
		list++;
	return list;
}

/* False: of another domain, or a structure that the family refuses. */
static bool make(struct call *call, const struct operation *operation, uint64_t number)
{
	extern const struct family family_domctl;

	memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
	call_begin(call, &run, number);
	call->family = &family_domctl;
	call->operation = operation;
	call->hypercall = __HYPERVISOR_domctl;
	call->command = operation->command;
	family_domctl.generate(call);
	operation->generate(call);
	call->domain = &run.model.own[1];
	return domctl_of(call)->domain == DOMID_OWN_FIRST + 1;
}

static unsigned int failures_of_affinity(void)
{
	const struct operation *operation = row(domctl_affinity, "setvcpuaffinity");
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		if (!make(&call, operation, number))
			continue;
		operation->expect(&call);
		call.result = set(&domctl_of(&call)->u.vcpuaffinity);
		assert_true(expect_holds(&call));
		operation->after(&call);
		failed += call.wrong[0] != '\0';
	}
	return failed;
}

static void affinity_is_the_old_one_when_half_of_it_failed(void **state)
{
	(void)state;
	assert_int_equal(failures_of_affinity(), 0);
	careless = true;
	assert_true(failures_of_affinity() > 10);
}

static void what_is_told_to_be_in_force_is(void **state)
{
	generous = XEN_VCPUAFFINITY_HARD;
	assert_true(failures_of_affinity() > 10);
	begin(state);
	generous = XEN_VCPUAFFINITY_SOFT;
	assert_true(failures_of_affinity() > 10);
}

static void where_a_processor_shall_run_is_kept(void **state)
{
	(void)state;
	forgetful = true;
	assert_true(failures_of_affinity() > 10);
}

static unsigned int failures_of_reports(void)
{
	const struct operation *operation = row(domctl_hvm, "monitor_op");
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		const struct xen_domctl_monitor_op *m;

		if (!make(&call, operation, number))
			continue;
		m = &domctl_of(&call)->u.monitor_op;
		if (m->op > XEN_DOMCTL_MONITOR_OP_DISABLE || m->event > 31)
			continue;
		operation->expect(&call);
		call.result = report(m);
		failed += !expect_holds(&call);
		operation->after(&call);
	}
	return failed;
}

static void what_is_on_is_not_switched_on(void **state)
{
	(void)state;
	assert_int_equal(failures_of_reports(), 0);
	careless = true;
	assert_true(failures_of_reports() > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(affinity_is_the_old_one_when_half_of_it_failed, begin),
		cmocka_unit_test_setup(what_is_told_to_be_in_force_is, begin),
		cmocka_unit_test_setup(where_a_processor_shall_run_is_kept, begin),
		cmocka_unit_test_setup(what_is_on_is_not_switched_on, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

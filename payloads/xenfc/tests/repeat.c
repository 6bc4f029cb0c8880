/* A call that takes pages each time: a stand-in for Xen that leaks, lends, or is somebody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "repeat.h"
#include "sysctl.h"
#include "xenabi.h"

#define LEAKY __HYPERVISOR_mca

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(DOOR_PAGE)));
static struct run run;
static struct door door;
static const struct operation operation = { .name = "any" };
static const struct operation replacing = { .name = "any", .traits = TRAIT_REPLACES };
static uint64_t free_pages, moment, taken_by_call, taken_by_others;
static unsigned int most_times, times, times_a_page;
static bool quick;
static uint64_t guest_pages;	/* of the one domain that is not ours; 0: there is none */
static bool guest_takes, guest_is_new;	/* what goes, and is another one after each call */
static uint16_t guest;

static long tell_of_guest(struct xen_domctl *d)
{
	if (!guest_pages || d->domain > guest)
		return -XEN_ESRCH;
	d->domain = guest;
	d->u.getdomaininfo.tot_pages = guest_pages;
	return 0;
}

static void take(uint64_t pages)
{
	free_pages -= pages;
	guest_pages += guest_takes ? pages : 0;
}

static long hypercall(struct door *unused, unsigned int number, const uint64_t a[5])
{
	struct xen_sysctl *s = (void *)(uintptr_t)a[0];

	(void)unused;
	free_pages -= taken_by_others;
	if (number == __HYPERVISOR_sysctl) {
		s->u.physinfo.free_pages = free_pages;
		return 0;
	}
	if (number == __HYPERVISOR_domctl)
		return tell_of_guest((void *)(uintptr_t)a[0]);
	if (number == LEAKY && guest_is_new)
		guest = (uint16_t)(guest % 50 + 1);
	if (number == LEAKY && times++ < most_times)
		take(taken_by_call);
	if (number == LEAKY && times_a_page && times % times_a_page == 0)
		free_pages--;
	return -XEN_EINVAL;
}

/* What was only lent is given back as time goes by. */
static bool lent;

static uint64_t now(struct door *unused)
{
	(void)unused;
	if (lent)
		free_pages = 100000;
	return moment += 1000;
}

static uint64_t ticks(void)
{
	return moment += quick ? 1000 : 100000000;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	door = (struct door){ .name = "stand-in", .hypercall = hypercall, .now_ns = now, .ticks = ticks,
			      .arena = arena };
	run.door = &door;
	run.machine.control = true;
	run.call = (struct call){ .run = &run, .operation = &operation, .hypercall = LEAKY,
				  .number = 1, .result = -XEN_EINVAL };
	free_pages = 100000;
	taken_by_call = taken_by_others = 0;
	times = times_a_page = 0;
	quick = true;
	most_times = UINT32_MAX;
	lent = guest_takes = guest_is_new = false;
	guest_pages = 0;
	guest = 1;
	return 0;
}

static bool is_wrong(void)
{
	check_memory_kept(&run, &run.call);
	return run.call.wrong[0];
}

static void honest_call_is_well(void **state)
{
	(void)state;
	assert_false(is_wrong());
	assert_true(times > 0);
}

static void a_page_each_time_is_seen(void **state)
{
	(void)state;
	taken_by_call = 1;
	assert_true(is_wrong());
}

static void pages_taken_once_are_no_leak(void **state)
{
	(void)state;
	taken_by_call = 5;
	most_times = 8;
	assert_false(is_wrong());
}

static void pages_lent_are_no_leak(void **state)
{
	(void)state;
	taken_by_call = 3;
	lent = true;
	quick = false;
	assert_false(is_wrong());
}

static void pages_that_others_take_are_no_leak(void **state)
{
	(void)state;
	taken_by_others = 2;
	assert_false(is_wrong());
}

/* By a balloon, just when the call is made and not when another is. */
static void pages_that_are_another_domains_now_are_no_leak(void **state)
{
	(void)state;
	taken_by_call = 2;
	guest_pages = 1000;
	assert_true(is_wrong());
	run.call.wrong[0] = 0;
	guest_takes = true;
	assert_false(is_wrong());
}

static void domains_that_come_and_go_take_pages(void **state)
{
	(void)state;
	taken_by_call = 2;
	guest_pages = 1000;
	guest_is_new = true;
	assert_false(is_wrong());
}

static unsigned int lives;

static void live(struct call *call)
{
	(void)call;
	lives++;
	take(taken_by_call);
}

static void lives_that_cost_pages_are_seen(void **state)
{
	(void)state;
	check_lives_take_nothing(&run.call, live);
	assert_false(run.call.wrong[0]);
	assert_true(lives > 0);
	guest_pages = 1000;
	taken_by_call = 1;
	guest_takes = true;
	check_lives_take_nothing(&run.call, live);
	assert_false(run.call.wrong[0]);
	guest_takes = false;
	check_lives_take_nothing(&run.call, live);
	assert_true(run.call.wrong[0]);
}

static void what_succeeded_is_not_made_again(void **state)
{
	(void)state;
	run.call.result = 0;
	assert_false(is_wrong());
	assert_int_equal(times, 0);
}

static void what_succeeded_and_only_replaces_is_made_again(void **state)
{
	(void)state;
	run.call.result = 0;
	run.call.operation = &replacing;
	taken_by_call = 1;
	assert_true(is_wrong());
}

/* 32 bytes each time are a page each 128 times. */
static void a_few_bytes_each_time_are_seen(void **state)
{
	(void)state;
	times_a_page = 128;
	assert_true(is_wrong());
}

static void a_few_bytes_are_looked_for_once(void **state)
{
	(void)state;
	times_a_page = 128;
	most_times = 0;
	assert_true(is_wrong());
	run.call.wrong[0] = 0;
	assert_false(is_wrong());
}

/* Somebody else had the processor meanwhile: the next one has its turn. */
static void a_few_bytes_are_looked_for_when_the_first_seemed_slow(void **state)
{
	(void)state;
	times_a_page = 128;
	quick = false;
	assert_false(is_wrong());
	quick = true;
	assert_true(is_wrong());
}

static void a_slow_call_is_not_made_so_often(void **state)
{
	(void)state;
	quick = false;
	assert_false(is_wrong());
	assert_true(times < 10);
}

static bool is_tried(unsigned int kind, long result)
{
	run.call.kind = kind;
	run.call.result = result;
	times = 0;
	run.call.wrong[0] = 0;
	check_memory_kept(&run, &run.call);
	return times > 0;
}

/* However often all the others were made: a rare leak must not lose its turn to them. */
static void each_kind_and_result_has_its_turn(void **state)
{
	const unsigned int rare = 7;

	(void)state;
	quick = false;
	for (unsigned int kind = 0; kind < MAX_KINDS; kind++)
		for (long error = 1; error < MAX_RESULTS; error++)
			for (int i = 0; i < 9 && (kind != rare || error != XEN_EFAULT); i++)
				is_tried(kind, -error);
	assert_false(is_tried(rare, -XEN_EINVAL));
	assert_true(is_tried(rare, -XEN_EFAULT));
}

static const struct operation *reading(const char *name)
{
	size_t i = 0;

	while (strcmp(sysctl_information[i].name, name))
		assert_true(++i < sysctl_information_count);
	return &sysctl_information[i];
}

/* Two answers are compared where nothing happens between them. */
static void free_memory_of_others_is_no_mistake(void **state)
{
	static struct xen_sysctl told;
	static struct area area = { .at = (uint8_t *)&told, .size = sizeof(told) };

	(void)state;
	run.call.structure = &area;
	run.call.result = 0;
	for (unsigned int missing = 0; missing < 2; missing++) {
		told.u.availheap = (struct xen_sysctl_availheap){
			.node = -1, .avail_bytes = (free_pages - 5000 * missing) * DOOR_PAGE,
		};
		door.owns_kernel = false;
		reading("availheap")->after(&run.call);
		assert_false(run.call.wrong[0]);
		door.owns_kernel = true;
		reading("availheap")->after(&run.call);
		assert_int_equal(run.call.wrong[0] != 0, missing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(honest_call_is_well, begin),
		cmocka_unit_test_setup(a_page_each_time_is_seen, begin),
		cmocka_unit_test_setup(pages_taken_once_are_no_leak, begin),
		cmocka_unit_test_setup(pages_lent_are_no_leak, begin),
		cmocka_unit_test_setup(pages_that_others_take_are_no_leak, begin),
		cmocka_unit_test_setup(pages_that_are_another_domains_now_are_no_leak, begin),
		cmocka_unit_test_setup(domains_that_come_and_go_take_pages, begin),
		cmocka_unit_test_setup(lives_that_cost_pages_are_seen, begin),
		cmocka_unit_test_setup(what_succeeded_is_not_made_again, begin),
		cmocka_unit_test_setup(what_succeeded_and_only_replaces_is_made_again, begin),
		cmocka_unit_test_setup(a_few_bytes_each_time_are_seen, begin),
		cmocka_unit_test_setup(a_few_bytes_are_looked_for_once, begin),
		cmocka_unit_test_setup(a_few_bytes_are_looked_for_when_the_first_seemed_slow, begin),
		cmocka_unit_test_setup(a_slow_call_is_not_made_so_often, begin),
		cmocka_unit_test_setup(each_kind_and_result_has_its_turn, begin),
		cmocka_unit_test_setup(free_memory_of_others_is_no_mistake, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

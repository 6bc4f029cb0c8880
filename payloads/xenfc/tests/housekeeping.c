/* What a burst leaves behind: a stand-in for Xen that keeps pages, claims, or only lends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"
#include "ticks.h"
#include "xenabi.h"

#define GUEST 5u

static uint8_t arena[ARENA_BYTES + DOOR_PAGE] __attribute__((aligned(DOOR_PAGE)));
static struct run run;
static struct door door;
static uint64_t free_pages, claimed, guest_pages, moment;
static uint32_t guest;
static uint64_t step;	/* how far the clock goes from one look at it to the next */
static unsigned int late;	/* looks until Xen has the pages back */

static long told_of_domain(struct xen_domctl *d)
{
	if (d->cmd != XEN_DOMCTL_getdomaininfo || d->domain > guest)
		return -XEN_ESRCH;
	d->domain = (uint16_t)guest;
	d->u.getdomaininfo.tot_pages = guest_pages;
	return 0;
}

static long hypercall(struct door *unused, unsigned int number, const uint64_t a[5])
{
	(void)unused;
	if (number == __HYPERVISOR_domctl)
		return told_of_domain((void *)(uintptr_t)a[0]);
	if (number == __HYPERVISOR_sysctl) {
		struct xen_sysctl *s = (void *)(uintptr_t)a[0];

		s->u.physinfo.free_pages = late ? free_pages - 600 : free_pages;
		late -= late > 0;
		s->u.physinfo.outstanding_pages = claimed;
		return 0;
	}
	return -XEN_ENOSYS;
}

static void say(struct door *unused, const char *text, size_t size)
{
	(void)unused;
	(void)text;
	(void)size;
}

static uint64_t now(struct door *unused)
{
	(void)unused;
	return moment += step;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	memset(arena, ARENA_BACKGROUND, sizeof(arena));
	door = (struct door){ .name = "stand-in", .hypercall = hypercall, .write = say,
			      .mark = say, .now_ns = now, .ticks = ticks, .arena = arena };
	run.door = &door;
	run.machine.control = true;
	free_pages = 100000;
	claimed = late = 0;
	step = 100000000;
	guest = GUEST;
	guest_pages = 5000;
	assert_true(housekeep(&run));
	return 0;
}

static void nothing_left_is_well(void **state)
{
	(void)state;
	assert_true(housekeep(&run));
}

static void lost_pages_are_seen(void **state)
{
	(void)state;
	free_pages -= 600;
	assert_false(housekeep(&run));
	assert_non_null(strstr(run.outcome.reason, "Xen has 600 free pages less"));
}

static void who_was_stopped_looks_again(void **state)
{
	(void)state;
	step = 10000000000;
	late = 20;
	assert_true(housekeep(&run));
}

static void a_claim_is_seen(void **state)
{
	(void)state;
	claimed = 7;
	assert_false(housekeep(&run));
	assert_non_null(strstr(run.outcome.reason, "7 more are claimed"));
}

static void a_balloon_of_another_domain_is_no_leak(void **state)
{
	(void)state;
	free_pages -= 3000;
	guest_pages += 3000;
	assert_true(housekeep(&run));
	free_pages -= 600;
	assert_false(housekeep(&run));
}

static void after_another_domain_came_the_count_begins_anew(void **state)
{
	(void)state;
	guest++;
	free_pages -= 700;
	assert_true(housekeep(&run));
	free_pages -= 600;
	assert_false(housekeep(&run));
}

#define HUGE 8191u

static bool after_huge_domain(uint32_t vcpus, uint64_t missing)
{
	run.model.most_vcpus = vcpus;
	free_pages -= missing;
	return housekeep(&run);
}

static void holes_of_a_huge_domain_are_forgiven_once(void **state)
{
	(void)state;
	assert_true(after_huge_domain(HUGE, 2300));
	free_pages -= 500;
	assert_true(housekeep(&run));
	free_pages -= 100;
	assert_false(housekeep(&run));
}

static void a_domain_of_many_processors_is_not_huge(void **state)
{
	(void)state;
	assert_false(after_huge_domain(128, 513));
}

static void huge_domains_do_not_hide_a_slow_leak(void **state)
{
	(void)state;
	for (unsigned int lost = 0; lost < HUGE; lost += 400)
		assert_true(after_huge_domain(HUGE, 400));
	assert_true(after_huge_domain(HUGE, 100));
	assert_false(after_huge_domain(HUGE, 512));
}

static void holes_that_are_filled_are_no_longer_forgiven(void **state)
{
	(void)state;
	assert_true(after_huge_domain(HUGE, 2300));
	free_pages += 2300;
	assert_true(housekeep(&run));
	free_pages -= 513;
	assert_false(housekeep(&run));
}

int main(void)
{
	const struct CMUnitTest housekeeping[] = {
		cmocka_unit_test_setup(nothing_left_is_well, begin),
		cmocka_unit_test_setup(lost_pages_are_seen, begin),
		cmocka_unit_test_setup(who_was_stopped_looks_again, begin),
		cmocka_unit_test_setup(a_claim_is_seen, begin),
		cmocka_unit_test_setup(a_balloon_of_another_domain_is_no_leak, begin),
		cmocka_unit_test_setup(after_another_domain_came_the_count_begins_anew, begin),
		cmocka_unit_test_setup(holes_of_a_huge_domain_are_forgiven_once, begin),
		cmocka_unit_test_setup(a_domain_of_many_processors_is_not_huge, begin),
		cmocka_unit_test_setup(huge_domains_do_not_hide_a_slow_leak, begin),
		cmocka_unit_test_setup(holes_that_are_filled_are_no_longer_forgiven, begin),
	};

	return cmocka_run_group_tests(housekeeping, NULL, NULL);
}

/* Whether this is a guest: told by who made it, never by what a stand-in for Xen allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "exits.h"
#include "run.h"
#include "xenabi.h"

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(DOOR_PAGE)));
static struct run run;
static struct door door;
static bool made_as_control, sysctl_allowed;
static uint32_t domctl_version, sysctl_version;	/* the only ones that are taken */

static long answer_version(unsigned int command, void *argument)
{
	struct xen_feature_info *info = argument;

	if (command == XENVER_version)
		return 4 << 16 | 17;
	if (command != XENVER_get_features)
		return -XEN_ENOSYS;
	info->submap = made_as_control ? 1u << XENFEAT_dom0 : 0;
	return 0;
}

static long answer_sysctl(const struct xen_sysctl *s)
{
	if (s->interface_version != sysctl_version)
		return -XEN_EACCES;
	if (!sysctl_allowed)
		return -XEN_EPERM;
	return s->cmd == XEN_SYSCTL_physinfo ? 0 : -XEN_ENOSYS;
}

static long hypercall(struct door *unused, unsigned int number, const uint64_t a[5])
{
	(void)unused;
	switch (number) {
	case __HYPERVISOR_xen_version:
		return answer_version((unsigned int)a[0], (void *)(uintptr_t)a[1]);
	case __HYPERVISOR_sysctl:
		return answer_sysctl((void *)(uintptr_t)a[0]);
	case __HYPERVISOR_event_channel_op:
		return 0;
	case __HYPERVISOR_domctl:
		return *(const uint32_t *)(uintptr_t)(a[0] + 4) == domctl_version ? -XEN_ESRCH :
			-XEN_EACCES;
	default:
		return -XEN_ENOSYS;
	}
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	door = (struct door){ .name = "stand-in", .hypercall = hypercall, .arena = arena };
	run.door = &door;
	domctl_version = XEN_DOMCTL_INTERFACE_VERSION;
	sysctl_version = XEN_SYSCTL_INTERFACE_VERSION;
	plan_default(&run.plan);
	return 0;
}

static int probed(bool as_control, bool allowed)
{
	made_as_control = as_control;
	sysctl_allowed = allowed;
	return probe(&run);
}

static void control_domain_that_may_is_one(void **state)
{
	(void)state;
	assert_int_equal(probed(true, true), EXIT_PASS);
	assert_true(run.machine.control);
}

static void guest_that_may_not_is_one(void **state)
{
	(void)state;
	assert_int_equal(probed(false, false), EXIT_PASS);
	assert_false(run.machine.control);
}

static void guest_that_may_is_a_failure_of_xen(void **state)
{
	(void)state;
	assert_int_equal(probed(false, true), EXIT_FAIL);
	assert_non_null(strstr(run.outcome.reason, "sysctl was allowed"));
}

static void control_domain_that_may_not_is_a_failure_of_xen(void **state)
{
	(void)state;
	assert_int_equal(probed(true, false), EXIT_FAIL);
	assert_non_null(strstr(run.outcome.reason, "sysctl was refused"));
}

/* What a person says weighs more than what Xen tells. */
static void role_that_was_said_is_held_to(void **state)
{
	(void)state;
	run.plan.role = ROLE_GUEST;
	assert_int_equal(probed(true, true), EXIT_FAIL);
	assert_non_null(strstr(run.outcome.reason, "unprivileged guest"));
}

/* Its structures may be others: every answer would be a riddle.  A guest has no use for them. */
static void control_domain_of_another_interface_is_a_skip(void **state)
{
	(void)state;
	domctl_version++;
	assert_int_equal(probed(true, true), EXIT_SKIP);
	assert_non_null(strstr(run.outcome.reason, "XEN_HEADERS"));
	begin(NULL);
	sysctl_version++;
	assert_int_equal(probed(true, true), EXIT_SKIP);
	assert_int_equal(probed(false, false), EXIT_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(control_domain_that_may_is_one, begin),
		cmocka_unit_test_setup(guest_that_may_not_is_one, begin),
		cmocka_unit_test_setup(guest_that_may_is_a_failure_of_xen, begin),
		cmocka_unit_test_setup(control_domain_that_may_not_is_a_failure_of_xen, begin),
		cmocka_unit_test_setup(role_that_was_said_is_held_to, begin),
		cmocka_unit_test_setup(control_domain_of_another_interface_is_a_skip, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

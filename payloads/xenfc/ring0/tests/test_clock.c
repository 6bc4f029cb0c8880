/* The clock, over a time page that a test writes. */
#include "kernel.h"

#include "../clock.h"

#define FULL_SPEED 0x80000000u	/* with a shift of 1: a nanosecond a tick */

long ring0_hypercall(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4)
{
	(void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4;
	fail_msg("the clock calls nobody");
	return 0;
}

static void stands_still_without_a_page(void **state)
{
	(void)state;
	assert_int_equal(clock_ns(), 0);
}

static void counts_on_from_xens_time(void **state)
{
	static struct vcpu_time_info page = {
		.system_time = 5000000000u, .tsc_to_system_mul = FULL_SPEED, .tsc_shift = 1,
	};
	uint64_t ticks = __builtin_ia32_rdtsc(), now;

	(void)state;
	page.tsc_timestamp = ticks;
	clock_use(&page);
	now = clock_ns();
	assert_in_range(now - page.system_time, 0, __builtin_ia32_rdtsc() - ticks);
	assert_true(clock_ns() >= now);
}

static void slow_counters_are_shifted_down(void **state)
{
	static struct vcpu_time_info page = { .tsc_to_system_mul = FULL_SPEED, .tsc_shift = -9 };
	uint64_t ticks = __builtin_ia32_rdtsc(), now;

	(void)state;
	page.tsc_timestamp = ticks - (1u << 30);
	clock_use(&page);
	now = clock_ns();
	assert_in_range(now, 1u << 20, (__builtin_ia32_rdtsc() - page.tsc_timestamp) >> 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stands_still_without_a_page),
		cmocka_unit_test(counts_on_from_xens_time),
		cmocka_unit_test(slow_counters_are_shifted_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Deadline arithmetic, sleeping, and the rate of the time stamp counter. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

static void never_does_not_pass(void **state)
{
	(void)state;
	assert_false(deadline_passed(DEADLINE_NEVER));
	assert_int_equal(deadline_poll_ms(DEADLINE_NEVER), -1);
}

static void what_is_past_has_passed(void **state)
{
	(void)state;
	assert_true(deadline_passed(0));
	assert_true(deadline_passed(deadline_in_ms(0)));
	assert_int_equal(deadline_poll_ms(clock_ns() - 1), 0);
}

static void what_is_left_is_rounded_up(void **state)
{
	int left = deadline_poll_ms(deadline_in_ms(60000));
	deadline_t soon;

	(void)state;
	assert_false(deadline_passed(deadline_in_ms(60000)));
	assert_in_range(left, 1, 60000);
	assert_in_range(deadline_poll_ms(clock_ns() + 60000 * NS_PER_MS + 1), 1, 60001);
	/* A poll of 0 ms would spin until the last nanosecond: it is for what has passed. */
	soon = clock_ns() + NS_PER_MS / 2;
	while (deadline_poll_ms(soon))
		;
	assert_true(deadline_passed(soon));
}

static void too_far_away_is_capped(void **state)
{
	(void)state;
	assert_int_equal(deadline_poll_ms(DEADLINE_NEVER - 1), INT_MAX);
	assert_true(deadline_in_ms(UINT64_MAX) == DEADLINE_NEVER);
	assert_true(deadline_in_ms(UINT64_MAX / NS_PER_MS) == DEADLINE_NEVER);
}

static void sleep_ends_at_its_moment(void **state)
{
	uint64_t until = clock_ns() + 20 * NS_PER_MS;

	(void)state;
	clock_sleep_until(until);
	assert_true(clock_ns() >= until);
	until = clock_ns();
	clock_sleep_until(0);
	assert_true(clock_ns() - until < 60 * NS_PER_S);
}

static void working_costs_cpu_time_and_sleeping_does_not(void **state)
{
	uint64_t thread = clock_thread_cpu_ns(), process = clock_process_cpu_ns(), slept;

	(void)state;
	while (clock_thread_cpu_ns() < thread + 5 * NS_PER_MS)
		;
	assert_true(clock_process_cpu_ns() >= process + 4 * NS_PER_MS);
	thread = clock_thread_cpu_ns();
	slept = clock_ns() + 50 * NS_PER_MS;
	clock_sleep_until(slept);
	assert_true(clock_thread_cpu_ns() - thread < 40 * NS_PER_MS);
}

/*
 * The rate by its source against 100 ms of the monotonic clock, which is read before and after
 * the counter: others may run in between, and then what passed is less certain, not wrong.
 */
static void counter_agrees_with_the_clock(void **state)
{
	struct tsc_rate rate = tsc_rate_find();
	uint64_t first = clock_ns(), ticks = tsc_begin(), begun = clock_ns(), over, last;
	double measured;

	(void)state;
	clock_sleep_until(begun + 100 * NS_PER_MS);
	over = clock_ns();
	ticks = tsc_end() - ticks;
	last = clock_ns();
	assert_true(rate.hz > 1e8 && rate.hz < 1e11);
	assert_non_null(rate.method);
	measured = tsc_to_ns(&rate, (double)ticks);
	assert_true(measured > (double)(over - begun) * 0.98);
	assert_true(measured < (double)(last - first) * 1.02);
}

static void unknown_rate_gives_no_number(void **state)
{
	struct tsc_rate unknown = { .hz = 0 };

	(void)state;
	assert_true(isnan(tsc_to_ns(&unknown, 1000)));
}

int main(void)
{
	const struct CMUnitTest clocks[] = {
		cmocka_unit_test(never_does_not_pass),
		cmocka_unit_test(what_is_past_has_passed),
		cmocka_unit_test(what_is_left_is_rounded_up),
		cmocka_unit_test(too_far_away_is_capped),
		cmocka_unit_test(sleep_ends_at_its_moment),
		cmocka_unit_test(working_costs_cpu_time_and_sleeping_does_not),
		cmocka_unit_test(counter_agrees_with_the_clock),
		cmocka_unit_test(unknown_rate_gives_no_number),
	};

	return cmocka_run_group_tests(clocks, NULL, NULL);
}

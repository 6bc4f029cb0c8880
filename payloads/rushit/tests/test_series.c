/* Rates, correlation and confidence from sums that take no memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "series.h"
#include "statistics.h"

static void even_work_correlates_fully(void **state)
{
	struct series s = {0};

	(void)state;
	for (int i = 0; i <= 10; i++)
		series_add(&s, 100 + i, 5000.0 * i);
	assert_float_equal(series_rate(&s), 5000, 1e-6);
	assert_float_equal(series_correlation(&s), 1, 1e-9);
	assert_float_equal(series_uncertainty(&s), 0, 1e-9);
}

static void agrees_with_the_sums_over_all_points(void **state)
{
	double time[50], work[50];
	struct series s = {0};

	(void)state;
	for (int i = 0; i < 50; i++) {
		time[i] = i * 0.1;
		work[i] = i < 25 ? i * 10.0 : 250 + (i - 25) * 0.5;
		series_add(&s, time[i], work[i]);
	}
	assert_float_equal(series_correlation(&s), stats_correlation(time, work, 50), 1e-9);
	assert_true(series_correlation(&s) < 0.95);
}

static void uncertainty_is_half_the_interval(void **state)
{
	const double rates[] = {90, 110, 95, 105, 100, 102};
	struct series s = {0};
	struct interval interval = stats_mean_interval(rates, 6);
	double work = 0;

	(void)state;
	series_add(&s, 0, 0);
	for (int i = 0; i < 6; i++)
		series_add(&s, i + 1, work += rates[i]);
	assert_float_equal(series_uncertainty(&s), (interval.high - interval.low) / 2 /
			   stats_mean(rates, 6), 1e-9);
}

static void nothing_is_known_from_one_interval(void **state)
{
	struct series s = {0};

	(void)state;
	assert_true(isinf(series_uncertainty(&s)));
	series_add(&s, 0, 0);
	series_add(&s, 1, 10);
	assert_true(isinf(series_uncertainty(&s)));
	assert_float_equal(series_rate(&s), 10, 1e-9);
}

static void stump_at_the_end_is_no_interval(void **state)
{
	struct series s = {0};

	(void)state;
	series_add(&s, 0, 0);
	series_add(&s, 1, 100);
	series_add(&s, 2, 200);
	series_add(&s, 2.001, 200);
	assert_int_equal(s.intervals, 2);
	assert_float_equal(series_uncertainty(&s), 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_work_correlates_fully),
		cmocka_unit_test(agrees_with_the_sums_over_all_points),
		cmocka_unit_test(uncertainty_is_half_the_interval),
		cmocka_unit_test(nothing_is_known_from_one_interval),
		cmocka_unit_test(stump_at_the_end_is_no_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

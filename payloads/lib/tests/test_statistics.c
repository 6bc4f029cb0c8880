/* Known samples, tables of Student's t, and how often the intervals hold the truth. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random.h"
#include "statistics.h"

static const double known[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
#define KNOWN (sizeof(known) / sizeof(known[0]))

#define assert_near(a, b, distance) assert_true(fabs((a) - (b)) <= (distance))

static void known_samples(void **state)
{
	(void)state;
	assert_near(stats_mean(known, KNOWN), 5, 1e-12);
	assert_near(stats_stddev(known, KNOWN), sqrt(32.0 / 7), 1e-12);
	assert_near(stats_median(known, KNOWN), 4.5, 1e-12);
	assert_near(stats_min(known, KNOWN), 2, 0);
	assert_near(stats_max(known, KNOWN), 9, 0);
}

static void percentiles_lie_between_neighbours(void **state)
{
	const double samples[] = { 40, 10, 30, 20 };

	(void)state;
	assert_near(stats_percentile(samples, 4, 0), 10, 0);
	assert_near(stats_percentile(samples, 4, 100), 40, 0);
	assert_near(stats_percentile(samples, 4, 25), 17.5, 1e-12);
	assert_near(stats_median(samples, 4), 25, 1e-12);
	assert_near(stats_median(samples, 3), 30, 0);
	assert_near(samples[0], 40, 0);
}

/* Nothing is known about nothing: a zero would look like a measurement. */
static void of_nothing_comes_no_number(void **state)
{
	(void)state;
	assert_true(isnan(stats_mean(NULL, 0)) && isnan(stats_median(NULL, 0)));
	assert_true(isnan(stats_min(NULL, 0)) && isnan(stats_max(NULL, 0)));
	assert_true(isnan(stats_stddev(known, 1)));
	assert_true(isnan(stats_median_interval(NULL, 0, 1).low));
	assert_true(isinf(stats_mean_interval(known, 1).high));
	assert_near(stats_median(known, 1), 2, 0);
	assert_near(stats_median_interval(known, 1, 1).high, 2, 0);
}

static void student_t_is_the_table(void **state)
{
	(void)state;
	assert_true(isinf(stats_student_t(0)));
	assert_near(stats_student_t(1), 12.7062, 1e-4);
	assert_near(stats_student_t(5), 2.570582, 1e-5);
	assert_near(stats_student_t(12), 2.178813, 1e-5);
	assert_near(stats_student_t(13), 2.160369, 1e-5);
	assert_near(stats_student_t(20), 2.085963, 1e-5);
	assert_near(stats_student_t(30), 2.042272, 1e-5);
	assert_near(stats_student_t(120), 1.979930, 1e-5);
	assert_near(stats_student_t(1000000), 1.959966, 1e-5);
}

static void mean_interval_of_known_samples(void **state)
{
	struct interval interval = stats_mean_interval(known, KNOWN);

	(void)state;
	assert_near(interval.low, 5 - 2.364624 * sqrt(32.0 / 7 / 8), 1e-5);
	assert_near(interval.high, 5 + 2.364624 * sqrt(32.0 / 7 / 8), 1e-5);
}

static void correlation_knows_direction(void **state)
{
	const double x[] = { 1, 2, 3, 4 }, up[] = { 2, 4, 6, 8 }, down[] = { 9, 7, 5, 3 };
	const double flat[] = { 1, 1, 1, 1 }, bent[] = { 1, 2, 2, 1 };

	(void)state;
	assert_near(stats_correlation(x, up, 4), 1, 1e-12);
	assert_near(stats_correlation(x, down, 4), -1, 1e-12);
	assert_near(stats_correlation(x, bent, 4), 0, 1e-12);
	assert_true(stats_correlation(x, flat, 4) == 0);
	assert_true(stats_correlation(x, up, 0) == 0);
}

static void median_interval_is_reproducible(void **state)
{
	struct interval first = stats_median_interval(known, KNOWN, 7);
	struct interval again = stats_median_interval(known, KNOWN, 7);

	(void)state;
	assert_true(first.low == again.low && first.high == again.high);
	assert_true(first.low <= 4.5 && first.high >= 4.5);
	assert_true(first.low >= 2 && first.high <= 9);
}

/* Samples of a known distribution: the true median must lie inside about 95 times in 100. */
static void median_interval_holds_the_truth(void **state)
{
	double samples[31];
	struct random r;
	int held = 0;

	(void)state;
	random_seed(&r, 8);
	for (int trial = 0; trial < 200; trial++) {
		struct interval interval;

		for (int i = 0; i < 31; i++)
			samples[i] = -log((double)random_between(&r, 1, 1000000) / 1e6);
		interval = stats_median_interval(samples, 31, (uint64_t)trial);
		held += interval.low <= log(2) && interval.high >= log(2);
	}
	assert_in_range(held, 178, 199);
}

static void ratio_of_medians(void **state)
{
	const double a[] = { 100, 101, 99, 100, 102, 98, 100, 101, 99, 100 };
	const double b[] = { 110, 111, 109, 110, 112, 108, 110, 111, 109, 110 };
	struct interval ratio = stats_median_ratio_interval(a, 10, b, 10, 3);
	struct interval same = stats_median_ratio_interval(a, 10, a, 10, 3);

	(void)state;
	assert_true(ratio.low > 1.07 && ratio.low <= 1.1 && ratio.high >= 1.1 && ratio.high < 1.13);
	assert_true(same.low <= 1 && same.high >= 1);
	assert_true(isnan(stats_median_ratio_interval(a, 10, b, 0, 3).low));
}

int main(void)
{
	const struct CMUnitTest statistics[] = {
		cmocka_unit_test(known_samples),
		cmocka_unit_test(percentiles_lie_between_neighbours),
		cmocka_unit_test(of_nothing_comes_no_number),
		cmocka_unit_test(student_t_is_the_table),
		cmocka_unit_test(mean_interval_of_known_samples),
		cmocka_unit_test(correlation_knows_direction),
		cmocka_unit_test(median_interval_is_reproducible),
		cmocka_unit_test(median_interval_holds_the_truth),
		cmocka_unit_test(ratio_of_medians),
	};

	return cmocka_run_group_tests(statistics, NULL, NULL);
}

/*
 * The estimator: the cases that the original's own test has, with their exact answers,
 * and that it ends whatever it is fed.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "estimator.h"
#include "random.h"
#include "summary.h"

#define NO_LIMIT UINT64_MAX

static struct estimator *estimator(enum stop_rule stop, uint64_t limit_ns)
{
	struct estimator_rules rules = { .stop = stop, .limit_ns = limit_ns, .seed = 1 };
	struct estimator *e = estimator_new(&rules);

	assert_non_null(e);
	return e;
}

typedef double (*made_up)(uint32_t runs, unsigned int number);

/* Feed it until it has enough; how many samples that took in all. */
static unsigned int feed(struct estimator *e, made_up result)
{
	unsigned int number = 0;
	double spent = 0;
	uint32_t runs;

	while (estimator_next(e, (uint64_t)spent, &runs)) {
		double ns = result(runs, number++);

		spent += ns;
		estimator_add(e, ns);
	}
	return number;
}

static double uniform(uint32_t runs, unsigned int number)
{
	(void)number;
	return 100 + runs * 1000.0;
}

static double low_noise(uint32_t runs, unsigned int number)
{
	return 100 + runs * (1000.0 + number % 3 - 1);
}

static double first_is_an_outlier(uint32_t runs, unsigned int number)
{
	return number == 20 ? 100 + 2 * runs * 1000.0 : low_noise(runs, number);
}

static void samples_are_taken_in_this_order(void **state)
{
	struct estimator *e = estimator(STOP_AT_PEAKS, NO_LIMIT);
	uint32_t runs;

	(void)state;
	for (unsigned int i = 0; i < 30; i++) {
		assert_true(estimator_next(e, 0, &runs));
		assert_int_equal(runs, i < 10 ? 0 : i < 20 ? 1 : 16);
		estimator_add(e, uniform(runs, i));
	}
	assert_false(estimator_next(e, 0, &runs));
	estimator_free(e);
}

static void check_summaries(made_up result, enum stop_rule stop, unsigned int samples,
			    const char *quick, const char *distribution)
{
	struct estimator *e = estimator(stop, NO_LIMIT);
	struct estimate estimate;
	char text[256];

	assert_int_equal(feed(e, result), samples);
	estimate = estimator_result(e);
	assert_string_equal(quick_summary(&estimate, text, sizeof(text)), quick);
	assert_string_equal(distribution_summary(&estimate, text, sizeof(text)), distribution);
	estimator_free(e);
}

static void one_peak(void **state)
{
	(void)state;
	check_summaries(uniform, STOP_AT_PEAKS, 30, "1000 (1000 - 1000)", "1000:100%");
	check_summaries(low_noise, STOP_AT_PEAKS, 30, "1000 (999 - 1001)", "1000:100%");
}

static void outlier_must_be_one_percent(void **state)
{
	(void)state;
	check_summaries(first_is_an_outlier, STOP_AT_PEAKS, 120, "1000 (999 - 2000)", "1000:99%");
	check_summaries(first_is_an_outlier, STOP_ROUGH, 31, "1000 (999 - 2000)",
			"1000:91%, 2000:9%");
	check_summaries(first_is_an_outlier, STOP_PRECISE, 30, "1000 (999 - 2000)",
			"1000:90%, 2000:10%");
}

static unsigned int serious;

static double flat(uint32_t runs, unsigned int number)
{
	(void)number;
	return 100 + runs * (100.0 + (runs > 1 ? serious++ : 0) % 10);
}

static double twins(uint32_t runs, unsigned int number)
{
	(void)number;
	return 100 + runs * (100.0 + (runs > 1 ? serious++ : 0) % 2 * 5);
}

static void flat_values_make_nine_peaks(void **state)
{
	struct estimator *e = estimator(STOP_AT_PEAKS, NO_LIMIT);
	struct estimate estimate;

	(void)state;
	serious = 0;
	feed(e, flat);
	estimate = estimator_result(e);
	assert_int_equal(estimate.n_peaks, 9);
	for (size_t i = 0; i < estimate.n_peaks; i++) {
		assert_true(estimate.peaks[i].count >= MINIMUM_SAMPLES);
		assert_true(estimate.peaks[i].high - estimate.peaks[i].low <= 1.01);
	}
	estimator_free(e);
}

static void twin_peaks(void **state)
{
	struct estimator *e = estimator(STOP_AT_PEAKS, NO_LIMIT);
	struct estimate estimate;
	char text[256];

	(void)state;
	serious = 0;
	feed(e, twins);
	estimate = estimator_result(e);
	assert_int_equal(estimate.n_peaks, 2);
	assert_string_equal(distribution_summary(&estimate, text, sizeof(text)),
			    "100:50%, 105:50%");
	estimator_free(e);
}

static double costs_nothing(uint32_t runs, unsigned int number)
{
	(void)runs;
	return 100 + number % 2;
}

/* However many runs: what a runner says who does none. */
static double luck(uint32_t runs, unsigned int number)
{
	return runs ? 110 + number % 3 : 100 + number % 2;
}

static double takes_no_time(uint32_t runs, unsigned int number)
{
	(void)runs;
	(void)number;
	return 0;
}

/* The ancestor looped for ever here. */
static void no_cost_comes_to_an_end(void **state)
{
	struct estimator *e = estimator(STOP_AT_PEAKS, NO_LIMIT);

	(void)state;
	assert_in_range(feed(e, costs_nothing), 20, 200);
	assert_true(estimator_result(e).too_small);
	estimator_free(e);
	e = estimator(STOP_PRECISE, NO_LIMIT);
	assert_in_range(feed(e, luck), 20, 200);
	assert_true(estimator_result(e).too_small);
	estimator_free(e);
	e = estimator(STOP_PRECISE, NO_LIMIT);
	assert_in_range(feed(e, takes_no_time), 20, 200);
	estimator_free(e);
}

static struct random noise;

static double all_over_the_place(uint32_t runs, unsigned int number)
{
	(void)number;
	return (double)random_between(&noise, 1, 1000000) * (runs + 1);
}

static void wild_times_come_to_an_end(void **state)
{
	struct estimator *e = estimator(STOP_AT_PEAKS, NO_LIMIT);

	(void)state;
	random_seed(&noise, 1);
	assert_in_range(feed(e, all_over_the_place), 20, 20000);
	estimator_free(e);
	e = estimator(STOP_PRECISE, 1000000000);
	feed(e, all_over_the_place);
	assert_true(estimator_result(e).limited);
	assert_true(estimator_result(e).samples >= MINIMUM_SAMPLES);
	estimator_free(e);
}

/* A busy host: mostly 20 ms of overhead, at its very best 0.2 ms; a run costs 10 us. */
static double busy_host(uint32_t runs, unsigned int number)
{
	return (number % 10 == 3 ? 0.2e6 : 20e6 + (double)random_below(&noise, 1000000)) + runs * 10e3;
}

static void lucky_overhead_does_not_end_the_search(void **state)
{
	struct estimator *e = estimator(STOP_PRECISE, 1000000000);
	struct estimate estimate;

	(void)state;
	random_seed(&noise, 3);
	feed(e, busy_host);
	estimate = estimator_result(e);
	assert_true(estimate.runs * 10e3 > 150e6);
	assert_true(estimate.median > 10e3 && estimate.median < 11.5e3);
	assert_true(estimate.interval.low <= 10e3 && estimate.interval.high >= 10e3);
	estimator_free(e);
}

static double shaky_overhead(uint32_t runs, unsigned int number)
{
	return 100 + (number < 10 ? number : 0) + runs * 1000.0;
}

static void interval_covers_the_spread_of_the_overhead(void **state)
{
	struct estimator *e = estimator(STOP_PRECISE, NO_LIMIT);
	struct estimate estimate;

	(void)state;
	feed(e, shaky_overhead);
	estimate = estimator_result(e);
	assert_true(estimate.overhead == 100 && estimate.overhead_spread == 4.5);
	assert_true(estimate.interval.high == 1000);
	assert_true(estimate.interval.low == 1000 - 4.5 / 16);
	estimator_free(e);
}

static void forced_runs_are_raw(void **state)
{
	struct estimator_rules rules = { .stop = STOP_FORCED, .forced_runs = 7, .limit_ns = 1 };
	struct estimator *e = estimator_new(&rules);

	(void)state;
	assert_non_null(e);
	assert_int_equal(feed(e, uniform), MINIMUM_SAMPLES);
	assert_true(estimator_result(e).median == 7100);
	estimator_free(e);
}

int main(void)
{
	const struct CMUnitTest estimators[] = {
		cmocka_unit_test(samples_are_taken_in_this_order),
		cmocka_unit_test(one_peak),
		cmocka_unit_test(outlier_must_be_one_percent),
		cmocka_unit_test(flat_values_make_nine_peaks),
		cmocka_unit_test(twin_peaks),
		cmocka_unit_test(no_cost_comes_to_an_end),
		cmocka_unit_test(wild_times_come_to_an_end),
		cmocka_unit_test(lucky_overhead_does_not_end_the_search),
		cmocka_unit_test(interval_covers_the_spread_of_the_overhead),
		cmocka_unit_test(forced_runs_are_raw),
	};

	return cmocka_run_group_tests(estimators, NULL, NULL);
}

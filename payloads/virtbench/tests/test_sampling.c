/*
 * A median is known to 1 % after no more samples than a plain bootstrap would take, and no
 * earlier than it says.  `make sampling` does the same with many more seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "estimator.h"
#include "tests/distributions.h"

#define SEEDS 3

static void no_more_samples_than_a_plain_bootstrap(void **state)
{
	size_t more_than_the_least = 0;

	(void)state;
	for (size_t i = 0; i < n_distributions; i++) {
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			struct needed needed = samples_needed(&distributions[i], seed);

			assert_in_range(needed.estimator, MINIMUM_SAMPLES, needed.plain);
			assert_true(needed.precise);
			more_than_the_least += needed.estimator > MINIMUM_SAMPLES;
		}
	}
	/* Else nothing was compared. */
	assert_true(more_than_the_least > n_distributions);
}

/* Two speeds, 10 % apart, have full peaks after twenty samples; the median is not known. */
static void full_peaks_do_not_end_it(void **state)
{
	static const double speeds[] = { 1000, 1100 };
	struct estimator_rules rules = { .stop = STOP_PRECISE, .limit_ns = 1, .seed = 1 };
	struct estimator *e = estimator_new(&rules);
	uint32_t runs;
	size_t taken = 0;

	(void)state;
	assert_non_null(e);
	while (taken < 100 && estimator_next(e, 0, &runs)) {
		estimator_add(e, runs ? 1 + runs * speeds[taken % 2] : 1);
		taken++;
	}
	assert_int_equal(taken, 100);
	estimator_free(e);
}

int main(void)
{
	const struct CMUnitTest samplings[] = {
		cmocka_unit_test(no_more_samples_than_a_plain_bootstrap),
		cmocka_unit_test(full_peaks_do_not_end_it),
	};

	return cmocka_run_group_tests(samplings, NULL, NULL);
}

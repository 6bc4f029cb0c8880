/* Scenarios with memory in use: what a bad balloon would do to the load is done to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stage.h"

static void test_good_balloon(void **state)
{
	struct stage *stage = *state;

	expect_verdict(scenario_pages_back(&stage->trial), OUTCOME_PASS, "held its pattern");
	expect_verdict(scenario_fill(&stage->trial), OUTCOME_PASS, "held its pattern");
	expect_verdict(scenario_pressure(&stage->trial), OUTCOME_PASS, "20 moves down and up under load; "
	       "every page held its pattern");
	assert_int_equal(stage->fake.current, stage->trial.before.current);
}

static void test_page_that_is_taken_away(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = take_a_page;
	expect_verdict(scenario_fill(&stage->trial), OUTCOME_FAIL, "taken away under it");
	expect_verdict(scenario_pressure(&stage->trial), OUTCOME_FAIL, "taken away under it");
}

static void test_page_that_changes(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = write_into_the_load;
	expect_verdict(scenario_fill(&stage->trial), OUTCOME_FAIL, "lost its pattern");
}

static void test_oom_killer_is_told(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = act_as_oom_killer;
	expect_verdict(scenario_fill(&stage->trial), OUTCOME_PASS, "OOM killer took the load");
	expect_verdict(scenario_pressure(&stage->trial), OUTCOME_ERROR, "OOM killer took the load");
}

static void test_no_memory_to_fill(void **state)
{
	struct stage *stage = *state;

	stage->fake.available = 30 << 10;
	expect_verdict(scenario_fill(&stage->trial), OUTCOME_ERROR, "only 30720 kB are available");
}

static int setup(void **state)
{
	int status = stage_setup(state);

	stage_with_little_room(*state);
	return status;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_good_balloon), T(test_page_that_is_taken_away), T(test_page_that_changes),
		T(test_oom_killer_is_told), T(test_no_memory_to_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

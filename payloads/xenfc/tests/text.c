/* Formatting, patterns and numbers of the core; the words of a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "freestanding.h"
#include "plan.h"

static void formats_like_printf(void **state)
{
	char mine[200], theirs[200];
	struct text t;

	(void)state;
	text_begin(&t, mine, sizeof(mine));
	text_format(&t, "%s %c %d %ld %u %lu %x %lx %%", "word", 'c', -7, INT64_MIN, 7u,
		    UINT64_MAX, 0xabcu, UINT64_MAX);
	snprintf(theirs, sizeof(theirs), "%s %c %d %ld %u %lu 0x%x 0x%lx %%", "word", 'c', -7,
		 INT64_MIN, 7u, UINT64_MAX, 0xabcu, UINT64_MAX);
	assert_string_equal(mine, theirs);
}

static void text_never_overflows(void **state)
{
	char small[8];
	struct text t;

	(void)state;
	text_begin(&t, small, sizeof(small));
	text_format(&t, "%s", "longer than eight");
	assert_string_equal(small, "longer ");
}

static void patterns_match_as_in_the_shell(void **state)
{
	(void)state;
	assert_true(text_matches("domctl.pause*", "domctl.pausedomain"));
	assert_true(text_matches("evtchn.*,grant.*", "grant.copy"));
	assert_true(text_matches("*", ""));
	assert_true(text_matches("*o?y", "copy") && text_matches("c*p*y", "copy"));
	assert_false(text_matches("domctl.pause", "domctl.pausedomain"));
	assert_false(text_matches("a,b", "ab"));
	assert_false(text_matches("?", ""));
}

static void numbers_are_whole_words(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(text_number("0x10", &value) && value == 16);
	assert_true(text_number("18446744073709551615", &value) && value == UINT64_MAX);
	assert_false(text_number("18446744073709551616", &value));
	assert_false(text_number("", &value) || text_number("0x", &value) ||
		     text_number("12a", &value) || text_number("-1", &value));
}

static void plan_takes_its_words(void **state)
{
	struct plan plan;

	(void)state;
	plan_default(&plan);
	assert_int_equal(plan.allow, DANGER_SAFE | DANGER_OWN);
	assert_null(plan_word(&plan, "seed=77"));
	assert_null(plan_word(&plan, "twist=9"));
	assert_null(plan_word(&plan, "release=4.18"));
	assert_null(plan_word(&plan, "allow=fatal"));
	assert_null(plan_word(&plan, "seconds=3"));
	assert_null(plan_word(&plan, "quiet"));
	assert_int_equal(plan.seed, 77);
	assert_int_equal(plan.twist, 9);
	assert_int_equal(plan.release, RELEASE(4, 18));
	assert_true(plan.allow & DANGER_FATAL);
	assert_int_equal(plan.limit_ns, 3000000000ull);
	assert_int_equal(plan.telling, TELL_BLOCKS);
}

static void plan_refuses_other_words(void **state)
{
	static const char *const wrong[] = {
		"seed=", "seed=x", "release=4", "release=four.one", "allow=all", "role=king",
		"colour=red", "loud", "seconds=99999999999999999999", "averyveryverylongword=1",
	};
	struct plan plan;

	(void)state;
	plan_default(&plan);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(plan_word(&plan, wrong[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_like_printf),
		cmocka_unit_test(text_never_overflows),
		cmocka_unit_test(patterns_match_as_in_the_shell),
		cmocka_unit_test(numbers_are_whole_words),
		cmocka_unit_test(plan_takes_its_words),
		cmocka_unit_test(plan_refuses_other_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

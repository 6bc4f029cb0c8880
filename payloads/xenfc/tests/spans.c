/* Lists of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "spans.h"

#define MOST 3

static void lists_are_ascending_numbers_and_ranges(void **state)
{
	struct call_span found[MOST];
	size_t count;

	(void)state;
	assert_null(spans_of("0,3-5,7-18446744073709551615", found, MOST, &count));
	assert_int_equal(count, MOST);
	assert_int_equal(found[0].first, 0);
	assert_int_equal(found[0].last, 0);
	assert_int_equal(found[1].first, 3);
	assert_int_equal(found[1].last, 5);
	assert_int_equal(found[2].first, 7);
	assert_true(found[2].last == UINT64_MAX);
}

static void neighbours_are_one_span(void **state)
{
	struct call_span found[1];
	size_t count;

	(void)state;
	assert_null(spans_of("5,6,7-9,10", found, 1, &count));
	assert_int_equal(count, 1);
	assert_int_equal(found[0].first, 5);
	assert_int_equal(found[0].last, 10);
}

static void others_are_refused(void **state)
{
	static const char *const wrong[] = {
		"", ",", "a", "1,", ",1", "1-", "-1", "2-1", "3,3", "3,2", "1-5,5", "1 2", "1 ",
		"18446744073709551616", "0-18446744073709551615,1", "1,3,5,7",
	};
	struct call_span found[MOST];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(spans_of(wrong[i], found, MOST, &count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_ascending_numbers_and_ranges),
		cmocka_unit_test(neighbours_are_one_span),
		cmocka_unit_test(others_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

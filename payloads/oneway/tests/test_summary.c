/* The first message apart, the ancestor's lines, and lists of percentiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "summary.h"

static const struct stamp_clock monotonic = {false, {.hz = NS_PER_S}};

static char *printed(size_t last)
{
	static const double latencies[] = {9000, 1000, 3000, 2000, 4000};
	struct summary s;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(summary_make(&s, &monotonic, latencies, 5), 0);
	summary_print_stamps(&s, out, last);
	summary_print_time(&s, out, "one-way", &monotonic, &(struct percentiles){{50, 100}, 2});
	summary_free(&s);
	fclose(out);
	return text;
}

static void test_lines_are_the_ancestors(void **state)
{
	char *text = printed(2);

	(void)state;
	assert_string_equal(text, "   3: 2000\n   4: 4000\nInitial connection/send: 9000\n"
			    "min: 1000\nmax: 4000\nmedian: 2500\navg: 2500.000000\n"
			    "stddev: 1290.994449\n"
			    "one-way in microseconds: first 9.0, min 1.0, median 2.5, avg 2.5, "
			    "stddev 1.3, max 4.0\none-way percentiles: 50 % 2.0, 100 % 4.0\n");
	free(text);
	text = printed(1000);
	assert_memory_equal(text, "   1: 1000\n   2: 3000\n", 22);
	free(text);
}

static void test_percentile_lists(void **state)
{
	struct percentiles p;

	(void)state;
	assert_null(percentiles_parse("50,99.9,100,0", &p));
	assert_int_equal(p.n, 4);
	assert_true(p.at[1] == 99.9);
	assert_non_null(percentiles_parse("", &p));
	assert_non_null(percentiles_parse("50,", &p));
	assert_non_null(percentiles_parse("101", &p));
	assert_non_null(percentiles_parse("-1", &p));
	assert_non_null(percentiles_parse("nan", &p));
	assert_non_null(percentiles_parse("50,99,50.0", &p));
	assert_non_null(percentiles_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_the_ancestors),
		cmocka_unit_test(test_percentile_lists),
	};

	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}

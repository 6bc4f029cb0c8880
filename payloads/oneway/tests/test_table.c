/* The ancestor's tables, from the ancestor's own ticks: its ratios stand, its microseconds do not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plot.h"
#include "stamp.h"
#include "table.h"

/* What its servers printed: first, min, max, median, avg, stddev. */
static const struct table_row ticks[] = {
	{"vsock", 350803, 37584, 6711109, 41071, 42578.326480, 9810.366642},
	{"unix local", 308959, 9440, 1281892, 14036, 14146.421570, 1646.850549},
	{"inet local", 410649, 37536, 1728556, 48652, 48717.873978, 2291.348548},
	{"inet remote", 359460, 56386, 1158162, 61796, 65130.601088, 11178.740056},
};

#define ROWS (sizeof(ticks) / sizeof(*ticks))

/* Its machine: "CPU MHz: 2294.670" in the guest; the counter runs at half its BogoMIPS. */
static const struct stamp_clock seed_clock = {true, {.hz = 4589.34e6 / 2}};

static void convert(struct table_row *rows)
{
	for (size_t i = 0; i < ROWS; i++)
		rows[i] = (struct table_row){
			ticks[i].name, stamp_to_us(&seed_clock, ticks[i].connect),
			stamp_to_us(&seed_clock, ticks[i].min),
			stamp_to_us(&seed_clock, ticks[i].max),
			stamp_to_us(&seed_clock, ticks[i].median),
			stamp_to_us(&seed_clock, ticks[i].mean),
			stamp_to_us(&seed_clock, ticks[i].stddev),
		};
}

static char *printed(void (*print)(FILE *, const struct table_row *, size_t),
		     const struct table_row *rows)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(out, rows, ROWS);
	fclose(out);
	return text;
}

static void test_corrected_medians(void **state)
{
	static const double corrected[ROWS] = {17.9, 6.1, 21.2, 26.9};
	static const double published[ROWS] = {410.7, 140.4, 486.5, 618.0};
	struct table_row rows[ROWS];

	(void)state;
	convert(rows);
	for (size_t i = 0; i < ROWS; i++) {
		assert_true(fabs(rows[i].median - corrected[i]) < 0.05);
		/* It took the counter for 100 MHz: 22.95 times too large. */
		assert_true(fabs(published[i] / rows[i].median - 22.95) < 0.01);
	}
}

static void test_microseconds(void **state)
{
	struct table_row rows[ROWS];
	char *text;

	(void)state;
	convert(rows);
	text = printed(table_print_microseconds, rows);
	assert_non_null(strstr(text, "| socket type | connect (us) | min (us) | max (us) | "
			       "median (us) | average (us) | stddev (us)   | average + stddev (us) "
			       "|\n"));
	assert_non_null(strstr(text, "| vsock       |        152.9 |     16.4 |   2924.7 |        "
			       "17.9 |         18.6 |   4.3 (23.0%) |                  22.8 |\n"));
	free(text);
}

/* To the last digit of the ancestor's second table (some of its cells are cut, not rounded). */
static void test_ratios_are_the_ancestors(void **state)
{
	struct table_row rows[ROWS];
	char *text;

	(void)state;
	convert(rows);
	text = printed(table_print_relative, rows);
	assert_non_null(strstr(text, "| vsock       |      100.0% |  100.0% |"));
	assert_non_null(strstr(text, "| unix local  |       88.1% |   25.1% |   19.1% |      34.2% "
			       "|       33.2% |      16.8% |                30.1% |\n"));
	assert_non_null(strstr(text, "| inet local  |      117.1% |   99.9% |   25.8% |     118.5% "
			       "|      114.4% |      23.4% |                97.4% |\n"));
	free(text);
}

static void test_plot_is_drawn(void **state)
{
	struct histogram *h = histogram_new(1000000, 3);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	histogram_record(h, 5000);
	histogram_record(h, 50000);
	plot_write(out, "Title", &(struct plot_series){"vsock", h}, 1);
	fclose(out);
	assert_memory_equal(text, "<svg ", 5);
	assert_non_null(strstr(text, ">Title</text>"));
	assert_non_null(strstr(text, ">100 us</text>"));
	assert_non_null(strstr(text, "<polyline"));
	assert_string_equal(text + size - 7, "</svg>\n");
	free(text);
	histogram_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corrected_medians),
		cmocka_unit_test(test_microseconds),
		cmocka_unit_test(test_ratios_are_the_ancestors),
		cmocka_unit_test(test_plot_is_drawn),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

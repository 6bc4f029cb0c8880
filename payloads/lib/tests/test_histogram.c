/* The histogram against a sorted array of the same values, and the text it writes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"
#include "random.h"

#define VALUES 20000
#define HIGHEST 3600000000000ull

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void agrees_with_a_sorted_array(void **state)
{
	static const double percents[] = { 0, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100 };
	uint64_t *values = malloc(VALUES * sizeof(*values));
	struct random r;

	(void)state;
	assert_non_null(values);
	for (int digits = 1; digits <= 5; digits++) {
		struct histogram *h = histogram_new(HIGHEST, digits);
		double precision = pow(10, -digits);

		assert_non_null(h);
		random_seed(&r, (uint64_t)digits);
		for (size_t i = 0; i < VALUES; i++) {
			values[i] = random_u64(&r) >> random_between(&r, 24, 63);
			histogram_record(h, values[i]);
		}
		qsort(values, VALUES, sizeof(*values), compare);
		for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
			double rank = ceil(percents[i] / 100 * VALUES - 1e-6);
			double exact = (double)values[rank < 1 ? 0 : (size_t)rank - 1];
			double found = (double)histogram_percentile(h, percents[i]);

			assert_true(found >= exact && found <= exact * (1 + precision) + 0.5);
		}
		assert_true(histogram_min(h) == values[0]);
		assert_true(histogram_max(h) == values[VALUES - 1]);
		histogram_free(h);
	}
	free(values);
}

static void small_values_are_exact(void **state)
{
	struct histogram *h = histogram_new(HIGHEST, 3);

	(void)state;
	for (uint64_t value = 1; value <= 1000; value++)
		histogram_record(h, value);
	assert_int_equal(histogram_count(h), 1000);
	assert_int_equal(histogram_percentile(h, 50), 500);
	assert_int_equal(histogram_percentile(h, 99.9), 999);
	assert_int_equal(histogram_percentile(h, 99.91), 1000);
	assert_true(fabs(histogram_mean(h) - 500.5) < 1e-9);
	assert_true(fabs(histogram_stddev(h) - sqrt((1e6 - 1) / 12)) < 1e-6);
	histogram_free(h);
}

static void one_value_has_no_deviation(void **state)
{
	struct histogram *h = histogram_new(HIGHEST, 3);

	(void)state;
	histogram_record_n(h, 408535, 7);
	assert_true(histogram_stddev(h) == 0);
	histogram_free(h);
}

static void nothing_recorded_is_no_trap(void **state)
{
	struct histogram *h = histogram_new(HIGHEST, 3);
	uint64_t low, high, count;
	uint32_t cursor = 0;

	(void)state;
	assert_int_equal(histogram_count(h), 0);
	assert_int_equal(histogram_min(h), 0);
	assert_int_equal(histogram_max(h), 0);
	assert_int_equal(histogram_percentile(h, 99), 0);
	assert_true(histogram_mean(h) == 0 && histogram_stddev(h) == 0);
	assert_false(histogram_next(h, &cursor, &low, &high, &count));
	histogram_free(h);
}

static void too_high_is_counted_as_the_highest(void **state)
{
	struct histogram *h = histogram_new(1000, 2);

	(void)state;
	histogram_record(h, 1000);
	histogram_record_n(h, UINT64_MAX, 3);
	assert_int_equal(histogram_count(h), 4);
	assert_int_equal(histogram_saturated(h), 3);
	assert_int_equal(histogram_max(h), 1000);
	histogram_reset(h);
	assert_int_equal(histogram_count(h) + histogram_saturated(h) + histogram_max(h), 0);
	histogram_free(h);
}

static void largest_numbers_fit(void **state)
{
	struct histogram *h = histogram_new(UINT64_MAX, 3);

	(void)state;
	histogram_record_n(h, UINT64_MAX, 5);
	histogram_record(h, 0);
	assert_true(histogram_max(h) == UINT64_MAX);
	assert_true(histogram_percentile(h, 100) == UINT64_MAX);
	assert_true(fabs(histogram_mean(h) / (0x1p64 / 6 * 5) - 1) < 1e-9);
	histogram_free(h);
}

static void buckets_cover_all_values_once(void **state)
{
	struct histogram *h = histogram_new(100000, 2);
	uint64_t low, high, count, next = 0, total = 0;
	uint32_t cursor = 0;

	(void)state;
	for (uint64_t value = 0; value <= 100000; value++)
		histogram_record(h, value);
	while (histogram_next(h, &cursor, &low, &high, &count)) {
		assert_true(low == next);
		assert_true((double)(high - low) <= (double)low / 100);
		next = high + 1;
		total += count;
	}
	assert_true(next > 100000 && total == 100001);
	histogram_free(h);
}

static void merged_is_as_if_recorded_in_one(void **state)
{
	struct histogram *a = histogram_new(HIGHEST, 3), *b = histogram_new(HIGHEST, 3);
	struct histogram *other = histogram_new(HIGHEST, 2);

	(void)state;
	histogram_record_n(a, 10, 3);
	histogram_record(b, 70000);
	histogram_record(b, 2);
	assert_true(histogram_merge(a, b));
	assert_int_equal(histogram_count(a), 5);
	assert_int_equal(histogram_min(a), 2);
	assert_int_equal(histogram_max(a), 70000);
	assert_int_equal(histogram_percentile(a, 80), 10);
	assert_false(histogram_merge(a, other));
	assert_int_equal(histogram_count(a), 5);
	histogram_free(a);
	histogram_free(b);
	histogram_free(other);
}

static void memory_is_constant(void **state)
{
	struct histogram *h = histogram_new(HIGHEST, 3);
	size_t before = histogram_memory(h);
	struct random r;

	(void)state;
	random_seed(&r, 9);
	for (int i = 0; i < VALUES; i++)
		histogram_record(h, random_below(&r, HIGHEST));
	assert_true(histogram_memory(h) == before);
	assert_in_range(before, 1024, 1 << 20);
	histogram_free(h);
}

/* The layout of HdrHistogram's own tools, so that theirs can plot ours. */
static void writes_the_percentile_format(void **state)
{
	struct histogram *h = histogram_new(HIGHEST, 3);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	histogram_record_n(h, 1000, 9);
	histogram_record(h, 2000);
	histogram_write_hgrm(h, out, 1000);
	fclose(out);
	assert_string_equal(
		text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
		      "\n"
		      "       1.000 0.000000000000          9           1.00\n"
		      "       1.000 0.100000000000          9           1.11\n"
		      "       1.000 0.200000000000          9           1.25\n"
		      "       1.000 0.300000000000          9           1.43\n"
		      "       1.000 0.400000000000          9           1.67\n"
		      "       1.000 0.500000000000          9           2.00\n"
		      "       1.000 0.550000000000          9           2.22\n"
		      "       1.000 0.600000000000          9           2.50\n"
		      "       1.000 0.650000000000          9           2.86\n"
		      "       1.000 0.700000000000          9           3.33\n"
		      "       1.000 0.750000000000          9           4.00\n"
		      "       1.000 0.775000000000          9           4.44\n"
		      "       1.000 0.800000000000          9           5.00\n"
		      "       1.000 0.825000000000          9           5.71\n"
		      "       1.000 0.850000000000          9           6.67\n"
		      "       1.000 0.875000000000          9           8.00\n"
		      "       1.000 0.887500000000          9           8.89\n"
		      "       1.000 0.900000000000          9          10.00\n"
		      "       2.000 0.912500000000         10          11.43\n"
		      "       2.000 1.000000000000         10\n"
		      "#[Mean    =        1.100, StdDeviation   =        0.300]\n"
		      "#[Max     =        2.000, Total count    =           10]\n"
		      "#[Buckets =           32, SubBuckets     =         2048]\n");
	free(text);
	histogram_free(h);
}

int main(void)
{
	const struct CMUnitTest histograms[] = {
		cmocka_unit_test(agrees_with_a_sorted_array),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(one_value_has_no_deviation),
		cmocka_unit_test(nothing_recorded_is_no_trap),
		cmocka_unit_test(too_high_is_counted_as_the_highest),
		cmocka_unit_test(largest_numbers_fit),
		cmocka_unit_test(buckets_cover_all_values_once),
		cmocka_unit_test(merged_is_as_if_recorded_in_one),
		cmocka_unit_test(memory_is_constant),
		cmocka_unit_test(writes_the_percentile_format),
	};

	return cmocka_run_group_tests(histograms, NULL, NULL);
}

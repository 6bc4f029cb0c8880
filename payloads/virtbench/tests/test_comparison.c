/* What is said of two measurements, and which files are believed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "comparison.h"
#include "random.h"

#define SAMPLES 12
#define RUNS_MAX 8

/* One file: so many runs of one benchmark. */
struct made {
	double values[RUNS_MAX * SAMPLES], medians[RUNS_MAX];
};

/* Evenly from -1 to 1. */
static double chance(struct random *r)
{
	return (double)random_below(r, 200001) / 100000 - 1;
}

/*
 * Samples lie up to 1 % around their run's own time, and that up to `luck` (a part of it)
 * around `mean`.
 */
static struct samples make_up(struct made *made, int runs, double mean, double luck, uint64_t seed)
{
	struct random r;

	random_seed(&r, seed);
	for (int i = 0; i < runs; i++) {
		double own = mean * (1 + luck * chance(&r));

		for (int k = 0; k < SAMPLES; k++)
			made->values[i * SAMPLES + k] = own * (1 + 0.01 * chance(&r));
		made->medians[i] = stats_median(made->values + i * SAMPLES, SAMPLES);
	}
	return (struct samples){ .name = "x", .values = made->values,
				 .n = (size_t)runs * SAMPLES, .medians = made->medians,
				 .n_lines = (size_t)runs };
}

static struct comparison compare(int runs, double mean_b, double luck, uint64_t seed)
{
	struct made a, b;
	struct samples in_a = make_up(&a, runs, 1000, luck, 2 * seed);
	struct samples in_b = make_up(&b, runs, mean_b, luck, 2 * seed + 1);

	return compare_samples(&in_a, &in_b);
}

static void verdicts(void **state)
{
	(void)state;
	assert_int_equal(compare(5, 1000, 0.002, 1).verdict, SAME);
	assert_int_equal(compare(5, 1100, 0.01, 1).verdict, SLOWER);
	assert_int_equal(compare(5, 900, 0.01, 1).verdict, FASTER);
	assert_int_equal(compare(5, 1000, 0.5, 1).verdict, CANNOT_TELL);
	assert_int_equal(compare(5, 0, 0, 1).verdict, CANNOT_TELL);
	assert_true(fabs(compare(5, 1100, 0.01, 1).ratio - 1.1) < 0.02);
}

/* However clear it seems. */
static void too_few_runs_give_no_verdict(void **state)
{
	(void)state;
	for (int runs = 1; runs < FEWEST_RUNS; runs++) {
		struct comparison c;

		assert_int_equal(compare(runs, 2000, 0, 1).verdict, CANNOT_TELL);
		c = compare(runs, 1000, 0, 1);
		assert_int_equal(c.verdict, CANNOT_TELL);
		assert_int_equal(slowdown(&c, 1.05), SLOWDOWN_UNKNOWN);
	}
}

/*
 * Of many comparisons of a thing with itself, and with one that takes 5 % longer, at most
 * the promised 5 % may say what is not so; a little more for this sample's own luck.
 */
static void false_verdicts_are_seldom(void **state)
{
	const int n = 2000;

	(void)state;
	for (int runs = FEWEST_RUNS; runs <= RUNS_MAX; runs++) {
		int false_alarms = 0, false_same = 0;

		for (int seed = 0; seed < n; seed++) {
			enum comparison_verdict v = compare(runs, 1000, 0.05, (uint64_t)seed).verdict;

			false_alarms += v == FASTER || v == SLOWER;
			v = compare(runs, 1050, 0.05, (uint64_t)seed).verdict;
			false_same += v == SAME || v == FASTER;
		}
		assert_in_range(false_alarms, 0, n * 7 / 100);
		assert_in_range(false_same, 0, n * 3 / 100);
	}
}

static void slowdown_over_a_limit(void **state)
{
	struct comparison slower = compare(5, 1100, 0.005, 1), same = compare(5, 1000, 0.002, 1);
	struct comparison unclear = compare(5, 1000, 0.5, 1);

	(void)state;
	assert_int_equal(slowdown(&slower, 1.05), SLOWDOWN_SEEN);
	assert_int_equal(slowdown(&slower, 1.2), SLOWDOWN_NONE);
	/* Slower for sure, but within the interval lies what is allowed. */
	assert_int_equal(slowdown(&slower, slower.ratio * 0.9999), SLOWDOWN_UNKNOWN);
	assert_int_equal(slowdown(&slower, slower.ratio * 1.0001), SLOWDOWN_UNKNOWN);
	assert_int_equal(slowdown(&same, 1.05), SLOWDOWN_NONE);
	assert_int_equal(slowdown(&unclear, 1.05), SLOWDOWN_UNKNOWN);
}

static int read_text(const char *text, struct sample_file *file, struct why *why)
{
	char path[] = "/tmp/comparison.XXXXXX";
	int fd = mkstemp(path), result;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	result = samples_read(file, path, why);
	unlink(path);
	return result;
}

static void reads_csv_and_json(void **state)
{
	struct sample_file file;
	struct why why;

	(void)state;
	assert_int_equal(read_text("cow,1,2.5\nfork,7\ncow,3\n", &file, &why), 0);
	assert_int_equal(file.n, 2);
	assert_int_equal(samples_of(&file, "cow")->n, 3);
	assert_int_equal(samples_of(&file, "cow")->n_lines, 2);
	assert_true(samples_of(&file, "cow")->medians[0] == 1.75);
	assert_true(samples_of(&file, "cow")->values[1] == 2.5);
	assert_null(samples_of(&file, "exec"));
	samples_free(&file);
	assert_int_equal(read_text("{\"type\":\"environment\"}\n"
				   "{\"type\":\"result\",\"name\":\"cow\",\"samples\":[1,2]}\n"
				   "{\"type\":\"figure\",\"name\":\"cow\",\"value\":1.5}\n",
				   &file, &why), 0);
	assert_int_equal(samples_of(&file, "cow")->n, 2);
	samples_free(&file);
}

/* They share that run's luck. */
static void twice_in_a_run_is_one_run(void **state)
{
	struct sample_file file;
	const struct samples *cow;
	struct why why;

	(void)state;
	assert_int_equal(read_text("{\"type\":\"environment\"}\n"
				   "{\"name\":\"cow\",\"samples\":[1,2]}\n"
				   "{\"name\":\"fork\",\"samples\":[9]}\n"
				   "{\"name\":\"cow\",\"samples\":[6]}\n"
				   "{\"type\":\"environment\"}\n"
				   "{\"name\":\"cow\",\"samples\":[7,9]}\n", &file, &why), 0);
	cow = samples_of(&file, "cow");
	assert_int_equal(cow->n, 5);
	assert_int_equal(cow->n_lines, 2);
	assert_true(cow->medians[0] == 2 && cow->medians[1] == 8);
	samples_free(&file);
}

static void refuses_what_is_no_result(void **state)
{
	static const char *const texts[] = { "", "\n", "prose\n", "cow,\n", "cow,1,x\n",
					     "cow,nan\n", ",1\n", "cow,1;2\n" };
	struct sample_file file;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(read_text(texts[i], &file, &why), -1);
		assert_non_null(strstr(why.text, "virtbench --csv"));
		samples_free(&file);
	}
	assert_int_equal(samples_read(&file, "/nonexistent", &why), -1);
}

int main(void)
{
	const struct CMUnitTest comparisons[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(too_few_runs_give_no_verdict),
		cmocka_unit_test(false_verdicts_are_seldom),
		cmocka_unit_test(slowdown_over_a_limit),
		cmocka_unit_test(reads_csv_and_json),
		cmocka_unit_test(twice_in_a_run_is_one_run),
		cmocka_unit_test(refuses_what_is_no_result),
	};

	return cmocka_run_group_tests(comparisons, NULL, NULL);
}

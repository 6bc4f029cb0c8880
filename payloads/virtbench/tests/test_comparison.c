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

#define N 40

static double values_a[N], values_b[N];

/* Around `mean`, up to `noise` (a part of it) either way. */
static void make_up(double *values, double mean, double noise, uint64_t seed)
{
	struct random r;

	random_seed(&r, seed);
	for (int i = 0; i < N; i++)
		values[i] = mean * (1 + noise * ((double)random_below(&r, 2001) / 1000 - 1));
}

static struct comparison compare(double mean_b, double noise)
{
	const struct samples a = { "x", values_a, N }, b = { "x", values_b, N };

	make_up(values_a, 1000, noise, 1);
	make_up(values_b, mean_b, noise, 2);
	return compare_samples(&a, &b);
}

static void verdicts(void **state)
{
	(void)state;
	assert_int_equal(compare(1000, 0.01).verdict, SAME);
	assert_int_equal(compare(1100, 0.01).verdict, SLOWER);
	assert_int_equal(compare(900, 0.01).verdict, FASTER);
	assert_int_equal(compare(1000, 0.9).verdict, CANNOT_TELL);
	assert_int_equal(compare(0, 0).verdict, CANNOT_TELL);
	assert_true(fabs(compare(1100, 0.01).ratio - 1.1) < 0.02);
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
		cmocka_unit_test(reads_csv_and_json),
		cmocka_unit_test(refuses_what_is_no_result),
	};

	return cmocka_run_group_tests(comparisons, NULL, NULL);
}

/* Lists of calls, and files that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "corpus.h"

static void lists_are_ascending_numbers_and_ranges(void **state)
{
	static const char *const wrong[] = {
		"", "a", "3,", ",3", "3-", "9-3", "3,3", "7,5", "1-5,5", "1 2", "-1",
		"99999999999999999999", "0-65536",
	};
	struct plan plan;

	(void)state;
	plan_default(&plan);
	assert_null(corpus_parse_calls("3,7-9,18446744073709551615", &plan));
	assert_int_equal(plan.n_spans, 3);
	assert_int_equal(plan.spans[1].first, 7);
	assert_int_equal(plan.spans[1].last, 9);
	assert_true(plan.spans[2].last == UINT64_MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(corpus_parse_calls(wrong[i], &plan));
}

static char path[] = "/tmp/xenfc-corpus-XXXXXX";
static char text[4096];
static size_t text_size;

static void write_file(const char *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static int make_file(void **state)
{
	struct plan plan;
	FILE *file;
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	plan_default(&plan);
	plan.seed = 77;
	plan.release = RELEASE(4, 17);
	plan.only = "domctl.*pause*";
	if (corpus_write(path, &plan, "3,7-9"))
		return -1;
	file = fopen(path, "r");
	text_size = fread(text, 1, sizeof(text), file);
	return fclose(file);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void what_was_written_is_read(void **state)
{
	struct plan plan;

	(void)state;
	plan_default(&plan);
	assert_null(corpus_read(path, &plan));
	assert_int_equal(plan.seed, 77);
	assert_int_equal(plan.release, RELEASE(4, 17));
	assert_string_equal(plan.only, "domctl.*pause*");
	assert_int_equal(plan.n_spans, 2);
}

static void files_cut_short_are_refused(void **state)
{
	struct plan plan;

	(void)state;
	for (size_t size = 0; size < text_size; size++) {
		write_file(text, size);
		assert_non_null(corpus_read(path, &plan));
	}
}

static void changed_files_are_refused(void **state)
{
	struct plan plan;

	(void)state;
	for (size_t i = 0; i < text_size; i++) {
		text[i] ^= 1;
		write_file(text, text_size);
		text[i] ^= 1;
		assert_non_null(corpus_read(path, &plan));
	}
	write_file(text, text_size);
	assert_null(corpus_read(path, &plan));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_ascending_numbers_and_ranges),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(files_cut_short_are_refused),
		cmocka_unit_test(changed_files_are_refused),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

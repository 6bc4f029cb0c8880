/* The kernel's command line, cut into words. */
#include "kernel.h"

#include <string.h>

#include "../words.h"

long ring0_hypercall(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4)
{
	(void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4;
	fail_msg("cutting words calls nobody");
	return 0;
}

static void check(const char *line, size_t count, const char *first, const char *last)
{
	char copy[100];
	const char *words[8] = { NULL };

	strcpy(copy, line);
	assert_int_equal(words_of(copy, words, 8), count);
	if (count) {
		assert_string_equal(words[0], first);
		assert_string_equal(words[count - 1], last);
	}
}

static void words_are_cut_at_blanks(void **state)
{
	(void)state;
	check("seed=7 loops=3", 2, "seed=7", "loops=3");
	check("  seed=7\t only=domctl*,sysctl* \n", 2, "seed=7", "only=domctl*,sysctl*");
	check("quiet", 1, "quiet", "quiet");
}

static void nothing_is_no_word(void **state)
{
	(void)state;
	check("", 0, NULL, NULL);
	check(" \t ", 0, NULL, NULL);
}

static void words_beyond_the_most_are_counted_and_not_stored(void **state)
{
	char line[] = "a b c d";
	const char *words[3] = { NULL, NULL, "untouched" };

	(void)state;
	assert_int_equal(words_of(line, words, 2), 4);
	assert_string_equal(words[1], "b");
	assert_string_equal(words[2], "untouched");
}

#define MOST 6

static size_t numbers(const char *list, uint64_t *into)
{
	size_t count;

	return numbers_of(list, into, MOST, &count) ? count : 0;
}

static void lists_of_numbers_are_taken_apart(void **state)
{
	const uint64_t wanted[MOST] = { 0, 3, 7, 8, 9, UINT64_MAX };
	uint64_t found[MOST];

	(void)state;
	assert_int_equal(numbers("0,3,7-9,18446744073709551615", found), MOST);
	assert_memory_equal(found, wanted, sizeof(wanted));
	assert_int_equal(numbers("5-5", found), 1);
}

static void wrong_lists_are_refused(void **state)
{
	const char *const wrong[] = {
		"", ",", "1,", "x", "1-", "-1", "2-1", "3,3", "3,2", "1-7", "1,2-7", "1 ",
		"18446744073709551616", "0-18446744073709551615",
	};
	uint64_t found[MOST];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(numbers(wrong[i], found), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_cut_at_blanks),
		cmocka_unit_test(nothing_is_no_word),
		cmocka_unit_test(words_beyond_the_most_are_counted_and_not_stored),
		cmocka_unit_test(lists_of_numbers_are_taken_apart),
		cmocka_unit_test(wrong_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

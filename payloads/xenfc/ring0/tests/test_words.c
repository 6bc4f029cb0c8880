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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_cut_at_blanks),
		cmocka_unit_test(nothing_is_no_word),
		cmocka_unit_test(words_beyond_the_most_are_counted_and_not_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names on a command line choose rows of a table. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases.h"
#include "exits.h"

struct row {
	const char *name;
	const char *what;
	int more;
};

static const struct row rows[] = { { "one", "the first", 1 }, { "two", "the second", 2 },
				   { NULL, NULL, 0 } };
static const struct cases cases = { "row", rows, sizeof(rows[0]) };

static void parse(struct cases_choice *choice, int argc, char **argv)
{
	const struct option_spec options[] = { CASES_OPTIONS(choice), { .name = NULL } };
	const struct program_spec program = { .name = "test", .usage = "[ROW...]",
					      .summary = "A test.", .options = options };

	cases_parse(&cases, choice, &program, argc, argv);
}

static int status_of(char *word, char *second)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (!child) {
		struct cases_choice choice = { 0 };

		fclose(stderr);
		parse(&choice, 3, (char *[]){ "test", word, second, NULL });
		_exit(EXIT_PASS);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void test_words_choose(void **state)
{
	struct cases_choice choice = { 0 };

	(void)state;
	parse(&choice, 1, (char *[]){ "test", NULL });
	assert_true(cases_chosen(&choice, "one", true));
	assert_false(cases_chosen(&choice, "one", false));
	parse(&choice, 3, (char *[]){ "test", "two", "--ktap", NULL });
	assert_false(cases_chosen(&choice, "one", true));
	assert_true(cases_chosen(&choice, "two", false));
	assert_int_equal(cases_form(&choice), REPORT_KTAP);
}

static void test_wrong_words(void **state)
{
	(void)state;
	assert_int_equal(status_of("one", "two"), EXIT_PASS);
	assert_int_equal(status_of("one", "tow"), EXIT_USAGE);
	assert_int_equal(status_of("--ktap", "--json"), EXIT_USAGE);
}

static void test_only_an_exit_is_believed(void **state)
{
	static const enum supervised_end ends[] = {
		SUPERVISED_KILLED, SUPERVISED_TIMED_OUT, SUPERVISED_INTERRUPTED, SUPERVISED_FAILED,
	};

	(void)state;
	assert_int_equal(cases_status("test", (struct supervised_result){ SUPERVISED_EXITED, 77 },
				      1000, ""), 77);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(cases_status("test", (struct supervised_result){ ends[i], 0 },
					      1000, "all is put back"), EXIT_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_choose),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_only_an_exit_is_believed),
	};

	return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}

/* Names on a command line choose rows of a table. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static const struct cases_plan plan = { { "one", "two", "three" }, 3 };

/* How a run ends that told so many verdicts, all passed; its report. */
static int end_of(struct supervised_result end, int told, char *text, size_t size)
{
	const struct verdict passed = verdict_pass("%s", "");
	FILE *out = tmpfile();
	struct report *report = report_new_shared();
	int status;

	assert_non_null(report);
	report_begin(report, REPORT_KTAP, out, "test", (char *[]){ "test", NULL }, plan.count);
	for (int i = 0; i < told; i++)
		report_verdict(report, plan.names[i], &passed);
	status = cases_end("test", report, &plan, end, 1000, "all is put back");
	rewind(out);
	text[fread(text, 1, size - 1, out)] = '\0';
	fclose(out);
	munmap(report, sizeof(*report));
	return status;
}

static void test_only_an_exit_is_believed(void **state)
{
	static const enum supervised_end ends[] = {
		SUPERVISED_KILLED, SUPERVISED_TIMED_OUT, SUPERVISED_INTERRUPTED, SUPERVISED_FAILED,
	};
	char text[1024];

	(void)state;
	assert_int_equal(end_of((struct supervised_result){ SUPERVISED_EXITED, 77 }, 3, text,
				sizeof(text)), 77);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(end_of((struct supervised_result){ ends[i], 0 }, 3, text,
					sizeof(text)), EXIT_ERROR);
}

static void test_what_is_untold_is_an_error(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(end_of((struct supervised_result){ SUPERVISED_TIMED_OUT, 0 }, 1, text,
				sizeof(text)), EXIT_ERROR);
	assert_non_null(strstr(text, "\nok 1 one\n"
				     "not ok 2 two # ERROR not done after 1 s\n"
				     "not ok 3 three # ERROR not tried: the run had ended\n"));
	assert_non_null(strstr(text, "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:2\n"));
	assert_int_equal(end_of((struct supervised_result){ SUPERVISED_EXITED, 0 }, 2, text,
				sizeof(text)), EXIT_ERROR);
	assert_non_null(strstr(text, "not ok 3 three # ERROR the run ended without a verdict"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_choose),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_only_an_exit_is_believed),
		cmocka_unit_test(test_what_is_untold_is_an_error),
	};

	return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}

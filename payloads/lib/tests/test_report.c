/* One report in three forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exits.h"
#include "report.h"

static char *text;
static size_t size;

/* A pass and, if asked for, another verdict; the text is in `text`. */
static int report(enum report_form form, int planned, const struct verdict *second)
{
	char *argv[] = { "program", "--word", NULL };
	struct verdict first = verdict_pass("found %d", 1);
	struct report r;
	FILE *out;
	int status;

	free(text);
	out = open_memstream(&text, &size);
	report_begin(&r, form, out, "program", argv, planned);
	report_verdict(&r, "first", &first);
	if (second)
		report_verdict(&r, "second", second);
	report_figure(&r, "speed", 12345678.25, "MB/s", "higher");
	report_note(&r, "seed: %d", 7);
	status = report_end(&r);
	fclose(out);
	return status;
}

static void test_ktap(void **state)
{
	struct verdict failed = verdict_fail("broken");

	(void)state;
	assert_int_equal(report(REPORT_KTAP, 2, &failed), EXIT_FAIL);
	assert_non_null(strstr(text, "KTAP version 1\n1..2\nok 1 first # found 1\n"));
	assert_non_null(strstr(text, "not ok 2 second # broken\n"));
	assert_non_null(strstr(text, "\n# {\"type\":\"figure\",\"name\":\"speed\",\"value\":12345678.25,"));
	assert_non_null(strstr(text, "\n# seed: 7\n"));
}

static void test_sentences(void **state)
{
	(void)state;
	assert_int_equal(report(REPORT_PLAIN, 1, NULL), EXIT_PASS);
	assert_non_null(strstr(text, "first: passed: found 1\nspeed: 12345678.250 MB/s\nseed: 7\n"));
}

static void test_json(void **state)
{
	struct verdict skipped = verdict_skip("not here");

	(void)state;
	assert_int_equal(report(REPORT_JSON, 2, &skipped), EXIT_PASS);
	assert_int_equal(strncmp(text, "{\"type\":\"environment\"", 21), 0);
	assert_non_null(strstr(text, "{\"type\":\"result\",\"name\":\"second\",\"status\":\"skip\","
				     "\"reason\":\"not here\"}\n"));
	assert_non_null(strstr(text, "\"type\":\"figure\""));
	assert_non_null(strstr(text, "{\"type\":\"note\",\"text\":\"seed: 7\"}\n"));
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 :
	     NULL)
		assert_int_equal(*line, '{');
}

static void test_missing_verdicts_are_an_error_in_every_form(void **state)
{
	(void)state;
	assert_int_equal(report(REPORT_KTAP, 2, NULL), EXIT_ERROR);
	assert_int_equal(report(REPORT_PLAIN, 2, NULL), EXIT_ERROR);
	assert_int_equal(report(REPORT_JSON, 2, NULL), EXIT_ERROR);
}

static void test_error_outweighs(void **state)
{
	struct verdict error = verdict_error("no idea");

	(void)state;
	assert_int_equal(report(REPORT_JSON, 2, &error), EXIT_ERROR);
	assert_string_equal(outcome_name(OUTCOME_ERROR), "error");
}

static void test_lost_output_is_an_error(void **state)
{
	char *argv[] = { "program", NULL };
	struct verdict passed = verdict_pass("fine");
	FILE *full = fopen("/dev/full", "w");
	struct report r;

	(void)state;
	assert_non_null(full);
	report_begin(&r, REPORT_JSON, full, "program", argv, 1);
	report_verdict(&r, "first", &passed);
	assert_int_equal(report_end(&r), EXIT_ERROR);
	fclose(full);
}

static int free_text(void **state)
{
	(void)state;
	free(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ktap),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_missing_verdicts_are_an_error_in_every_form),
		cmocka_unit_test(test_error_outweighs),
		cmocka_unit_test(test_lost_output_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, free_text);
}

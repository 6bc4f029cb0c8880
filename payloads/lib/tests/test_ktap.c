/* What a reader of KTAP gets, and that no program can end well without verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exits.h"
#include "ktap.h"

struct output {
	char *text;
	size_t size;
	struct ktap ktap;
};

static void begin(struct output *o, bool plain, int planned)
{
	ktap_begin(&o->ktap, open_memstream(&o->text, &o->size), plain, planned);
}

static void expect(struct output *o, int status, const char *text)
{
	assert_int_equal(ktap_end(&o->ktap), status);
	fclose(o->ktap.out);
	assert_string_equal(o->text, text);
	free(o->text);
}

static void test_every_verdict_has_its_line(void **state)
{
	struct output o;

	(void)state;
	begin(&o, false, 4);
	ktap_pass(&o.ktap, "a", NULL);
	ktap_fail(&o.ktap, "b", "got %d", 3);
	ktap_skip(&o.ktap, "c", "no device");
	ktap_error(&o.ktap, "d", "no memory");
	expect(&o, EXIT_ERROR,
	       "KTAP version 1\n1..4\nok 1 a\nnot ok 2 b # got 3\nok 3 c # SKIP no device\n"
	       "not ok 4 d # ERROR no memory\n"
	       "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:1\n");
}

static void test_sentences(void **state)
{
	struct output o;

	(void)state;
	begin(&o, true, 2);
	ktap_pass(&o.ktap, "a", "in %d ms", 2);
	ktap_note(&o.ktap, "one\ntwo");
	ktap_fail(&o.ktap, "b", "late");
	expect(&o, EXIT_FAIL, "a: passed: in 2 ms\none\ntwo\nb: FAILED: late\n"
	       "1 passed, 1 failed, 0 skipped, 0 errors\n");
}

static void test_notes_are_no_verdicts(void **state)
{
	struct output o;

	(void)state;
	begin(&o, false, 1);
	ktap_pass(&o.ktap, "a", NULL);
	ktap_note(&o.ktap, "one\ntwo");
	expect(&o, EXIT_PASS, "KTAP version 1\n1..1\nok 1 a\n# one\n# two\n"
	       "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\n");
}

/* "# skipped ..." behind "not ok" would be read as a skip: a false pass. */
static void test_reason_cannot_pass_for_a_directive(void **state)
{
	struct output o;

	(void)state;
	begin(&o, false, 1);
	ktap_fail(&o.ktap, "a # SKIP", "skipped bytes # TODO\nok 2");
	expect(&o, EXIT_FAIL, "KTAP version 1\n1..1\n"
	       "not ok 1 a _ SKIP # - skipped bytes _ TODO ok 2\n# Totals: pass:0 fail:1 xfail:0 xpass:0 skip:0 error:0\n");
}

static int end_of(int planned, int passed, int skipped)
{
	struct ktap k;
	FILE *out = fopen("/dev/null", "w");
	int status;

	ktap_begin(&k, out, false, planned);
	while (passed--)
		ktap_pass(&k, "a", NULL);
	while (skipped--)
		ktap_skip(&k, "b", "no device");
	status = ktap_end(&k);
	fclose(out);
	return status;
}

static void test_missing_verdicts_are_an_error(void **state)
{
	(void)state;
	assert_int_equal(end_of(0, 0, 0), EXIT_ERROR);
	assert_int_equal(end_of(2, 1, 0), EXIT_ERROR);
	assert_int_equal(end_of(2, 1, 1), EXIT_PASS);
	assert_int_equal(end_of(2, 3, 0), EXIT_ERROR);
	assert_int_equal(end_of(2, 0, 2), EXIT_SKIP);
}

static void test_full_disk_is_an_error(void **state)
{
	struct ktap k;
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	ktap_begin(&k, out, false, 1);
	ktap_pass(&k, "a", NULL);
	assert_int_equal(ktap_end(&k), EXIT_ERROR);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verdict_has_its_line),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_notes_are_no_verdicts),
		cmocka_unit_test(test_reason_cannot_pass_for_a_directive),
		cmocka_unit_test(test_missing_verdicts_are_an_error),
		cmocka_unit_test(test_full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("ktap", tests, NULL, NULL);
}

/* One valid object a line, whatever bytes and numbers come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "environment.h"
#include "json.h"

#define assert_line(expected, statements)                                                          \
	do {                                                                                       \
		char *text;                                                                        \
		size_t size;                                                                       \
		FILE *out = open_memstream(&text, &size);                                          \
		struct json j;                                                                     \
												   \
		json_begin_line(&j, out);                                                          \
		statements;                                                                        \
		json_end_line(&j);                                                                 \
		fclose(out);                                                                       \
		assert_string_equal(text, expected "\n");                                          \
		free(text);                                                                        \
	} while (0)

static void test_members_of_all_kinds(void **state)
{
	(void)state;
	assert_line("{}", );
	assert_line("{\"a\":\"b\",\"n\":null,\"i\":-9223372036854775808,"
		    "\"u\":18446744073709551615,\"t\":true,\"f\":false}",
		    json_string(&j, "a", "b"); json_string(&j, "n", NULL);
		    json_int(&j, "i", INT64_MIN); json_uint(&j, "u", UINT64_MAX);
		    json_bool(&j, "t", true); json_bool(&j, "f", false));
}

static void test_nesting_sets_commas(void **state)
{
	(void)state;
	assert_line("{\"a\":[1,{\"b\":[]},[2,3]],\"c\":4}",
		    json_begin_array(&j, "a"); json_int(&j, NULL, 1);
		    json_begin_object(&j, NULL); json_begin_array(&j, "b"); json_end_array(&j);
		    json_end_object(&j);
		    json_begin_array(&j, NULL); json_int(&j, NULL, 2); json_int(&j, NULL, 3);
		    json_end_array(&j); json_end_array(&j); json_int(&j, "c", 4));
}

static void test_doubles_read_back_or_are_null(void **state)
{
	(void)state;
	assert_line("{\"a\":0.1,\"b\":0.30000000000000004,\"c\":null,\"d\":null,\"e\":1e+300}",
		    json_double(&j, "a", 0.1); json_double(&j, "b", 0.1 + 0.2);
		    json_double(&j, "c", 0.0 / 0.0); json_double(&j, "d", 1.0 / 0.0);
		    json_double(&j, "e", 1e300));
}

static void test_any_bytes_are_valid(void **state)
{
	(void)state;
	assert_line("{\"a\":\"\\\"\\\\\\n\\t\\u0001\\u007f\"}",
		    json_string(&j, "a", "\"\\\n\t\001\177"));
	assert_line("{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}",
		    json_string(&j, "a", "\xc3\xa9\xf0\x9f\x98\x80"));
	/* Cut short, overlong, a surrogate, beyond U+10FFFF, a lone follower. */
	assert_line("{\"a\":\"\\ufffd\"}", json_string(&j, "a", "\xc3"));
	assert_line("{\"a\":\"\\ufffd\\ufffd\"}", json_string(&j, "a", "\xc0\x80"));
	assert_line("{\"a\":\"\\ufffd\\ufffd\\ufffd\"}", json_string(&j, "a", "\xed\xa0\x80"));
	assert_line("{\"a\":\"\\ufffdx\"}", json_string(&j, "a", "\xf5x"));
	assert_line("{\"a\":\"\\ufffd\\u0000b\"}", json_bytes(&j, "a", "\x80\0b", 3));
}

static void test_figure(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	json_figure(out, "rtt", 1.5, "us", "lower");
	fclose(out);
	assert_string_equal(text, "{\"type\":\"figure\",\"name\":\"rtt\",\"value\":1.5,"
			    "\"unit\":\"us\",\"better\":\"lower\"}\n");
	free(text);
}

static void test_environment_names_everything(void **state)
{
	static const char *const keys[] = {"program", "version", "command", "date", "host",
		"kernel", "machine", "cpu", "cpus", "hypervisor", "clocksource", "compiler"};
	char *argv[] = {"x", "--json", NULL};
	char *text, quoted[32];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	environment_write(out, "prog", argv);
	fclose(out);
	assert_memory_equal(text, "{\"type\":\"environment\",", 22);
	assert_non_null(strstr(text, "\"command\":[\"x\",\"--json\"],"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		snprintf(quoted, sizeof(quoted), "\"%s\":", keys[i]);
		assert_non_null(strstr(text, quoted));
	}
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_of_all_kinds),
		cmocka_unit_test(test_nesting_sets_commas),
		cmocka_unit_test(test_doubles_read_back_or_are_null),
		cmocka_unit_test(test_any_bytes_are_valid),
		cmocka_unit_test(test_figure),
		cmocka_unit_test(test_environment_names_everything),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

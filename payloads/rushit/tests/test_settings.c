/* Values of options that have a grammar of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pin.h"
#include "program.h"
#include "settings.h"

static void percentiles_take_any_separator(void **state)
{
	double p[4];

	(void)state;
	assert_int_equal(percentiles_parse("50,99.9:99.99 100", p, 4), 4);
	assert_float_equal(p[1], 99.9, 1e-9);
	assert_float_equal(p[3], 100, 1e-9);
	assert_int_equal(percentiles_parse("0", p, 4), 1);
}

static void bad_percentiles_are_refused(void **state)
{
	double p[4];

	(void)state;
	assert_int_equal(percentiles_parse("100.1", p, 4), -1);
	assert_int_equal(percentiles_parse("-5", p, 4), -1);
	assert_int_equal(percentiles_parse("1,2,3,4,5", p, 4), -1);
	assert_int_equal(percentiles_parse("", p, 4), 0);
	assert_int_equal(percentiles_parse("none", p, 4), 0);
	assert_int_equal(percentiles_parse(".", p, 4), -1);
	assert_int_equal(percentiles_parse("50,99,50.0", p, 4), -1);
}

static void rates_know_bits_and_bytes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} rates[] = {
		{"1000", 1000}, {"8b", 1}, {"7B", 7}, {"8kb", 1000}, {"8Kib", 1024}, {"2kB", 2000},
		{"2KiB", 2048}, {"8Mb", 1000000}, {"8Mib", 1048576}, {"1MB", 1000000},
		{"1 MiB", 1048576}, {"8Gb", 1000000000}, {"1GB", 1000000000}, {"1GiB", 1073741824},
		{"1.5kB", 1500}, {"0", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		int64_t bytes = -1;

		assert_null(rate_parse(rates[i].text, &bytes));
		assert_int_equal(bytes, rates[i].bytes);
	}
}

static void bad_rates_are_refused(void **state)
{
	int64_t bytes;

	(void)state;
	assert_non_null(rate_parse("", &bytes));
	assert_non_null(rate_parse("-1", &bytes));
	assert_non_null(rate_parse("5KB", &bytes));
	assert_non_null(rate_parse("5GiB", &bytes));
	assert_non_null(rate_parse("nan", &bytes));
	/* Rounded down it would be 0, no limit at all. */
	assert_non_null(rate_parse("7b", &bytes));
	assert_non_null(rate_parse("0.9", &bytes));
	assert_null(rate_parse("8b", &bytes));
	assert_null(rate_parse("0b", &bytes));
}

static void cpu_lists_are_read(void **state)
{
	cpu_set_t cpus;

	(void)state;
	assert_true(cpu_list_parse("0-3,8\n", &cpus));
	assert_int_equal(CPU_COUNT(&cpus), 5);
	assert_true(CPU_ISSET(8, &cpus));
	assert_false(cpu_list_parse("", &cpus));
	assert_false(cpu_list_parse("3-1", &cpus));
	assert_false(cpu_list_parse("0-99999999", &cpus));
	assert_false(cpu_list_parse("0x", &cpus));
}

static void every_name_is_found(void **state)
{
	(void)state;
	assert_int_equal(program_find("tcp_rr")->kind, KIND_RR);
	assert_int_equal(program_find("vsock_stream")->transport, TRANSPORT_VSOCK);
	assert_null(program_find("tcp"));
	assert_non_null(program_names());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_take_any_separator),
		cmocka_unit_test(bad_percentiles_are_refused),
		cmocka_unit_test(rates_know_bits_and_bytes),
		cmocka_unit_test(bad_rates_are_refused),
		cmocka_unit_test(cpu_lists_are_read),
		cmocka_unit_test(every_name_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

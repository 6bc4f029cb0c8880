/* Every kind of option, every way to write it, and what wrong command lines are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "exits.h"
#include "options.h"

static bool quick;
static bool loud;
static const char *mode;
static int64_t count;
static int64_t offset;
static int64_t size;
static double rate;

static const char *even(const char *value, void *into)
{
	*(int *)into = atoi(value);
	return *(int *)into % 2 ? "write an even number" : NULL;
}

static int own;
static const char *const modes[] = {"vsock", "unix", "inet", NULL};
static const struct option_spec table[] = {
	{.name = "quick", .letter = 'q', .help = "be quick", .flag = &quick},
	{.name = "loud", .letter = 'l', .help = "be loud", .flag = &loud},
	{.name = "mode", .letter = 'm', .argument = "MODE", .help = "how", .text = &mode,
	 .choices = modes},
	{.name = "count", .letter = 'n', .argument = "N", .help = "how many", .number = &count,
	 .low = 1, .high = 1000},
	{.name = "offset", .letter = 's', .argument = "TICKS", .help = "any", .number = &offset},
	{.name = "size", .argument = "BYTES", .help = "how large", .size = &size},
	{.name = "rate", .argument = "HZ", .help = "a second", .real = &rate, .low = 0.5,
	 .high = 10},
	{.name = "own", .argument = "N", .help = "even", .parse = even, .into = &own},
	{0},
};
static const struct program_spec program = {"prog", "[options] WORD", "Does it.", "The end.",
					    table};

static char *words[16];

static int parse(const char *line)
{
	static char copy[256];
	char *rest = copy;
	int argc = 0;

	snprintf(copy, sizeof(copy), "prog %s", line);
	while (rest)
		words[argc++] = strsep(&rest, " ");
	words[argc] = NULL;
	return options_parse(&program, argc, words);
}

/* Parse in a child; its exit status, and all that it printed in `said`. */
static int end_of(const char *line, char *said, size_t space)
{
	int pipe_ends[2], status;
	ssize_t n, used = 0;
	pid_t child;

	assert_int_equal(pipe(pipe_ends), 0);
	fflush(NULL);
	child = fork();
	if (!child) {
		dup2(pipe_ends[1], STDOUT_FILENO);
		dup2(pipe_ends[1], STDERR_FILENO);
		parse(line);
		_exit(0);
	}
	close(pipe_ends[1]);
	while ((n = read(pipe_ends[0], said + used, space - 1 - used)) > 0)
		used += n;
	said[used] = '\0';
	close(pipe_ends[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_every_kind_in_every_form(void **state)
{
	(void)state;
	parse("--quick --mode=unix --count 12 --size 3k --rate=2.5 --own 4");
	assert_true(quick);
	assert_string_equal(mode, "unix");
	assert_int_equal(count, 12);
	assert_int_equal(size, 3072);
	assert_true(rate == 2.5);
	assert_int_equal(own, 4);
	parse("-ql -n77 -m vsock --size=2G --count 0x10");
	assert_true(loud);
	assert_string_equal(mode, "vsock");
	assert_int_equal(size, 2ll << 30);
	assert_int_equal(count, 16);
}

static void test_negative_values_are_values(void **state)
{
	(void)state;
	parse("-s -1");
	assert_int_equal(offset, -1);
	parse("--offset -9223372036854775808");
	assert_true(offset == INT64_MIN);
	parse("--offset=-0x10");
	assert_int_equal(offset, -16);
}

static void test_words_go_to_the_end_in_order(void **state)
{
	int first;

	(void)state;
	first = parse("one -n 5 - two -q");
	assert_int_equal(first, 4);
	assert_string_equal(words[first], "one");
	assert_string_equal(words[first + 1], "-");
	assert_string_equal(words[first + 2], "two");
	assert_null(words[first + 3]);
	first = parse("a -- -n --what");
	assert_int_equal(first, 2);
	assert_string_equal(words[first], "a");
	assert_string_equal(words[first + 1], "-n");
	assert_string_equal(words[first + 2], "--what");
}

static void test_mistakes_are_told(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"--cuont 5", "prog: there is no option --cuont; write --count\n"},
		{"--mod=x", "prog: there is no option --mod=x; write --mode\n"},
		{"--zzzzzz", "prog: there is no option --zzzzzz; 'prog --help' lists them all\n"},
		{"-x", "prog: there is no option -x; 'prog --help' lists them all\n"},
		{"--mode vsok", "prog: --mode cannot be 'vsok'; write vsock\n"},
		{"--mode qqqqqqq",
		 "prog: --mode cannot be 'qqqqqqq'; write one of vsock, unix, inet\n"},
		{"--count 0", "prog: --count cannot be 0; write a number from 1 to 1000\n"},
		{"--count 5x", "prog: --count needs a whole number, not '5x'; write only digits\n"},
		{"--count=",
		 "prog: --count needs a whole number, not ''; write it in digits\n"},
		{"-s 9223372036854775808", "prog: --offset: 9223372036854775808 is too large; "
		 "write at most 9223372036854775807\n"},
		{"--count", "prog: --count needs a value; write --count=N\n"},
		{"-n", "prog: -n needs a value; write -n N\n"},
		{"--quick=1", "prog: --quick takes no value; write it without =1\n"},
		{"--size 5T", "prog: --size cannot be '5T'; write a number with K, M, G or "
		 "nothing behind it\n"},
		{"--size 9000000000G", "prog: --size: 9000000000G is too large; write less\n"},
		{"--size=-1", "prog: --size cannot be negative; write a size\n"},
		{"--rate nan", "prog: --rate cannot be nan; write a number from 0.5 to 10\n"},
		{"--own 3", "prog: --own 3: write an even number\n"},
	};
	char said[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = end_of(cases[i].line, said, sizeof(said));

		assert_string_equal(said, cases[i].said);
		assert_int_equal(status, EXIT_USAGE);
	}
}

static void test_help_and_version(void **state)
{
	char said[4096];

	(void)state;
	assert_int_equal(end_of("-q --help", said, sizeof(said)), EXIT_PASS);
	assert_non_null(strstr(said, "Usage: prog [options] WORD\n\nDoes it.\n\n"));
	assert_non_null(strstr(said, "  -m, --mode=MODE           how\n"));
	assert_non_null(strstr(said, "      --size=BYTES          how large\n"));
	assert_non_null(strstr(said, "\nThe end.\n"));
	assert_int_equal(end_of("--version", said, sizeof(said)), EXIT_PASS);
	assert_memory_equal(said, "prog ", 5);
}

static void test_nearest_name(void **state)
{
	(void)state;
	assert_string_equal(nearest_name("uxin", modes), "unix");
	assert_string_equal(nearest_name("v", modes), "vsock");
	assert_null(nearest_name("banana", modes));
	assert_null(nearest_name("", modes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_in_every_form),
		cmocka_unit_test(test_negative_values_are_values),
		cmocka_unit_test(test_words_go_to_the_end_in_order),
		cmocka_unit_test(test_mistakes_are_told),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_nearest_name),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

/* Output that gets lost, and standard files that are closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "exits.h"
#include "output.h"

/* What a program prints, how it ends, and where its standard output goes (NULL: it is closed). */
struct program {
	const char *output;
	size_t bytes;
	bool flushed;	/* before its end, and nothing after that */
	int status;
};

_Noreturn static void be(const struct program *p)
{
	if (!p->output)
		close(STDOUT_FILENO);
	else if (!freopen(p->output, "w", stdout))
		_exit(70);
	freopen("/dev/null", "w", stderr);
	output_begin("program");
	for (size_t i = 0; i < p->bytes; i++)
		putchar('x');
	if (p->flushed)
		fflush(stdout);
	exit(p->status);
}

static int end_of(const struct program *p)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child)
		be(p);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_lost_output_is_no_success(void **state)
{
	static const struct {
		struct program program;
		int end;
	} rows[] = {
		{{"/dev/null", 10, false, EXIT_PASS}, EXIT_PASS},
		{{"/dev/full", 0, false, EXIT_PASS}, EXIT_PASS},
		{{"/dev/full", 10, false, EXIT_PASS}, EXIT_ERROR},
		{{"/dev/full", 10, true, EXIT_PASS}, EXIT_ERROR},
		{{"/dev/full", 1 << 20, true, EXIT_PASS}, EXIT_ERROR},
		{{"/dev/full", 10, false, EXIT_SKIP}, EXIT_ERROR},
		{{"/dev/full", 10, false, EXIT_FAIL}, EXIT_FAIL},
		{{"/dev/full", 10, false, EXIT_USAGE}, EXIT_USAGE},
		{{NULL, 0, false, EXIT_PASS}, EXIT_PASS},
		{{NULL, 10, false, EXIT_PASS}, EXIT_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(end_of(&rows[i].program), rows[i].end);
}

static void test_a_closed_file_is_nobody_elses_number(void **state)
{
	int status;
	pid_t child;

	(void)state;
	fflush(NULL);
	child = fork();
	if (!child) {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		output_begin("program");
		_exit(dup(STDERR_FILENO) <= STDERR_FILENO || write(STDOUT_FILENO, "x", 1) == 1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_what_failed_before_the_close_counts(void **state)
{
	FILE *file = fopen("/dev/full", "w");

	(void)state;
	fputs("lost", file);
	fflush(file);
	assert_int_equal(output_close(file), -1);
	file = fopen("/dev/null", "w");
	fputs("kept", file);
	assert_int_equal(output_close(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_output_is_no_success),
		cmocka_unit_test(test_a_closed_file_is_nobody_elses_number),
		cmocka_unit_test(test_what_failed_before_the_close_counts),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}

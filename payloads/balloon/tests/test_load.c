/* Memory that is held, taken and given by a child. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "load.h"

static void begin(struct load *load)
{
	struct why why;

	if (load_begin(load, 8192, &why))
		fail_msg("%s", why.text);
}

static void test_held_pages_are_intact(void **state)
{
	struct load load;

	(void)state;
	begin(&load);
	assert_int_equal(load_end(&load), LOAD_GOOD);
}

static void test_churned_pages_are_intact(void **state)
{
	struct load load;

	(void)state;
	begin(&load);
	load_churn(&load);
	clock_sleep_until(clock_ns() + 50 * NS_PER_MS);
	assert_int_equal(load_end(&load), LOAD_GOOD);
}

static void test_killed_load(void **state)
{
	struct load load;

	(void)state;
	begin(&load);
	kill(load.child, SIGKILL);
	assert_int_equal(load_end(&load), LOAD_KILLED);
}

static void test_crashed_load(void **state)
{
	struct load load;

	(void)state;
	begin(&load);
	kill(load.child, SIGSTOP);
	kill(load.child, SIGABRT);
	kill(load.child, SIGCONT);
	assert_int_equal(load_end(&load), LOAD_CRASHED);
}

static void test_forgotten_load_lets_go(void **state)
{
	struct load load;
	struct why why;
	siginfo_t ended;

	(void)state;
	assert_int_equal(load_begin_for(&load, 8192, 10, &why), 0);
	alarm(100);	/* one that never lets go ends the test */
	assert_int_equal(waitid(P_PID, (id_t)load.child, &ended, WEXITED | WNOWAIT), 0);
	alarm(0);
	assert_int_equal(load_end(&load), LOAD_LET_GO);
}

static void test_too_much(void **state)
{
	struct load load;
	struct why why;

	(void)state;
	assert_int_equal(load_begin(&load, UINT64_MAX / 2048, &why), -1);
	assert_non_null(strstr(why.text, "cannot map"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_pages_are_intact),
		cmocka_unit_test(test_churned_pages_are_intact),
		cmocka_unit_test(test_killed_load),
		cmocka_unit_test(test_crashed_load),
		cmocka_unit_test(test_forgotten_load_lets_go),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A connection that hangs is shut down, one that moves is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "watchdog.h"

#define SHORT_MS 100
#define LONG_MS 2000	/* no machine is so busy that it stands still for so long */

static struct watchdog dog;
static struct why why;
static size_t progress;
static int ends[2];

static int begin(void **state)
{
	(void)state;
	progress = 0;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int end(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void test_what_hangs_is_ended(void **state)
{
	uint64_t start = clock_ns();
	char byte;

	(void)state;
	assert_int_equal(watchdog_start(&dog, ends[0], &progress, SHORT_MS, &why), 0);
	assert_int_equal(recv(ends[0], &byte, 1, 0), 0);
	assert_in_range(clock_ns() - start, SHORT_MS * NS_PER_MS, 60 * NS_PER_S);
	assert_true(watchdog_stop(&dog));
	watchdog_explain(&why);
	assert_string_equal(why.text, "nothing came, or only a part, within the time limit");
}

/* Longer than the limit in all, each step far shorter. */
static void test_what_moves_is_left_alone(void **state)
{
	uint64_t until = clock_ns() + (LONG_MS + LONG_MS / 2) * NS_PER_MS;
	char byte = 'a';

	(void)state;
	assert_int_equal(watchdog_start(&dog, ends[0], &progress, LONG_MS, &why), 0);
	while (clock_ns() < until) {
		__atomic_store_n(&progress, progress + 1, __ATOMIC_RELAXED);
		clock_sleep_until(clock_ns() + NS_PER_MS);
	}
	assert_false(watchdog_stop(&dog));
	assert_int_equal(send(ends[0], &byte, 1, MSG_NOSIGNAL), 1);
}

static void test_stop_does_not_wait(void **state)
{
	uint64_t start = clock_ns();

	(void)state;
	assert_int_equal(watchdog_start(&dog, ends[0], &progress, 3600000, &why), 0);
	assert_false(watchdog_stop(&dog));
	assert_true(clock_ns() - start < 60 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_hangs_is_ended, begin, end),
		cmocka_unit_test_setup_teardown(test_what_moves_is_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_does_not_wait, begin, end),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}

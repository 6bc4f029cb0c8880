/* Whole messages or a sentence that says how far it came, within the limit. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "blocking.h"

static struct why why;
static int ends[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) ||
	       blocking_begin(ends[0], 50, &why) || blocking_begin(ends[1], 50, &why);
}

static int close_pair(void **state)
{
	(void)state;
	close(ends[0]);
	return ends[1] >= 0 ? close(ends[1]) : 0;
}

static void test_whole_messages(void **state)
{
	char word[6];

	(void)state;
	assert_int_equal(blocking_write(ends[0], "hello", 6, &why), 0);
	assert_int_equal(blocking_read(ends[1], word, 6, &why), 6);
	assert_string_equal(word, "hello");
}

static void test_silence_ends_in_time(void **state)
{
	uint64_t begin = clock_ns();
	char word[6];

	(void)state;
	blocking_write(ends[0], "abc", 3, &why);
	assert_int_equal(blocking_read(ends[1], word, 6, &why), -1);
	assert_string_equal(why.text, "only 3 of 6 bytes came within the time limit");
	assert_in_range(clock_ns() - begin, 40 * NS_PER_MS, 60 * NS_PER_S);
}

static void *drip(void *stop)
{
	while (!atomic_load((atomic_bool *)stop)) {
		send(ends[0], "x", 1, MSG_NOSIGNAL);
		clock_sleep_until(clock_ns() + 5 * NS_PER_MS);
	}
	return NULL;
}

/* Each byte comes within the limit, and all of them never. */
static void test_drips_end_in_time(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;
	char words[1 << 12];

	(void)state;
	pthread_create(&thread, NULL, drip, &stop);
	assert_int_equal(blocking_read_until(ends[1], words, sizeof(words), deadline_in_ms(100),
					     &why), -1);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_non_null(strstr(why.text, "of 4096 bytes came within the time limit"));
}

static void test_peer_that_does_not_read(void **state)
{
	size_t size = 4 << 20;
	char *much = calloc(1, size);

	(void)state;
	assert_int_equal(blocking_write(ends[0], much, size, &why), -1);
	assert_non_null(strstr(why.text, "bytes within the time limit"));
	free(much);
}

static void test_close_between_and_within_messages(void **state)
{
	char word[6];

	(void)state;
	blocking_write(ends[1], "abcdefghi", 9, &why);
	close(ends[1]);
	ends[1] = -1;
	assert_int_equal(blocking_read(ends[0], word, 6, &why), 6);
	assert_int_equal(blocking_read(ends[0], word, 6, &why), -1);
	assert_string_equal(why.text, "the peer closed the connection after 3 of 6 bytes");
	assert_int_equal(blocking_read(ends[0], word, 6, &why), 0);
	assert_int_equal(blocking_write(ends[0], "x", 1, &why), -1);
	assert_non_null(strstr(why.text, "Broken pipe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_messages, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_silence_ends_in_time, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_drips_end_in_time, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_peer_that_does_not_read, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_close_between_and_within_messages, open_pair,
						close_pair),
	};

	return cmocka_run_group_tests_name("blocking", tests, NULL, NULL);
}

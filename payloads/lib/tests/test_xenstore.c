/* The xenstore client against a stand-in for xenstored behind a socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "xenstore.h"

struct header {
	uint32_t type, request, transaction, size;
};

static struct xenstore store;
static int server;

static int setup(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	store.fd = pair[0];
	server = pair[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xenstore_close(&store);
	close(server);
	return 0;
}

/* The answer may lie in the socket before the question is asked. */
static void answer(uint32_t type, const char *payload, uint32_t size)
{
	struct header header = { .type = type, .size = size };

	assert_int_equal(write(server, &header, sizeof(header)), sizeof(header));
	assert_int_equal(write(server, payload, size), size);
}

static void test_read(void **state)
{
	char value[16], asked[64];
	struct header header;

	(void)state;
	answer(2, "12", 2);
	assert_int_equal(xenstore_read(&store, "domid", value, sizeof(value)), 2);
	assert_string_equal(value, "12");
	assert_int_equal(read(server, &header, sizeof(header)), sizeof(header));
	assert_int_equal(header.type, 2);
	assert_int_equal(header.size, 6);
	assert_int_equal(read(server, asked, sizeof(asked)), 6);
	assert_string_equal(asked, "domid");
}

static void test_long_value_is_cut(void **state)
{
	char value[4];

	(void)state;
	answer(2, "123456", 6);
	assert_int_equal(xenstore_read(&store, "x", value, sizeof(value)), 3);
	assert_string_equal(value, "123");
}

static void test_write_sends_no_last_nul(void **state)
{
	char asked[64];

	(void)state;
	answer(11, "OK", 3);
	assert_int_equal(xenstore_write(&store, "a/b", "cd"), 0);
	assert_int_equal(read(server, asked, sizeof(asked)), sizeof(struct header) + 6);
	assert_memory_equal(asked + sizeof(struct header), "a/b\0cd", 6);
}

static void test_errors_of_xenstored(void **state)
{
	char value[16];

	(void)state;
	answer(16, "EACCES", 7);
	assert_int_equal(xenstore_write(&store, "a", "b"), -EACCES);
	answer(16, "ENOENT", 7);
	assert_int_equal(xenstore_read(&store, "a", value, sizeof(value)), -ENOENT);
	answer(16, "EWHATEVER", 10);
	assert_int_equal(xenstore_remove(&store, "a"), -EPROTO);
}

static void test_answers_that_cannot_be(void **state)
{
	struct header huge = { .type = 2, .size = 1u << 30 };
	char value[16];

	(void)state;
	answer(11, "OK", 3);
	assert_int_equal(xenstore_read(&store, "a", value, sizeof(value)), -EPROTO);
	assert_int_equal(write(server, &huge, sizeof(huge)), sizeof(huge));
	assert_int_equal(xenstore_read(&store, "a", value, sizeof(value)), -EPROTO);
}

static void test_question_that_is_too_long(void **state)
{
	static char value[5000];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_int_equal(xenstore_write(&store, "a", value), -E2BIG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_read), T(test_long_value_is_cut), T(test_write_sends_no_last_nul),
		T(test_errors_of_xenstored), T(test_answers_that_cannot_be),
		T(test_question_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

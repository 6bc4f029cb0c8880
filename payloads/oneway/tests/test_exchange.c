/* The messages, with peers that are well, slow, rude or gone. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exchange.h"

#define COUNT 50

static const struct stamp_clock monotonic = {false, {.hz = NS_PER_S}};
static struct exchange asked, served;
static struct exchange_plan plan;
static struct why why, server_why;
static int ends[2];

/* When the server gave each answer: the linker's --wrap brings its sends here. */
static uint64_t answered[COUNT];
static size_t answers;

ssize_t __real_send(int fd, const void *buffer, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	if (fd == ends[1] && answers < COUNT)
		answered[answers++] = clock_ns();
	return __real_send(fd, buffer, size, flags);
}

static int begin(void **state)
{
	(void)state;
	plan = (struct exchange_plan){&monotonic, COUNT, 8, 0, 100000};
	answers = 0;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || exchange_new(&asked, COUNT, &why) ||
	       exchange_new(&served, COUNT, &why);
}

static int end(void **state)
{
	(void)state;
	exchange_free(&asked);
	exchange_free(&served);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void *serve(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)exchange_serve(ends[1], &plan, &served, &server_why);
}

static void assert_both_go_well(void)
{
	pthread_t server;
	void *status;

	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	assert_int_equal(exchange_ask(ends[0], &plan, &asked, &why), 0);
	pthread_join(server, &status);
	assert_null(status);
	assert_int_equal(asked.done, COUNT);
	assert_int_equal(served.done, COUNT);
}

static void test_closed_loop_is_in_order(void **state)
{
	(void)state;
	assert_both_go_well();
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(served.sent[i] == asked.sent[i]);
		assert_true(asked.sent[i] <= served.received[i]);
		assert_true(served.received[i] <= asked.received[i]);
		assert_true(i == 0 || asked.received[i - 1] <= asked.sent[i]);
	}
}

/* The answer is no part of the way here: the ancestor took its stamp after it. */
static void test_stamp_is_taken_before_the_answer(void **state)
{
	(void)state;
	assert_both_go_well();
	assert_int_equal(answers, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(served.received[i] <= answered[i]);
}

static void test_open_loop_keeps_its_schedule(void **state)
{
	(void)state;
	plan.rate = 5000;
	plan.size = 16;
	assert_both_go_well();
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(served.intended[i] == asked.intended[i]);
		assert_true(asked.intended[i] - asked.intended[0] == i * 200000);
		assert_true(asked.sent[i] >= asked.intended[i]);
	}
}

/* A server that stalls once: everything that was due meanwhile is late by its intended moment. */
static void *stall_once(void *unused)
{
	uint64_t message[2];

	(void)unused;
	for (size_t i = 0; i < COUNT; i++) {
		if (recv(ends[1], message, 16, MSG_WAITALL) != 16)
			break;
		if (i == 10)
			usleep(30000);
		if (send(ends[1], "s", 1, 0) != 1)
			break;
	}
	return NULL;
}

static void test_open_loop_does_not_omit_what_a_stall_delayed(void **state)
{
	pthread_t server;
	size_t late = 0;

	(void)state;
	plan.rate = 1000;
	plan.size = 16;
	pthread_create(&server, NULL, stall_once, NULL);
	assert_int_equal(exchange_ask(ends[0], &plan, &asked, &why), 0);
	pthread_join(server, NULL);
	for (size_t i = 0; i < COUNT; i++)
		late += asked.received[i] - asked.intended[i] > 5 * NS_PER_MS;
	assert_in_range(late, 20, COUNT);
}

static void *answer_rubbish(void *unused)
{
	(void)unused;
	send(ends[1], "?", 1, 0);
	return NULL;
}

static void test_rubbish_is_told(void **state)
{
	(void)state;
	answer_rubbish(NULL);
	assert_int_equal(exchange_ask(ends[0], &plan, &asked, &why), -1);
	assert_non_null(strstr(why.text, "answered with the byte 63"));
	assert_int_equal(asked.done, 0);
}

/* What hangs is ended by shutting the connection down: each of these needs a new one. */
static void renew(void)
{
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void test_silence_ends_in_time(void **state)
{
	static const char little[3];
	uint64_t start = clock_ns();

	(void)state;
	plan.limit_ms = 200;
	assert_int_equal(exchange_ask(ends[0], &plan, &asked, &why), -1);
	assert_non_null(strstr(why.text, "within the time limit"));
	renew();
	assert_int_equal(exchange_serve(ends[0], &plan, &served, &why), -1);
	assert_non_null(strstr(why.text, "within the time limit"));
	renew();
	assert_int_equal(write(ends[1], little, sizeof(little)), sizeof(little));
	assert_int_equal(exchange_serve(ends[0], &plan, &served, &why), -1);
	assert_non_null(strstr(why.text, "within the time limit"));
	renew();
	plan.rate = 10000;
	plan.size = 16;
	assert_int_equal(exchange_ask(ends[0], &plan, &asked, &why), -1);
	assert_string_equal(why.text, "no answer to message 1 within the time limit");
	assert_true(clock_ns() - start < 60 * NS_PER_S);
}

static void test_peer_that_leaves_is_no_good_end(void **state)
{
	(void)state;
	shutdown(ends[1], SHUT_RDWR);
	assert_int_equal(exchange_serve(ends[0], &plan, &served, &why), -1);
	assert_string_equal(why.text, "the peer closed the connection");
	assert_int_equal(served.done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closed_loop_is_in_order, begin, end),
		cmocka_unit_test_setup_teardown(test_stamp_is_taken_before_the_answer, begin, end),
		cmocka_unit_test_setup_teardown(test_open_loop_keeps_its_schedule, begin, end),
		cmocka_unit_test_setup_teardown(test_open_loop_does_not_omit_what_a_stall_delayed,
						begin, end),
		cmocka_unit_test_setup_teardown(test_rubbish_is_told, begin, end),
		cmocka_unit_test_setup_teardown(test_silence_ends_in_time, begin, end),
		cmocka_unit_test_setup_teardown(test_peer_that_leaves_is_no_good_end, begin, end),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}

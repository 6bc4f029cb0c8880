/* Messages arrive as they were sent; what strangers and other versions send is told apart. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

static int ends[2];

static int connect_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
}

static int close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int receive(struct wire_message *m, struct why *why)
{
	return wire_receive(ends[1], m, deadline_in_ms(200), why);
}

static void setup_arrives_as_sent(void **state)
{
	struct setup sent = { "cow", 0x12345678, 1, "192.168.19.2", 6100, 7, 8, 9 }, got;
	struct wire_message m;
	struct why why;

	(void)state;
	assert_int_equal(wire_send_setup(ends[0], &sent, deadline_in_ms(200), &why), 0);
	assert_int_equal(receive(&m, &why), 0);
	assert_true(wire_setup(&m, &got));
	assert_memory_equal(&sent, &got, sizeof(sent));
}

/* Fixed bytes: what one build sends, every other must understand. */
static void numbers_travel_in_network_order(void **state)
{
	static const uint8_t expected[] = { 'V', 'b', 'C', 'H', 0, 0, 0, 1, 0, 0, 0, 1,
					    0,	 0,   0,   4,	1, 2, 3, 4 };
	uint8_t bytes[sizeof(expected)];
	struct why why;

	(void)state;
	wire_send_number(ends[0], WIRE_HELLO, 0x01020304, deadline_in_ms(200), &why);
	assert_int_equal(read(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_memory_equal(bytes, expected, sizeof(bytes));
}

static void refuse(const uint32_t header[4], const char *words)
{
	struct wire_message m;
	uint32_t bytes[4];
	struct why why;

	for (int i = 0; i < 4; i++)
		bytes[i] = htonl(header[i]);
	assert_int_equal(write(ends[0], bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(receive(&m, &why), -1);
	assert_non_null(strstr(why.text, words));
}

static void strangers_are_told_apart(void **state)
{
	(void)state;
	refuse((const uint32_t[4]){ 0x47455420, 0x2f204854, 0x54502f31, 0x2e310d0a },
	       "does not speak");
	refuse((const uint32_t[4]){ WIRE_MAGIC, 2, WIRE_HELLO, 4 }, "version 2");
	refuse((const uint32_t[4]){ WIRE_MAGIC, WIRE_VERSION, WIRE_HELLO, 0xffffffff },
	       "more than any has");
}

static void half_a_message_is_an_error(void **state)
{
	struct wire_message m;
	struct why why;

	(void)state;
	assert_int_equal(write(ends[0], "VbCH", 4), 4);
	assert_int_equal(receive(&m, &why), -1);
	shutdown(ends[0], SHUT_WR);
	assert_int_equal(receive(&m, &why), -1);
}

static void bodies_of_another_size_are_refused(void **state)
{
	struct wire_message m = { .type = WIRE_SETUP, .size = 3 };
	struct setup setup;
	uint32_t number;

	(void)state;
	assert_false(wire_setup(&m, &setup));
	assert_false(wire_number(&m, &number));
	m.size = 152;
	memset(m.body, 'x', sizeof(m.body));
	assert_false(wire_setup(&m, &setup));
}

static void each_part_of_a_hello_is_one(void **state)
{
	uint8_t hello[WIRE_HELLO_SIZE] = { 'V', 'b', 'C', 'H', 0, 0, 0, WIRE_VERSION,
					   0, 0, 0, WIRE_HELLO, 0, 0, 0, 4 };

	(void)state;
	for (size_t n = 0; n < sizeof(hello); n++)
		assert_true(wire_is_part_of_hello(hello, n));
	assert_false(wire_is_part_of_hello(hello, sizeof(hello)));
	/* Another version is told so when its header is there. */
	hello[7]++;
	assert_true(wire_is_part_of_hello(hello, 15));
	assert_false(wire_is_part_of_hello(hello, 16));
	assert_false(wire_is_part_of_hello((const uint8_t *)"GET ", 1));
	assert_false(wire_is_part_of_hello((const uint8_t *)"VbCh", 4));
}

static void text_is_one_harmless_line(void **state)
{
	struct wire_message m = { .size = 12 };

	(void)state;
	memcpy(m.body, "a\nb\033[2Jc\0d\377", 12);
	assert_string_equal(wire_text(&m), "a?b?[2Jc?d??");
}

int main(void)
{
	const struct CMUnitTest wires[] = {
		cmocka_unit_test_setup_teardown(setup_arrives_as_sent, connect_ends, close_ends),
		cmocka_unit_test_setup_teardown(numbers_travel_in_network_order, connect_ends,
						close_ends),
		cmocka_unit_test_setup_teardown(strangers_are_told_apart, connect_ends, close_ends),
		cmocka_unit_test_setup_teardown(half_a_message_is_an_error, connect_ends,
						close_ends),
		cmocka_unit_test(bodies_of_another_size_are_refused),
		cmocka_unit_test(each_part_of_a_hello_is_one),
		cmocka_unit_test(text_is_one_harmless_line),
	};

	return cmocka_run_group_tests(wires, NULL, NULL);
}

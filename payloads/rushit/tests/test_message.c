/* What comes in on the control port is used only when it is sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "message.h"

#define MAGIC 42
#define VERSION_AT 32
#define TYPE_AT 40
#define FLOWS_AT 56
#define TEXT_AT 112

static struct message example(void)
{
	struct message m = {
		.type = MESSAGE_STOP,
		.magic = MAGIC,
		.kind = 1,
		.socket_type = 2,
		.threads = 3,
		.flows = 1000000,
		.request_size = 5,
		.response_size = 6,
		.run_seconds = 7,
		.tally = {1ull << 40, 2ull << 40, 3ull << 40, 4ull << 40, 5ull << 40},
		.text = "a reason",
	};

	return m;
}

static void comes_back_as_it_was(void **state)
{
	struct message m = example(), back;
	uint8_t bytes[MESSAGE_SIZE];

	(void)state;
	message_encode(&m, bytes);
	assert_int_equal(message_decode(&back, bytes, sizeof(bytes), MAGIC), MESSAGE_SOUND);
	assert_memory_equal(&back.tally, &m.tally, sizeof(m.tally));
	assert_int_equal(back.type, m.type);
	assert_int_equal(back.flows, m.flows);
	assert_int_equal(back.run_seconds, m.run_seconds);
	assert_string_equal(back.text, m.text);
}

static void numbers_are_in_network_order(void **state)
{
	struct message m = example();
	uint8_t bytes[MESSAGE_SIZE];

	(void)state;
	message_encode(&m, bytes);
	assert_memory_equal(bytes + TYPE_AT, "\0\0\0\5", 4);
}

/* Changes one byte of a sound message; what the decoder says of it. */
static enum message_problem with_byte(size_t at, uint8_t value)
{
	struct message m = example(), back;
	uint8_t bytes[MESSAGE_SIZE];

	message_encode(&m, bytes);
	bytes[at] = value;
	return message_decode(&back, bytes, sizeof(bytes), MAGIC);
}

static void wrong_ones_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(with_byte(0, 'x'), MESSAGE_WRONG_SECRET);
	assert_int_equal(with_byte(31, 1), MESSAGE_WRONG_SECRET);
	assert_int_equal(with_byte(VERSION_AT, 9), MESSAGE_WRONG_VERSION);
	assert_int_equal(with_byte(VERSION_AT + 4, 9), MESSAGE_WRONG_MAGIC);
	assert_int_equal(with_byte(TYPE_AT + 3, 0), MESSAGE_MALFORMED);
	assert_int_equal(with_byte(TYPE_AT + 3, 7), MESSAGE_MALFORMED);
	assert_int_equal(with_byte(FLOWS_AT, 0xff), MESSAGE_MALFORMED);
	assert_int_equal(with_byte(TEXT_AT, 27), MESSAGE_MALFORMED);
}

static void text_without_end_is_refused(void **state)
{
	struct message m = example(), back;
	uint8_t bytes[MESSAGE_SIZE];

	(void)state;
	message_encode(&m, bytes);
	memset(bytes + TEXT_AT, 'a', MESSAGE_TEXT);
	assert_int_equal(message_decode(&back, bytes, sizeof(bytes), MAGIC), MESSAGE_MALFORMED);
}

/* Each prefix lies in memory of just its size: the sanitizer sees one byte too many. */
static void no_prefix_is_taken_for_a_message(void **state)
{
	struct message m = example(), back;
	uint8_t bytes[MESSAGE_SIZE];

	(void)state;
	message_encode(&m, bytes);
	for (size_t size = 0; size < MESSAGE_SIZE; size++) {
		uint8_t *prefix = malloc(size ? size : 1);

		memcpy(prefix, bytes, size);
		assert_int_not_equal(message_decode(&back, prefix, size, MAGIC), MESSAGE_SOUND);
		free(prefix);
	}
}

static void a_later_version_of_another_size_is_named(void **state)
{
	struct message m = example(), back;
	uint8_t bytes[MESSAGE_SIZE];

	(void)state;
	message_encode(&m, bytes);
	bytes[VERSION_AT + 3] = 2;
	assert_int_equal(message_decode(&back, bytes, 100, MAGIC), MESSAGE_WRONG_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(numbers_are_in_network_order),
		cmocka_unit_test(wrong_ones_are_told_apart),
		cmocka_unit_test(text_without_end_is_refused),
		cmocka_unit_test(no_prefix_is_taken_for_a_message),
		cmocka_unit_test(a_later_version_of_another_size_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

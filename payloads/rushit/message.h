/*
 * What the two ends say to each other on the control port: messages of one size, every
 * number in network order.  The order of a run:
 *
 *   client                          server
 *   HELLO  who and what        ->   (waits for all clients)
 *                              <-   WELCOME  threads of the server; it listens for data
 *                              <-   or REFUSED  and why
 *   (connects all flows)
 *   START  measuring begins    ->
 *   STOP   and its result      ->
 *                              <-   RESULT  and its result
 *
 * Nothing that comes in is used before message_decode() has found it sound.
 */
#ifndef RUSHIT_MESSAGE_H
#define RUSHIT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_VERSION 1
#define MESSAGE_SIZE 256
#define MESSAGE_TEXT 120
#define MESSAGE_INTERRUPTED "interrupted"

enum message_type {
	MESSAGE_HELLO = 1,
	MESSAGE_WELCOME,
	MESSAGE_REFUSED,
	MESSAGE_START,
	MESSAGE_STOP,
	MESSAGE_RESULT,
};

/* What one end counted while it measured. */
struct tally {
	uint64_t elapsed_ns;
	uint64_t transactions;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t cpu_ns;
};

struct message {
	enum message_type type;
	uint32_t magic;
	uint32_t kind;
	uint32_t socket_type;
	uint32_t threads;
	uint32_t flows;
	uint32_t request_size;
	uint32_t response_size;
	uint32_t run_seconds;		/* warm-up and test, at most */
	struct tally tally;
	char text[MESSAGE_TEXT];	/* REFUSED: why; STOP: before its time; printable */
};

enum message_problem {
	MESSAGE_SOUND,
	MESSAGE_WRONG_SECRET,		/* whoever wrote it does not speak this protocol */
	MESSAGE_WRONG_VERSION,
	MESSAGE_WRONG_MAGIC,
	MESSAGE_MALFORMED,
};

void message_encode(const struct message *m, uint8_t bytes[MESSAGE_SIZE]);

/* `size` bytes as they came; what is not sound leaves *m undefined. */
enum message_problem message_decode(struct message *m, const uint8_t *bytes, size_t size,
				    uint32_t magic);

/* Whether the first `size` bytes show already that it will not be sound, however much follows. */
bool message_is_strange(const uint8_t *bytes, size_t size);

/* As a sentence: "speaks another version of the protocol". */
const char *message_problem_text(enum message_problem problem);

#endif

/*
 * What comes in on the control port: bytes in pieces, of which the first byte tells the
 * size.  Each message is sound or the peer is refused with a reason; a sound one says the
 * same when it is sent on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

#define MAGIC 42

static void check_sound(const struct message *m)
{
	uint8_t bytes[MESSAGE_SIZE];
	struct message again;

	if (m->magic != MAGIC || !memchr(m->text, '\0', sizeof(m->text)))
		abort();
	message_encode(m, bytes);
	if (message_decode(&again, bytes, sizeof(bytes), MAGIC) != MESSAGE_SOUND ||
	    again.type != m->type || again.flows != m->flows || strcmp(again.text, m->text) ||
	    again.tally.bytes_read != m->tally.bytes_read)
		abort();
}

/* 0: the peer is still there. */
static int receive(struct control_peer *peer)
{
	struct message m;
	struct why why = { .text = "" };
	int status = control_receive(peer, &m, MAGIC, &why);

	if (status == 1)
		check_sound(&m);
	if (status == -1 && !why.text[0])
		abort();
	return status == -1;
}

/* Whole messages also without a socket in between. */
static void decode(const uint8_t *data, size_t size)
{
	struct message m;
	enum message_problem problem = message_decode(&m, data, size, MAGIC);

	if (problem == MESSAGE_SOUND)
		check_sound(&m);
	else if (!message_problem_text(problem)[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_peer peer = { .fd = -1 };
	size_t piece = size ? 1 + data[0] : 1;
	int ends[2], gone = 0;

	if (size == 0)
		return 0;
	decode(data + 1, size - 1);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		abort();
	peer.fd = ends[0];
	for (size_t at = 1; at < size && !gone; at += piece) {
		size_t left = size - at < piece ? size - at : piece;

		if (write(ends[1], data + at, left) != (ssize_t)left)
			abort();
		gone = receive(&peer);
	}
	close(ends[1]);
	for (int tries = 0; !gone; tries++) {
		gone = receive(&peer);
		if (tries > 100)
			abort();
	}
	close(ends[0]);
	return 0;
}

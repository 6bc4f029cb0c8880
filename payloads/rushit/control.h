/* The control connection: who takes part, when measuring begins and ends, and the results. */
#ifndef RUSHIT_CONTROL_H
#define RUSHIT_CONTROL_H

#include "endpoint.h"
#include "interrupt.h"
#include "message.h"

/* The other end, as seen here. */
struct control_peer {
	int fd;			/* -1: gone */
	uint8_t inbox[MESSAGE_SIZE];
	size_t received;
	deadline_t deadline;	/* for saying hello */
	struct message hello;
	bool started, stopped, interrupted;
	struct tally tally;
	uint64_t stopped_ns;
};

/* What comes off the wire next: 1 a sound message, 0 not whole yet, -1 the peer is gone or mad. */
int control_receive(struct control_peer *peer, struct message *m, uint32_t magic, struct why *why);

int control_send(struct control_peer *peer, const struct message *m, struct why *why);
void control_close(struct control_peer *peer);

/* Server: the listening socket, bound where --host says. */
int control_listen(const struct settings *s, struct endpoint *bound, struct why *why);

struct control_gathering {
	uint64_t invalid_secret_count;
};

/*
 * Server: wait until all --num-clients have said HELLO, for --patience seconds.  Whoever
 * says nothing within SILENCE_MS, or the wrong thing, is sent away and does not keep others
 * from coming in.  0, or -1; also -1 with an empty reason when interrupted.
 */
#define SILENCE_MS 5000
int control_gather(const struct settings *s, int listener, struct control_peer *clients,
		   struct control_gathering *seen, struct why *why);

/*
 * Client: connect, say HELLO, wait for WELCOME.  `server` is where it was found.
 * 0, -1 as above, or -2: this transport does not exist here.
 */
int control_join(const struct settings *s, struct control_peer *peer, struct endpoint *server,
		 struct message *welcome, struct why *why);

/* Wait for one message of `type`. */
int control_expect(struct control_peer *peer, enum message_type type, struct message *m,
		   uint32_t magic, deadline_t deadline, struct why *why);

#endif

/*
 * The messages: the client sends its stamp, the server answers with one byte 's'.
 * A message of 16 bytes or more carries the intended moment of sending behind the stamp.
 */
#ifndef ONEWAY_EXCHANGE_H
#define ONEWAY_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "stamp.h"
#include "transport.h"

#define SMALLEST_MESSAGE 8
#define SMALLEST_OPEN_MESSAGE 16
#define LARGEST_MESSAGE (1 << 20)

struct exchange_plan {
	const struct stamp_clock *clock;
	size_t count;
	size_t size;
	double rate;		/* messages a second, on schedule; 0: one after the other */
	uint64_t limit_ms;	/* for each message */
};

/* What was recorded; message i has sent[i] by the client's clock and received[i] by its receiver's. */
struct exchange {
	uint64_t *sent;
	uint64_t *intended;	/* 0 in a closed loop */
	uint64_t *received;	/* the message at the server, the answer at the client */
	size_t done;
	size_t migrations;	/* how often we ran on another CPU than at the message before */
};

/* Memory for `count` messages, touched, so that no page fault falls into the measurement. */
int exchange_new(struct exchange *e, size_t count, struct why *why);
void exchange_free(struct exchange *e);

/* Both: 0, or -1 with `why`; `done` messages are recorded in either case. */
int exchange_serve(int fd, const struct exchange_plan *plan, struct exchange *e, struct why *why);
int exchange_ask(int fd, const struct exchange_plan *plan, struct exchange *e, struct why *why);

#endif

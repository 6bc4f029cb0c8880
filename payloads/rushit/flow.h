/* One conversation: a connection, or a datagram socket, or a listener. */
#ifndef RUSHIT_FLOW_H
#define RUSHIT_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "endpoint.h"
#include "histogram.h"

struct worker;
struct flow;

/* Do what `events` (EPOLLIN, EPOLLOUT, ...) allow.  May close the flow as its last act. */
typedef void (*flow_ready_fn)(struct flow *flow, uint32_t events);

struct flow {
	struct worker *worker;
	flow_ready_fn ready;
	int fd;				/* -1: closed */
	uint32_t id;			/* counted through all threads */
	uint32_t slot;			/* in worker->flows */
	uint32_t events;		/* that it waits for */
	bool registered;		/* in the worker's epoll set */
	bool opened;			/* here, not accepted: hooks see its begin and end */
	bool busy;			/* a request is on its way */

	int64_t to_write, to_read;	/* left of this message */
	uint64_t start_ns;		/* of this transaction */
	uint64_t next_ns;		/* delay: not before; datagrams: when it was asked */
	uint64_t next_turn;		/* open loop */
	uint8_t sequence;		/* datagrams: which answer is due */

	/* Bulk data: see watermark.h. */
	uint64_t mark_ns, mark_bytes;
	bool mark_high;

	/* For samples only. */
	uint64_t transactions;
	uint64_t bytes_read, bytes_written;
	struct histogram *latency;	/* since the last sample; NULL without --all-samples */

	struct endpoint *address;	/* what HOOK_SOCKET saw; NULL on accepted connections */
};

/* What flow_receive() and flow_send() return when it is no number of bytes. */
#define FLOW_AGAIN (-1)		/* not now */
#define FLOW_ENDED (-2)		/* the flow is of no more use; close it */

/*
 * One read or write of at most `size` bytes (and at most the buffer), through the script's
 * hook when there is one.  A trouble that is no ordinary end has failed the worker.
 */
ssize_t flow_receive(struct flow *flow, size_t size);
ssize_t flow_send(struct flow *flow, size_t size, int flags);

/* EPOLLERR: empty the error queue, through the hook when there is one.  0 or FLOW_ENDED. */
int flow_error_queue(struct flow *flow);

/* What errno says about a failed call: FLOW_AGAIN, or FLOW_ENDED (and a failed worker). */
ssize_t flow_trouble(struct flow *flow, const char *call);

/* Wait for these events from now on. */
void flow_wait_for(struct flow *flow, uint32_t events);

/* Close its socket, after the script's hook; the flow stays. */
void flow_disconnect(struct flow *flow);

/* The same, and the flow is gone. */
void flow_close(struct flow *flow);

#endif

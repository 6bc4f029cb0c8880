/* One thread: its flows, its loop, what it counts. */
#ifndef RUSHIT_WORKER_H
#define RUSHIT_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "flow.h"
#include "run.h"

/* Written by the worker alone, read by the main thread at any time. */
struct counters {
	_Atomic uint64_t transactions;	/* or packets */
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t bytes_written;
	_Atomic uint64_t lost;		/* requests without an answer in time */
	_Atomic uint64_t send_errors;
	_Atomic uint64_t copied;	/* zerocopy sends that the kernel copied after all */
};

static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
	/* One writer: no locked instruction is needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

struct sampler;
struct schedule;

struct worker {
	struct run *run;
	const struct settings *settings;
	int index;
	pthread_t thread;

	int epoll_fd;
	struct flow **flows;
	uint32_t flow_count, flow_room;
	uint32_t first_id;		/* client: the id of its first flow */
	uint32_t flows_wanted;		/* client: how many it opens */
	struct flow *alone;		/* reads and writes of this one block: it is the only one */
	struct flow *listener;		/* server, connections */

	uint64_t activity;		/* grows with each read and write that moved data */
	struct schedule *schedule;	/* NULL: nothing is timed */

	char *buffer;
	int receive_flags, send_flags;
	bool answers;			/* datagram server: answers go to `peer` */
	struct sockaddr_storage peer;
	socklen_t peer_size;
	struct script_thread *script;
	bool hooked[HOOKS];

	struct histogram *latency;	/* of all flows while measuring; NULL: not measured */
	uint64_t unanswered;		/* of these, those that waited in vain */
	struct sampler *sampler;	/* NULL: no samples */
	struct counters counters;

	struct why problem;		/* set once, before workers_failed counts it */
	bool failed;
	bool script_failed;
};

/* The main thread makes them, and joins them. */
struct worker *worker_new(struct run *run, int index, struct why *why);
int worker_start(struct worker *w, struct why *why);
/* False: it did not end before `limit`. */
bool worker_join(struct worker *w, deadline_t limit);
void worker_free(struct worker *w);

/* Make a worker that sleeps in the kernel look at run->stopping and run->tick. */
void worker_kick(struct worker *w);

/* Say what went wrong and end the worker; the first reason counts. */
void worker_fail(struct worker *w, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* A transaction that began at `start_ns` is done now. */
void worker_transaction(struct worker *w, struct flow *flow, uint64_t start_ns, uint64_t now_ns);

static inline bool worker_stopping(const struct worker *w)
{
	return w->failed || atomic_load_explicit(&w->run->stopping, memory_order_relaxed);
}

/* Take a socket in; NULL and a failed worker when there is no room. */
struct flow *worker_add_flow(struct worker *w, int fd, uint32_t id, flow_ready_fn ready);
void worker_remove_flow(struct worker *w, struct flow *flow);

#endif

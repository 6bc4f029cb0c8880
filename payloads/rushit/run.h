/* What the threads of one run share.  The main thread writes, workers read, unless said. */
#ifndef RUSHIT_RUN_H
#define RUSHIT_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "endpoint.h"
#include "hooks.h"
#include "settings.h"

struct run {
	const struct settings *settings;
	struct script *script;		/* NULL: none */
	struct endpoint server;		/* data: where to connect, or to listen */
	int server_ports;		/* client: the flows take turns on so many ports of it */
	pthread_mutex_t gate;		/* with gate_moves: here workers sleep until ... */
	pthread_cond_t gate_moves;
	atomic_bool go;			/* all are connected: begin */
	atomic_bool closing;		/* both ends have stopped: close the sockets */
	atomic_bool measuring;		/* what happens now counts */
	_Atomic uint64_t measured_ns;	/* when the measuring was over; 0: it is not */
	atomic_bool stopping;
	atomic_uint tick;		/* samples are due when it changes */
	atomic_long flows_due;		/* server: connections that will come; -1: not known yet */
	atomic_long flows_open;		/* workers: connections so far */
	atomic_bool refused;		/* workers: a datagram came back, nobody listens there */
	atomic_int workers_ready;	/* workers */
	atomic_int workers_failed;	/* workers */
	atomic_int workers_ended;	/* workers */
};

/* True when each thread of the server has a port of its own: the n-th listens on port + n. */
bool run_spreads_ports(const struct settings *s);

#endif

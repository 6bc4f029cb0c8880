/*
 * Ends a connection on which nothing moves any more.  A time limit of the socket's own would be a
 * timer for each wait: on an idle virtual machine it costs a fifth of a round trip.
 */
#ifndef ONEWAY_WATCHDOG_H
#define ONEWAY_WATCHDOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

struct watchdog {
	int fd;
	const size_t *progress;
	uint64_t limit_ms;
	pthread_mutex_t lock;
	pthread_cond_t stopped;
	bool stop;
	bool bit;
	pthread_t thread;
};

/*
 * Shut `fd` down when `progress` stays as it is for `limit_ms` (or a quarter longer).  It is
 * written by __atomic_store_n().  0, or -1 with `why`; then it need not be stopped.
 */
int watchdog_start(struct watchdog *w, int fd, const size_t *progress, uint64_t limit_ms,
		   struct why *why);

/* Whether it has shut the connection down. */
bool watchdog_stop(struct watchdog *w);

#endif

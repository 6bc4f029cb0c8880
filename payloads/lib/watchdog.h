/*
 * Ends a connection on which nothing moves any more.  A time limit of the socket's own would be a
 * timer for each wait, and so a part of what is measured.
 */
#ifndef XENTEST_WATCHDOG_H
#define XENTEST_WATCHDOG_H

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

/* Whether it has shut the connection down; what failed then is explained by that. */
bool watchdog_stop(struct watchdog *w);
void watchdog_explain(struct why *why);

#endif

#include "watchdog.h"

#include <sys/socket.h>
#include <time.h>

#include "clock.h"

/* Wait until the moment, or until we are to stop: whether we are. */
static bool wait_until(struct watchdog *w, uint64_t moment_ns)
{
	const struct timespec t = {
		.tv_sec = (time_t)(moment_ns / NS_PER_S),
		.tv_nsec = (long)(moment_ns % NS_PER_S),
	};

	while (!w->stop && clock_ns() < moment_ns)
		pthread_cond_timedwait(&w->stopped, &w->lock, &t);
	return w->stop;
}

static void *watch(void *context)
{
	struct watchdog *w = context;
	uint64_t limit_ns = w->limit_ms * NS_PER_MS, moved_ns = clock_ns();
	size_t seen = 0;

	pthread_mutex_lock(&w->lock);
	while (!wait_until(w, clock_ns() + limit_ns / 4)) {
		size_t now = __atomic_load_n(w->progress, __ATOMIC_RELAXED);

		if (now != seen) {
			seen = now;
			moved_ns = clock_ns();
		} else if (clock_ns() - moved_ns >= limit_ns) {
			w->bit = true;
			shutdown(w->fd, SHUT_RDWR);
			break;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int watchdog_start(struct watchdog *w, int fd, const size_t *progress, uint64_t limit_ms,
		   struct why *why)
{
	pthread_condattr_t monotonic;
	int error;

	*w = (struct watchdog){.fd = fd, .progress = progress, .limit_ms = limit_ms};
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	error = pthread_create(&w->thread, NULL, watch, w);
	if (!error)
		return 0;
	why_errno(why, error, "no thread to watch over the time limit");
	return -1;
}

bool watchdog_stop(struct watchdog *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->stopped);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->stopped);
	pthread_mutex_destroy(&w->lock);
	return w->bit;
}

void watchdog_explain(struct why *why)
{
	why_set(why, "nothing came, or only a part, within the time limit");
}

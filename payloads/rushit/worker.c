#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint_socket.h"
#include "interrupt.h"
#include "pin.h"
#include "sampler.h"
#include "schedule.h"
#include "worker_loop.h"
#include "workload.h"

#define KICK SIGUSR1
#define LATENCY_HIGHEST (1000 * NS_PER_S)
#define LATENCY_DIGITS 3

static void on_kick(int number)
{
	(void)number;
}

void worker_kick(struct worker *w)
{
	pthread_kill(w->thread, KICK);
}

void worker_fail(struct worker *w, const char *text, ...)
{
	va_list words;

	if (w->failed)
		return;
	w->failed = true;
	/* What breaks while both ends tear down is no failure; a script's error always is. */
	if (atomic_load(&w->run->stopping) && !w->script_failed)
		return;
	va_start(words, text);
	vsnprintf(w->problem.text, sizeof(w->problem.text), text, words);
	va_end(words);
	atomic_fetch_add(&w->run->workers_failed, 1);
	interrupt_wake();
}

void worker_transaction(struct worker *w, struct flow *flow, uint64_t start_ns, uint64_t now_ns)
{
	bool measuring;

	count(&w->counters.transactions, 1);
	flow->transactions++;
	if (!start_ns)
		return;
	measuring = atomic_load_explicit(&w->run->measuring, memory_order_relaxed);
	if (measuring)
		histogram_record(w->latency, now_ns - start_ns);
	if (flow->latency && measuring)
		histogram_record(flow->latency, now_ns - start_ns);
}

static bool make_room(struct worker *w)
{
	uint32_t room = w->flow_room ? 2 * w->flow_room : 16;
	struct flow **flows;

	if (w->flow_count < w->flow_room)
		return true;
	flows = realloc(w->flows, room * sizeof(struct flow *));
	if (!flows)
		return false;
	w->flows = flows;
	w->flow_room = room;
	return true;
}

struct flow *worker_add_flow(struct worker *w, int fd, uint32_t id, flow_ready_fn ready)
{
	struct flow *flow = make_room(w) ? calloc(1, sizeof(*flow)) : NULL;

	if (!flow) {
		worker_fail(w, "no memory for a flow");
		return NULL;
	}
	flow->worker = w;
	flow->ready = ready;
	flow->fd = fd;
	flow->id = id;
	flow->slot = w->flow_count;
	w->flows[w->flow_count++] = flow;
	if (w->sampler && !sampler_adopt(w->sampler, flow))
		worker_fail(w, "no memory for a flow's samples");
	return flow;
}

void worker_remove_flow(struct worker *w, struct flow *flow)
{
	if (w->alone == flow)
		w->alone = NULL;
	if (w->listener == flow)
		w->listener = NULL;
	if (w->schedule)
		schedule_forget(w->schedule, flow);
	w->flows[flow->slot] = w->flows[--w->flow_count];
	w->flows[flow->slot]->slot = flow->slot;
	histogram_free(flow->latency);
	free(flow->address);
	free(flow);
}

/* All that a thread needs before its first socket. */
static void prepare(struct worker *w)
{
	const struct settings *s = w->settings;
	struct why why;

	if ((s->pin_cpu && pin_to_core(w->index, &why)) ||
	    (s->pin_numa && pin_to_node(w->index, &why))) {
		worker_fail(w, "%s", why.text);
		return;
	}
	if (s->delay)
		prctl(PR_SET_TIMERSLACK, 1);
	if (w->run->script) {
		w->script = script_thread(w->run->script, w->index);
		for (int hook = 0; hook < HOOKS; hook++)
			w->hooked[hook] = script_has(w->script, hook);
	}
	w->receive_flags = s->skip_rx_copy ? MSG_TRUNC : 0;
	w->send_flags = s->zerocopy ? MSG_ZEROCOPY : 0;
	w->answers = s->socket_type == SOCK_DGRAM && !s->client;
	/* Touched here, so that it lies on the node where it is used. */
	memset(w->buffer, 0, (size_t)s->buffer_size);
}

static void connect_flows(struct worker *w)
{
	const struct workload *workload = workload_of(w->settings);

	for (uint32_t i = 0; i < w->flows_wanted && !worker_stopping(w); i++)
		if (socket_connect(w, w->first_id + i, workload->ready))
			atomic_fetch_add(&w->run->flows_open, 1);
}

static void *thread_main(void *argument)
{
	struct worker *w = argument;

	prepare(w);
	if (!w->failed && w->settings->client)
		connect_flows(w);
	else if (!w->failed)
		worker_listen(w);
	atomic_fetch_add(&w->run->workers_ready, 1);
	interrupt_wake();
	if (w->settings->client)
		worker_wait_for(w, &w->run->go);
	if (!worker_stopping(w))
		worker_loop(w);
	atomic_fetch_add(&w->run->workers_ended, 1);
	interrupt_wake();
	worker_wait_for(w, &w->run->closing);
	while (w->flow_count)
		flow_close(w->flows[w->flow_count - 1]);
	return NULL;
}

struct worker *worker_new(struct run *run, int index, struct why *why)
{
	const struct settings *s = run->settings;
	struct worker *w = calloc(1, sizeof(*w));

	if (!w) {
		why_set(why, "no memory for thread %d", index);
		return NULL;
	}
	w->run = run;
	w->settings = s;
	w->index = index;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->buffer = malloc((size_t)s->buffer_size);
	w->latency = settings_has_latency(s) ? histogram_new(LATENCY_HIGHEST, LATENCY_DIGITS)
					     : NULL;
	why_set(why, "no memory or no open files for thread %d", index);
	if (s->all_samples)
		w->sampler = sampler_new(s, index, why);
	if (w->epoll_fd < 0 || !w->buffer || (settings_has_latency(s) && !w->latency) ||
	    (s->all_samples && !w->sampler)) {
		worker_free(w);
		return NULL;
	}
	return w;
}

int worker_start(struct worker *w, struct why *why)
{
	struct sigaction action = {.sa_handler = on_kick};
	int error;

	sigaction(KICK, &action, NULL);
	error = pthread_create(&w->thread, NULL, thread_main, w);
	if (error)
		why_errno(why, error, "cannot start thread %d", w->index);
	return error ? -1 : 0;
}

bool worker_join(struct worker *w, deadline_t limit)
{
	struct timespec moment = {(time_t)(limit / NS_PER_S), (long)(limit % NS_PER_S)};

	return !pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &moment);
}

void worker_free(struct worker *w)
{
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	schedule_free(w->schedule);
	sampler_free(w->sampler);
	histogram_free(w->latency);
	free(w->flows);
	free(w->buffer);
	free(w);
}

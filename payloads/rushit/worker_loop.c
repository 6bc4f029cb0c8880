#include "worker_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint_socket.h"
#include "looking.h"
#include "sampler.h"
#include "schedule.h"
#include "workload.h"

#define NONBLOCKING_WAIT_NS (10 * NS_PER_MS)
#define CHECK_NS (100 * NS_PER_MS)
#define LOOK_US 20
/* Without sleeping: so often between two looks at the clock. */
#define LOOKS 16

struct loop {
	struct worker *w;
	const struct workload *workload;
	struct epoll_event *events;
	uint64_t next_check_ns;
	struct looking looking;
	uint64_t activity_seen;
};

static void accept_flows(struct flow *listener, uint32_t events)
{
	struct worker *w = listener->worker;
	const struct workload *workload = workload_of(w->settings);

	(void)events;
	while (!worker_stopping(w)) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct flow *flow;
		long number;

		if (fd < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		if (fd < 0) {
			worker_fail(w, "cannot accept a connection: %s%s", strerror(errno),
				    errno == EMFILE ? "; raise the limit of open files "
				    "(ulimit -n)" : "");
			return;
		}
		/* No client was welcomed yet: whoever this is, it is not a flow. */
		if (atomic_load(&w->run->flows_due) < 0) {
			close(fd);
			continue;
		}
		number = atomic_fetch_add(&w->run->flows_open, 1);
		flow = worker_add_flow(w, fd, (uint32_t)number, workload->ready);
		if (!flow)
			return;
		socket_tune_accepted(w, fd);
		workload->begin(flow);
	}
}

void worker_listen(struct worker *w)
{
	const struct workload *workload = workload_of(w->settings);

	if (w->settings->socket_type == SOCK_DGRAM && socket_serve(w, workload->ready))
		atomic_fetch_add(&w->run->flows_open, 1);
	else if (w->settings->socket_type != SOCK_DGRAM)
		w->listener = socket_serve(w, accept_flows);
}

void worker_wait_for(struct worker *w, const atomic_bool *flag)
{
	struct run *run = w->run;

	pthread_mutex_lock(&run->gate);
	while (!atomic_load(flag) && !(flag == &run->go && atomic_load(&run->stopping)))
		pthread_cond_wait(&run->gate_moves, &run->gate);
	pthread_mutex_unlock(&run->gate);
}

/*
 * With one flow and no timer the thread can sleep in read or write itself: half the
 * system calls.  Not with packet hooks (a blocked one could not be interrupted), nor when
 * the error queue must be watched.
 */
static bool may_be_alone(const struct worker *w)
{
	const struct settings *s = w->settings;

	return w->flow_count == (w->listener ? 2 : 1) && !w->schedule && !s->nonblocking &&
	       !s->edge_trigger && !s->zerocopy && !(s->enable_read && s->enable_write) &&
	       !w->hooked[HOOK_SENDMSG] && !w->hooked[HOOK_RECVMSG] && !w->hooked[HOOK_RECVERR];
}

/* The kernel wakes a lonely flow now and then, whatever it waits for. */
static void limit_wait(int fd)
{
	struct timeval limit = {.tv_usec = CHECK_NS / NS_PER_US};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void become_alone(struct loop *l, struct flow *flow)
{
	struct worker *w = l->w;

	if (flow->registered)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, flow->fd, NULL);
	flow->registered = false;
	if (!l->looking.ns)
		fcntl(flow->fd, F_SETFL, O_RDWR);
	if (l->workload->check)
		limit_wait(flow->fd);
	w->alone = flow;
}

/* When all connections came, a lonely flow can be served so; its listener just stays. */
static void settle(struct loop *l)
{
	struct worker *w = l->w;
	struct run *run = w->run;
	long due = atomic_load_explicit(&run->flows_due, memory_order_relaxed);

	if (w->settings->kind == KIND_CRR && !w->settings->client)
		return;
	if (w->listener && (due < 0 || atomic_load_explicit(&run->flows_open,
							    memory_order_relaxed) < due))
		return;
	if (may_be_alone(w))
		become_alone(l, w->flows[0] == w->listener ? w->flows[1] : w->flows[0]);
}

/* True when the time for looking without sleeping is over. */
static bool tired(struct loop *l, uint64_t activity_before)
{
	if (l->w->activity == activity_before)
		return looking_tired(&l->looking, clock_ns());
	looking_found(&l->looking);
	return false;
}

/* A stream of datagrams wakes its receiver for each few, and it is the sender who loses the time. */
static struct looking looking_of(const struct settings *s)
{
	bool receives = s->kind == KIND_PACKETS && !s->client && s->transport == TRANSPORT_INET;
	int64_t us = s->busy_poll ? s->busy_poll : receives ? LOOK_US : 0;
	struct looking looking = {.ns = (uint64_t)us * NS_PER_US, .always = s->busy_poll};

	return looking;
}

static void check_flows(struct loop *l, uint64_t now_ns)
{
	if (!l->workload->check || now_ns < l->next_check_ns)
		return;
	l->next_check_ns = now_ns + CHECK_NS;
	for (uint32_t i = l->w->flow_count; i-- > 0;)
		l->workload->check(l->w->flows[i], now_ns);
}

static void step_alone(struct loop *l)
{
	struct worker *w = l->w;
	struct flow *flow = w->alone;
	uint64_t before = w->activity;
	int looks = looking_now(&l->looking) ? LOOKS : 1;

	do {
		flow->ready(flow, flow->events);
	} while (--looks > 0 && w->alone && w->activity == before);
	if (w->activity != before && !l->looking.ns)
		return;
	if (l->workload->check)
		check_flows(l, clock_ns());
	if (l->looking.ns && tired(l, before) && w->alone) {
		struct pollfd wait = {.fd = flow->fd, .events = (short)flow->events};

		poll(&wait, 1, CHECK_NS / NS_PER_MS);
	}
}

/* How long the kernel may let the thread sleep; < 0: until something happens. */
static int64_t wait_ns(struct loop *l)
{
	struct worker *w = l->w;
	int64_t longest = -1;

	if (l->workload->check)
		longest = CHECK_NS;
	if (w->settings->nonblocking)
		longest = NONBLOCKING_WAIT_NS;
	if (w->schedule) {
		uint64_t now = clock_ns();
		uint64_t next = schedule_run(w->schedule, now);
		int64_t left = next == UINT64_MAX ? -1 : next > now ? (int64_t)(next - now) : 0;

		if (left >= 0 && (longest < 0 || left < longest))
			longest = left;
	}
	return longest;
}

static int wait_events(struct loop *l, int64_t longest)
{
	struct worker *w = l->w;
	int most = (int)w->settings->maxevents;
	struct timespec limit = {longest / (int64_t)NS_PER_S, longest % (int64_t)NS_PER_S};
	int n;

	if (longest < 0)
		return epoll_wait(w->epoll_fd, l->events, most, -1);
	if (longest == 0)
		return epoll_wait(w->epoll_fd, l->events, most, 0);
	n = epoll_pwait2(w->epoll_fd, l->events, most, &limit, NULL);
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(w->epoll_fd, l->events, most,
			       (int)((longest + 999999) / (int64_t)NS_PER_MS));
	return n;
}

static void step_together(struct loop *l)
{
	struct worker *w = l->w;
	int64_t longest = wait_ns(l);
	uint64_t before = w->activity;
	int n;

	if (w->failed)
		return;
	if (l->looking.ns && longest && !tired(l, l->activity_seen))
		longest = 0;
	l->activity_seen = before;
	n = wait_events(l, longest);
	if (n < 0 && errno != EINTR)
		worker_fail(w, "epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n && !w->failed; i++) {
		struct flow *flow = l->events[i].data.ptr;

		flow->ready(flow, l->events[i].events);
	}
	if (l->workload->check)
		check_flows(l, clock_ns());
	settle(l);
}

/* Open loop: all workers' turns interleave; each begins its part of a period later. */
static void make_schedule(struct loop *l)
{
	struct worker *w = l->w;
	const struct settings *s = w->settings;

	if (s->rate > 0) {
		double share = s->rate * w->flow_count / (double)s->num_flows;
		double period = (double)NS_PER_S / share;
		double shift = period * w->index / (double)s->num_threads;

		w->schedule = schedule_open_loop(w, l->workload, clock_ns() + (uint64_t)shift,
						 period);
	} else if (s->delay > 0) {
		w->schedule = schedule_rests(w, (uint64_t)s->delay);
	} else {
		return;
	}
	if (!w->schedule)
		worker_fail(w, "no memory for a schedule");
}

static void begin_flows(struct loop *l)
{
	struct worker *w = l->w;

	if (w->listener) {
		flow_wait_for(w->listener, EPOLLIN);
		return;
	}
	settle(l);
	for (uint32_t i = w->flow_count; i-- > 0 && !w->failed;)
		l->workload->begin(w->flows[i]);
}

void worker_loop(struct worker *w)
{
	struct loop l = {
		.w = w,
		.workload = workload_of(w->settings),
		.looking = looking_of(w->settings),
	};

	l.events = malloc((size_t)w->settings->maxevents * sizeof(*l.events));
	if (!l.events) {
		worker_fail(w, "no memory for %lld events", (long long)w->settings->maxevents);
		return;
	}
	make_schedule(&l);
	begin_flows(&l);
	while (!worker_stopping(w)) {
		if (w->alone)
			step_alone(&l);
		else
			step_together(&l);
		if (w->sampler)
			sampler_look(w->sampler, w);
	}
	if (w->sampler)
		sampler_take(w->sampler, w);
	if (w->settings->rate > 0 && w->latency && !w->failed)
		w->unanswered = schedule_unanswered(w->schedule,
						    atomic_load(&w->run->measured_ns), w->latency);
	free(l.events);
}

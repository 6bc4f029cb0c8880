/* Bulk data over a connection, in one direction or both. */
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "schedule.h"
#include "watermark.h"
#include "worker.h"
#include "workload.h"

/* Reads or writes after one event, so that one flow does not starve the others. */
#define AT_ONCE 16
/* When a fast flow has been woken for a MiB. */
#define MOST_AT_ONCE 64

static uint32_t wanted(const struct settings *s)
{
	return (s->enable_read ? EPOLLIN : 0) | (s->enable_write ? EPOLLOUT : 0) |
	       (s->edge_trigger ? EPOLLET : 0);
}

static void begin(struct flow *flow)
{
	flow_wait_for(flow, wanted(flow->worker->settings));
}

/* A hook is called once an event, but edges are not told twice. */
static int rounds(const struct worker *w, enum hook hook)
{
	if (w->settings->edge_trigger)
		return INT32_MAX;
	return w->hooked[hook] ? 1 : AT_ONCE;
}

/*
 * Is another read in order, after one of `n` bytes?  A hook is called only when there is
 * something to read; `waiting` is what is known to be there, so that not each call asks.
 */
static bool more_waits(const struct flow *flow, size_t n, size_t size, size_t *waiting)
{
	const struct worker *w = flow->worker;
	int told;

	if (w->settings->edge_trigger)
		return true;
	if (n < size || !w->hooked[HOOK_RECVMSG])
		return n == size;
	*waiting -= *waiting < size ? *waiting : size;
	if (*waiting < size && !ioctl(flow->fd, FIONREAD, &told))
		*waiting = (size_t)told;
	return *waiting >= size;
}

/* False when the flow is of no more use. */
static bool drain(struct flow *flow)
{
	size_t size = (size_t)flow->worker->settings->buffer_size;
	int left = flow->mark_high ? MOST_AT_ONCE : rounds(flow->worker, HOOK_RECVMSG);
	size_t waiting = 0;

	for (; left > 0; left--) {
		ssize_t n = flow_receive(flow, size);

		if (n < 0)
			return n == FLOW_AGAIN;
		worker_transaction(flow->worker, flow, 0, 0);
		watermark_moved(flow, (size_t)n);
		if (worker_stopping(flow->worker) || !more_waits(flow, (size_t)n, size, &waiting))
			break;
	}
	return true;
}

static void rest(struct flow *flow)
{
	flow_wait_for(flow, wanted(flow->worker->settings) & ~(uint32_t)EPOLLOUT);
	schedule_done(flow->worker->schedule, flow, clock_ns());
}

static bool fill(struct flow *flow)
{
	struct worker *w = flow->worker;
	size_t size = (size_t)w->settings->buffer_size;

	for (int left = rounds(w, HOOK_SENDMSG); left > 0; left--) {
		ssize_t n = flow_send(flow, size, 0);

		if (n < 0)
			return n == FLOW_AGAIN;
		/* An end that reads counts its reads, as its throughput is what it reads. */
		if (!w->settings->enable_read)
			worker_transaction(w, flow, 0, 0);
		if (w->schedule) {
			rest(flow);
			break;
		}
		if (worker_stopping(w))
			break;
		if ((size_t)n < size && !w->settings->edge_trigger)
			break;
	}
	return true;
}

static void ready(struct flow *flow, uint32_t events)
{
	const struct settings *s = flow->worker->settings;
	bool useful = true;

	if (events & EPOLLERR)
		useful = !flow_error_queue(flow);
	if (useful && events & (EPOLLIN | EPOLLHUP) && (s->enable_read || events & EPOLLHUP))
		useful = drain(flow);
	if (useful && events & EPOLLOUT && s->enable_write) {
		/* The end of a rest: readiness is to be told again. */
		if (flow->worker->schedule)
			flow_wait_for(flow, wanted(s));
		useful = fill(flow);
	}
	if (!useful)
		flow_close(flow);
}

const struct workload stream_both = {.begin = begin, .ready = ready, .check = watermark_check};

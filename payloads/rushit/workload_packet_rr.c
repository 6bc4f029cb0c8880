/*
 * Requests and responses in datagrams.  The first byte tells which request an answer is
 * for: a second one, after the request was repeated, is not taken for the next one's.
 */
#include <sys/epoll.h>

#include "clock.h"
#include "schedule.h"
#include "worker.h"
#include "workload.h"

#define REPEAT_NS NS_PER_S

static void ask(struct flow *flow)
{
	struct worker *w = flow->worker;

	w->buffer[0] = (char)flow->sequence;
	flow->next_ns = clock_ns();
	/* What cannot be sent now is as good as lost on the way. */
	if (flow_send(flow, (size_t)w->settings->request_size, 0) == FLOW_ENDED)
		flow_close(flow);
}

static void launch(struct flow *flow, uint64_t due_ns)
{
	flow->busy = true;
	flow->start_ns = due_ns;
	flow->sequence++;
	ask(flow);
}

static void client_begin(struct flow *flow)
{
	flow_wait_for(flow, EPOLLIN);
	if (!flow->worker->schedule)
		launch(flow, clock_ns());
}

static bool is_answer(const struct flow *flow, ssize_t size)
{
	const struct worker *w = flow->worker;

	/* A hook may have read it to a place of its own. */
	return flow->busy && size == w->settings->response_size &&
	       (w->hooked[HOOK_RECVMSG] || (uint8_t)w->buffer[0] == flow->sequence);
}

static void client_ready(struct flow *flow, uint32_t events)
{
	struct worker *w = flow->worker;
	uint64_t now;
	ssize_t n;

	if (events & EPOLLERR && flow_error_queue(flow)) {
		flow_close(flow);
		return;
	}
	if (!(events & EPOLLIN))
		return;
	n = flow_receive(flow, (size_t)w->settings->buffer_size);
	if (n == FLOW_ENDED) {
		flow_close(flow);
		return;
	}
	if (!is_answer(flow, n))
		return;
	now = clock_ns();
	worker_transaction(w, flow, flow->start_ns, now);
	flow->busy = false;
	if (!w->schedule)
		launch(flow, now);
	else
		schedule_done(w->schedule, flow, now);
}

/* The same request once more: an answer to the first, however late, ends the transaction. */
static void client_check(struct flow *flow, uint64_t now_ns)
{
	if (!flow->busy || now_ns < flow->next_ns + REPEAT_NS)
		return;
	count(&flow->worker->counters.lost, 1);
	ask(flow);
}

static void server_begin(struct flow *flow)
{
	flow_wait_for(flow, EPOLLIN);
}

static void server_ready(struct flow *flow, uint32_t events)
{
	struct worker *w = flow->worker;
	const struct settings *s = w->settings;
	ssize_t n = FLOW_AGAIN;

	if (events & EPOLLERR && flow_error_queue(flow))
		n = FLOW_ENDED;
	else if (events & EPOLLIN)
		n = flow_receive(flow, (size_t)s->buffer_size);
	/* What is no request (of another size) is a stranger's: no answer. */
	if (n == s->request_size) {
		n = flow_send(flow, (size_t)s->response_size, 0);
		if (n >= 0)
			worker_transaction(w, flow, 0, 0);
	}
	if (n == FLOW_ENDED)
		flow_close(flow);
}

const struct workload packet_rr_client = {
	.begin = client_begin, .ready = client_ready, .launch = launch, .check = client_check,
};
const struct workload packet_rr_server = {.begin = server_begin, .ready = server_ready};

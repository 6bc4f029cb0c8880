/* Requests and responses over connections. */
#include <sys/epoll.h>

#include "clock.h"
#include "flow_message.h"
#include "schedule.h"
#include "worker.h"
#include "workload.h"

static void launch(struct flow *flow, uint64_t due_ns)
{
	const struct settings *s = flow->worker->settings;

	flow->busy = true;
	flow->start_ns = due_ns;
	flow->to_write = s->request_size;
	flow->to_read = s->response_size;
	message_push(flow);
}

static void client_begin(struct flow *flow)
{
	if (flow->worker->schedule)
		flow_wait_for(flow, EPOLLIN);
	else
		launch(flow, clock_ns());
}

static void client_ready(struct flow *flow, uint32_t events)
{
	struct worker *w = flow->worker;
	uint64_t now;

	if (!message_answered(flow, events))
		return;
	now = clock_ns();
	worker_transaction(w, flow, flow->start_ns, now);
	flow->busy = false;
	if (!w->schedule)
		launch(flow, now);
	else
		schedule_done(w->schedule, flow, now);
}

static void server_begin(struct flow *flow)
{
	flow->to_read = flow->worker->settings->request_size;
	flow_wait_for(flow, EPOLLIN);
}

static void server_ready(struct flow *flow, uint32_t events)
{
	const struct settings *s = flow->worker->settings;

	if (!message_heed_errors(flow, events))
		return;
	if (!flow->to_write) {
		if (!(events & (EPOLLIN | EPOLLHUP)) || !message_pull(flow))
			return;
		flow->to_write = s->response_size;
	}
	if (!message_push(flow))
		return;
	flow->to_read = s->request_size;
	worker_transaction(flow->worker, flow, 0, 0);
}

const struct workload rr_client = {.begin = client_begin, .ready = client_ready, .launch = launch};
const struct workload rr_server = {.begin = server_begin, .ready = server_ready};

/* A new connection for each request and response; the server's side is that of rr. */
#include <sys/epoll.h>

#include "clock.h"
#include "endpoint_socket.h"
#include "flow_message.h"
#include "schedule.h"
#include "worker.h"
#include "workload.h"

static void launch(struct flow *flow, uint64_t due_ns)
{
	flow->busy = true;
	flow->start_ns = due_ns;
	flow->to_write = flow->worker->settings->request_size;
	flow->to_read = flow->worker->settings->response_size;
	if (socket_reconnect(flow))
		flow_close(flow);
	else
		message_push(flow);
}

static void client_begin(struct flow *flow)
{
	/* The connection that was made to see that it can be: each transaction has its own. */
	flow_disconnect(flow);
	if (!flow->worker->schedule && !flow->worker->failed)
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
	flow_disconnect(flow);
	if (w->failed)
		return;
	if (!w->schedule)
		launch(flow, now);
	else
		schedule_done(w->schedule, flow, now);
}

const struct workload crr_client = {.begin = client_begin, .ready = client_ready, .launch = launch};

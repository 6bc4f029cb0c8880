#include "flow_message.h"

#include <sys/epoll.h>

#include "worker.h"

bool message_push(struct flow *flow)
{
	int64_t buffer = flow->worker->settings->buffer_size;

	while (flow->to_write > 0) {
		ssize_t n = flow_send(flow, (size_t)flow->to_write,
				      flow->to_write > buffer ? MSG_MORE : 0);

		if (n == FLOW_ENDED) {
			flow_close(flow);
			return false;
		}
		if (n == FLOW_AGAIN) {
			flow_wait_for(flow, EPOLLOUT);
			return false;
		}
		flow->to_write -= n;
	}
	flow_wait_for(flow, EPOLLIN);
	return true;
}

/* What is too much would be taken for the next message, which nobody has sent yet. */
static bool too_much(struct flow *flow, ssize_t n)
{
	struct worker *w = flow->worker;
	const struct settings *s = w->settings;

	if (n <= flow->to_read)
		return false;
	worker_fail(w, "flow %u: more came than a %s of %lld bytes; is the peer another program?",
		    flow->id, s->client ? "response" : "request",
		    (long long)(s->client ? s->response_size : s->request_size));
	return true;
}

bool message_pull(struct flow *flow)
{
	/* One byte more than is due, to see that there is none; a hook has no use for it. */
	bool hooked = flow->worker->hooked[HOOK_RECVMSG];
	ssize_t n = flow_receive(flow, (size_t)flow->to_read + !hooked);

	if (n == FLOW_ENDED || too_much(flow, n)) {
		flow_close(flow);
		return false;
	}
	if (n < 0)
		return false;
	flow->to_read -= n;
	return flow->to_read == 0;
}

bool message_answered(struct flow *flow, uint32_t events)
{
	if (!message_heed_errors(flow, events))
		return false;
	if (flow->to_write && !message_push(flow))
		return false;
	return events & (EPOLLIN | EPOLLHUP) && message_pull(flow);
}

bool message_heed_errors(struct flow *flow, uint32_t events)
{
	if (!(events & EPOLLERR) || !flow_error_queue(flow))
		return true;
	flow_close(flow);
	return false;
}

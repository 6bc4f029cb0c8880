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

bool message_pull(struct flow *flow)
{
	ssize_t n = flow_receive(flow, (size_t)flow->to_read);

	if (n == FLOW_ENDED)
		flow_close(flow);
	if (n < 0)
		return false;
	flow->to_read -= n;
	return flow->to_read == 0;
}

bool message_heed_errors(struct flow *flow, uint32_t events)
{
	if (!(events & EPOLLERR) || !flow_error_queue(flow))
		return true;
	flow_close(flow);
	return false;
}

/* Datagrams from the client to the server. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "schedule.h"
#include "worker.h"
#include "workload.h"

/* Datagrams handed to the kernel at once: many small ones, few large ones. */
#define MOST_AT_ONCE 32
#define BYTES_AT_ONCE (256 * 1024)

struct batch {
	struct mmsghdr headers[MOST_AT_ONCE];
	struct iovec part;
	unsigned int count;
};

/* All of them are over the worker's one buffer: what is in it does not matter. */
static void batch_set(struct batch *b, struct worker *w)
{
	int64_t size = w->settings->buffer_size;
	int64_t fit = BYTES_AT_ONCE / size;

	b->count = fit < 1 ? 1 : fit > MOST_AT_ONCE ? MOST_AT_ONCE : (unsigned int)fit;
	b->part.iov_base = w->buffer;
	b->part.iov_len = (size_t)size;
	memset(b->headers, 0, b->count * sizeof(b->headers[0]));
	for (unsigned int i = 0; i < b->count; i++) {
		b->headers[i].msg_hdr.msg_iov = &b->part;
		b->headers[i].msg_hdr.msg_iovlen = 1;
	}
}

/* The ancestor's samples call the bytes of both ends bytes_read. */
static void account(struct flow *flow, const struct batch *b, int done, _Atomic uint64_t *bytes)
{
	struct worker *w = flow->worker;
	uint64_t sum = 0;

	for (int i = 0; i < done; i++)
		sum += b->headers[i].msg_len;
	count(bytes, sum);
	count(&w->counters.transactions, (uint64_t)done);
	flow->transactions += (uint64_t)done;
	flow->bytes_read += sum;
	w->activity++;
}

/* FLOW_AGAIN, FLOW_ENDED, or 0 after some were moved. */
static ssize_t one_through_hook(struct flow *flow, bool sends)
{
	size_t size = (size_t)flow->worker->settings->buffer_size;
	ssize_t n = sends ? flow_send(flow, size, 0) : flow_receive(flow, size);

	if (n < 0)
		return n;
	worker_transaction(flow->worker, flow, 0, 0);
	return 0;
}

static ssize_t send_some(struct flow *flow)
{
	struct worker *w = flow->worker;
	struct batch b;
	int done;

	if (w->hooked[HOOK_SENDMSG])
		return one_through_hook(flow, true);
	batch_set(&b, w);
	done = sendmmsg(flow->fd, b.headers, b.count, 0);
	if (done < 0)
		return flow_trouble(flow, "write");
	account(flow, &b, done, &w->counters.bytes_written);
	/*
	 * sendmmsg swallows the error that stopped it, such as that nobody listens there.  After
	 * one datagram alone the next call gets it back.
	 */
	return (unsigned int)done < b.count ? one_through_hook(flow, true) : 0;
}

static ssize_t receive_some(struct flow *flow)
{
	struct worker *w = flow->worker;
	struct batch b;
	int done;

	if (w->hooked[HOOK_RECVMSG])
		return one_through_hook(flow, false);
	batch_set(&b, w);
	done = recvmmsg(flow->fd, b.headers, b.count, MSG_WAITFORONE, NULL);
	if (done < 0)
		return flow_trouble(flow, "read");
	account(flow, &b, done, &w->counters.bytes_read);
	return 0;
}

static uint32_t edge(const struct flow *flow)
{
	return flow->worker->settings->edge_trigger ? EPOLLET : 0;
}

static void client_begin(struct flow *flow)
{
	flow_wait_for(flow, flow->worker->schedule ? 0 : EPOLLOUT | edge(flow));
}

static void server_begin(struct flow *flow)
{
	flow_wait_for(flow, EPOLLIN | edge(flow));
}

/* Once, or with edges until there is no more. */
static void repeat(struct flow *flow, ssize_t (*move)(struct flow *flow))
{
	ssize_t status;

	do {
		status = move(flow);
	} while (!status && edge(flow) && !worker_stopping(flow->worker));
	if (status == FLOW_ENDED)
		flow_close(flow);
}

static void client_ready(struct flow *flow, uint32_t events)
{
	if (events & EPOLLERR && flow_error_queue(flow))
		flow_close(flow);
	else if (events & EPOLLOUT)
		repeat(flow, send_some);
}

static void server_ready(struct flow *flow, uint32_t events)
{
	if (events & EPOLLERR && flow_error_queue(flow))
		flow_close(flow);
	else if (events & EPOLLIN)
		repeat(flow, receive_some);
}

static void launch(struct flow *flow, uint64_t due_ns)
{
	(void)due_ns;
	if (one_through_hook(flow, true) == FLOW_ENDED)
		flow_close(flow);
}

const struct workload packets_client = {
	.begin = client_begin, .ready = client_ready, .launch = launch,
};
const struct workload packets_server = {.begin = server_begin, .ready = server_ready};

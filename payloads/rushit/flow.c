#include "flow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <linux/errqueue.h>

#include "worker.h"

#define CONTROL_SIZE 512

/* A hook's message: the worker's buffer, and room for control data when it receives. */
struct hook_message {
	struct msghdr header;
	struct iovec part;
	char control[CONTROL_SIZE] __attribute__((aligned(16)));
};

static void hook_message_set(struct hook_message *m, struct worker *w, size_t size, bool receives)
{
	memset(&m->header, 0, sizeof(m->header));
	m->part.iov_base = w->buffer;
	m->part.iov_len = size;
	m->header.msg_iov = &m->part;
	m->header.msg_iovlen = 1;
	if (w->answers) {
		m->header.msg_name = &w->peer;
		m->header.msg_namelen = receives ? sizeof(w->peer) : w->peer_size;
	}
	if (!receives)
		return;
	m->header.msg_control = m->control;
	m->header.msg_controllen = sizeof(m->control);
}

static ssize_t call_hook(struct flow *flow, enum hook hook, size_t size, int flags)
{
	struct worker *w = flow->worker;
	struct hook_message m;
	ssize_t n;

	hook_message_set(&m, w, size, hook != HOOK_SENDMSG);
	n = script_call_packet(w->script, hook, flow->fd, &m.header, flags);
	w->peer_size = m.header.msg_namelen;
	if (n == HOOK_BROKEN) {
		w->script_failed = true;
		worker_fail(w, "%s", script_problem(w->script));
	}
	return n;
}

/* A datagram was not taken: told once, counted, and the run goes on. */
static ssize_t datagram_trouble(struct flow *flow, const char *call, int error)
{
	struct worker *w = flow->worker;
	char text[160];

	if (!atomic_load(&w->counters.send_errors) && error == ECONNREFUSED)
		fprintf(stderr, "%s: nobody listens at %s: %s\n",
			w->settings->program,
			w->answers ? "a client's address" :
			endpoint_format(flow->address, text, sizeof(text)), strerror(error));
	else if (!atomic_load(&w->counters.send_errors))
		fprintf(stderr, "%s: %s: %s\n", w->settings->program, call, strerror(error));
	if (error == ECONNREFUSED)
		atomic_store(&w->run->refused, true);
	count(&w->counters.send_errors, 1);
	return FLOW_AGAIN;
}

ssize_t flow_trouble(struct flow *flow, const char *call)
{
	struct worker *w = flow->worker;
	int error = errno;
	bool client = w->settings->client;
	bool gone = error == ECONNRESET || error == EPIPE || error == ENOTCONN;

	if (error == EAGAIN || error == EINTR)
		return FLOW_AGAIN;
	if (worker_stopping(w))
		return FLOW_ENDED;
	if (w->settings->socket_type == SOCK_DGRAM &&
	    (error == ECONNREFUSED || error == ENOBUFS || gone))
		return datagram_trouble(flow, call, error);
	if (!client && gone)
		return FLOW_ENDED;
	worker_fail(w, "flow %u: %s: %s%s", flow->id, call, strerror(error),
		    gone ? "; the server went away in mid-run" : "");
	return FLOW_ENDED;
}

static ssize_t receive_from_peer(struct flow *flow, size_t size)
{
	struct worker *w = flow->worker;

	w->peer_size = sizeof(w->peer);
	return recvfrom(flow->fd, w->buffer, size, w->receive_flags, (struct sockaddr *)&w->peer,
			&w->peer_size);
}

ssize_t flow_receive(struct flow *flow, size_t size)
{
	struct worker *w = flow->worker;
	size_t most = (size_t)w->settings->buffer_size;
	ssize_t n;

	if (size > most)
		size = most;
	if (w->hooked[HOOK_RECVMSG])
		n = call_hook(flow, HOOK_RECVMSG, size, w->receive_flags);
	else if (w->answers)
		n = receive_from_peer(flow, size);
	else
		n = recv(flow->fd, w->buffer, size, w->receive_flags);
	/* A datagram may be empty; of a connection it is the end. */
	if (n > 0 || (n == 0 && w->settings->socket_type == SOCK_DGRAM)) {
		count(&w->counters.bytes_read, n);
		flow->bytes_read += n;
		w->activity++;
		return n;
	}
	if (n == HOOK_BROKEN)
		return FLOW_ENDED;
	if (n < 0)
		return flow_trouble(flow, "read");
	if (w->settings->client && !worker_stopping(w))
		worker_fail(w, "flow %u: the server closed the connection in mid-run", flow->id);
	return FLOW_ENDED;
}

ssize_t flow_send(struct flow *flow, size_t size, int flags)
{
	struct worker *w = flow->worker;
	size_t most = (size_t)w->settings->buffer_size;
	ssize_t n;

	if (size > most)
		size = most;
	flags |= w->send_flags;
	if (w->hooked[HOOK_SENDMSG])
		n = call_hook(flow, HOOK_SENDMSG, size, flags);
	else if (w->answers)
		n = sendto(flow->fd, w->buffer, size, flags, (struct sockaddr *)&w->peer,
			   w->peer_size);
	else
		n = send(flow->fd, w->buffer, size, flags);
	/* Of a connection only a hook writes nothing: it will be asked again. */
	if (n == 0 && w->settings->socket_type == SOCK_STREAM)
		return FLOW_AGAIN;
	if (n >= 0) {
		count(&w->counters.bytes_written, n);
		flow->bytes_written += n;
		w->activity++;
		return n;
	}
	if (n == HOOK_BROKEN)
		return FLOW_ENDED;
	/* Zerocopy: too many completions wait to be read. */
	if (errno == ENOBUFS && w->settings->zerocopy)
		return flow_error_queue(flow) ? FLOW_ENDED : FLOW_AGAIN;
	return flow_trouble(flow, "write");
}

static void count_zerocopy(struct flow *flow, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		struct sock_extended_err error;

		if (c->cmsg_len < CMSG_LEN(sizeof(error)))
			continue;
		memcpy(&error, CMSG_DATA(c), sizeof(error));
		if (error.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
		    error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
			count(&flow->worker->counters.copied, error.ee_data - error.ee_info + 1);
	}
}

/* True when something was taken off the error queue. */
static bool take_errors(struct flow *flow)
{
	struct worker *w = flow->worker;
	bool taken = false;

	if (w->hooked[HOOK_RECVERR])
		return call_hook(flow, HOOK_RECVERR, (size_t)w->settings->buffer_size,
				 MSG_ERRQUEUE | MSG_DONTWAIT) >= 0;
	for (;;) {
		struct hook_message m;

		hook_message_set(&m, w, (size_t)w->settings->buffer_size, true);
		if (recvmsg(flow->fd, &m.header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return taken;
		count_zerocopy(flow, &m.header);
		taken = true;
	}
}

int flow_error_queue(struct flow *flow)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (take_errors(flow))
		return 0;
	if (flow->worker->failed)
		return FLOW_ENDED;
	getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (!error)
		return 0;
	errno = error;
	return flow_trouble(flow, "connection") == FLOW_AGAIN ? 0 : FLOW_ENDED;
}

void flow_wait_for(struct flow *flow, uint32_t events)
{
	struct worker *w = flow->worker;
	struct epoll_event event = {.events = events, .data.ptr = flow};

	if (flow->events == events || w->alone == flow) {
		flow->events = events;
		return;
	}
	if (epoll_ctl(w->epoll_fd, flow->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, flow->fd,
		      &event))
		worker_fail(w, "flow %u: epoll_ctl: %s", flow->id, strerror(errno));
	flow->registered = true;
	flow->events = events;
}

void flow_disconnect(struct flow *flow)
{
	struct worker *w = flow->worker;

	if (flow->fd < 0)
		return;
	if (flow->opened && w->hooked[HOOK_CLOSE] &&
	    script_call_socket(w->script, HOOK_CLOSE, flow->fd, &flow->address->info)) {
		w->script_failed = true;
		worker_fail(w, "%s", script_problem(w->script));
	}
	close(flow->fd);
	if (flow->opened && !w->settings->client)
		endpoint_unlink(flow->address);
	flow->fd = -1;
	flow->registered = false;
	flow->events = 0;
}

void flow_close(struct flow *flow)
{
	flow_disconnect(flow);
	worker_remove_flow(flow->worker, flow);
}

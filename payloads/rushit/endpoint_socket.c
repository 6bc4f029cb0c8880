#include "endpoint_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker.h"

#define CONNECT_LIMIT_S 10
#define TCP_MIN_RTO 1713	/* in some vendors' kernels only */

static void set_option(struct worker *w, int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		worker_fail(w, "the kernel does not take %s: %s", what, strerror(errno));
}

static void tune_tcp(struct worker *w, int fd)
{
	const struct settings *s = w->settings;

	if (s->kind != KIND_STREAM)
		set_option(w, fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
	if (s->min_rto)
		set_option(w, fd, IPPROTO_TCP, TCP_MIN_RTO, (int)s->min_rto, "--min-rto");
	if (s->congestion_control &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, s->congestion_control,
		       strlen(s->congestion_control)))
		worker_fail(w, "the kernel does not take --congestion-control %s: %s; "
			    "/proc/sys/net/ipv4/tcp_available_congestion_control lists them",
			    s->congestion_control, strerror(errno));
}

static void tune(struct worker *w, int fd)
{
	const struct settings *s = w->settings;

	if (s->transport == TRANSPORT_INET && s->socket_type == SOCK_STREAM)
		tune_tcp(w, fd);
	if (s->debug)
		set_option(w, fd, SOL_SOCKET, SO_DEBUG, 1, "--debug (it needs CAP_NET_ADMIN)");
	if (s->max_pacing_rate)
		set_option(w, fd, SOL_SOCKET, SO_MAX_PACING_RATE, (int)s->max_pacing_rate,
			   "--max-pacing-rate");
	if (s->zerocopy)
		set_option(w, fd, SOL_SOCKET, SO_ZEROCOPY, 1, "--zerocopy on this transport");
	if (s->busy_poll && s->transport == TRANSPORT_INET) {
		int microseconds = (int)s->busy_poll;

		/* Raising it needs CAP_NET_ADMIN; the loop of our own looks without it. */
		setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds, sizeof(microseconds));
	}
}

void socket_tune_accepted(struct worker *w, int fd)
{
	tune(w, fd);
}

static int call_socket_hook(struct worker *w, int fd, const struct endpoint *e)
{
	if (!w->hooked[HOOK_SOCKET])
		return 0;
	if (!script_call_socket(w->script, HOOK_SOCKET, fd, &e->info))
		return 0;
	w->script_failed = true;
	worker_fail(w, "%s", script_problem(w->script));
	return -1;
}

static int open_socket(struct worker *w, const struct endpoint *e, int flags)
{
	int fd = socket(e->info.ai_family, e->info.ai_socktype | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		worker_fail(w, "cannot open a socket: %s%s", strerror(errno), errno == EMFILE ?
			    "; raise the limit of open files (ulimit -n)" : "");
	return fd;
}

/* The endpoint belongs to the flow from here on. */
static struct flow *add_flow(struct worker *w, int fd, uint32_t id, const struct endpoint *e,
			     flow_ready_fn ready)
{
	struct flow *flow = worker_add_flow(w, fd, id, ready);

	if (!flow)
		return NULL;
	flow->address = malloc(sizeof(*flow->address));
	if (!flow->address) {
		worker_fail(w, "no memory for a flow");
		return NULL;
	}
	endpoint_copy(flow->address, e);
	flow->opened = true;
	return flow;
}

static void share_port(struct worker *w, int fd)
{
	const struct settings *s = w->settings;

	if (s->transport == TRANSPORT_INET && !run_spreads_ports(s))
		set_option(w, fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
	if (s->transport == TRANSPORT_INET && s->socket_type == SOCK_STREAM)
		set_option(w, fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
}

int socket_probe(const struct endpoint *e, struct why *why)
{
	int fd = socket(e->info.ai_family, e->info.ai_socktype | SOCK_CLOEXEC, 0);
	int one = 1;
	int status;

	if (fd < 0) {
		why_errno(why, errno, "cannot open a socket");
		return -1;
	}
	/* Old connections of an earlier server do not count. */
	if (e->info.ai_socktype == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	status = endpoint_bind(fd, e, why);
	close(fd);
	return status;
}

struct flow *socket_serve(struct worker *w, flow_ready_fn ready)
{
	const struct settings *s = w->settings;
	struct endpoint e;
	struct why why;
	int fd;

	endpoint_copy(&e, &w->run->server);
	if (run_spreads_ports(s) && endpoint_move(&e, s, s->port, w->index, &why)) {
		worker_fail(w, "%s", why.text);
		return NULL;
	}
	fd = open_socket(w, &e, SOCK_NONBLOCK);
	if (fd < 0)
		return NULL;
	share_port(w, fd);
	tune(w, fd);
	if (call_socket_hook(w, fd, &e) || w->failed)
		goto failed;
	if (endpoint_bind(fd, &e, &why)) {
		worker_fail(w, "%s", why.text);
		goto failed;
	}
	if (e.info.ai_socktype != SOCK_DGRAM && listen(fd, (int)s->listen_backlog)) {
		worker_fail(w, "cannot listen: %s", strerror(errno));
		goto failed;
	}
	return add_flow(w, fd, (uint32_t)w->index, &e, ready);
failed:
	close(fd);
	return NULL;
}

void socket_widen_backlog(struct flow *listener, long connections)
{
	if (connections > listener->worker->settings->listen_backlog)
		listen(listener->fd, (int)connections);
}

/* So that the server has where to answer. */
static void bind_client(struct worker *w, int fd, const struct endpoint *e)
{
	const struct settings *s = w->settings;
	struct endpoint local;
	struct why why;

	if (s->transport == TRANSPORT_UNIX && s->socket_type == SOCK_DGRAM) {
		struct sockaddr_un any = {.sun_family = AF_UNIX};

		if (bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)))
			worker_fail(w, "cannot bind a Unix datagram socket: %s", strerror(errno));
	}
	if (!s->local_host)
		return;
	if (endpoint_local(s, e, &local, &why) || endpoint_bind(fd, &local, &why))
		worker_fail(w, "%s", why.text);
}

static void drop_without_time_wait(int fd)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* A blocking connect with a limit of time, or one that goes on by itself. */
static int open_connected(struct worker *w, uint32_t id, const struct endpoint *e, bool blocking)
{
	struct timeval limit = {.tv_sec = CONNECT_LIMIT_S};
	int fd = open_socket(w, e, blocking ? 0 : SOCK_NONBLOCK);
	char text[160];

	if (fd < 0)
		return -1;
	tune(w, fd);
	if (blocking)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (w->settings->kind == KIND_CRR && w->settings->transport == TRANSPORT_INET)
		drop_without_time_wait(fd);
	if (call_socket_hook(w, fd, e))
		goto failed;
	bind_client(w, fd, e);
	if (w->failed)
		goto failed;
	if (!connect(fd, e->info.ai_addr, e->info.ai_addrlen))
		return fd;
	if (!blocking && errno == EINPROGRESS)
		return fd;
	if (errno == EINPROGRESS || errno == EAGAIN)
		errno = ETIMEDOUT;
	worker_fail(w, "flow %u: cannot connect to %s: %s", id,
		    endpoint_format(e, text, sizeof(text)), strerror(errno));
failed:
	close(fd);
	return -1;
}

struct flow *socket_connect(struct worker *w, uint32_t id, flow_ready_fn ready)
{
	const struct settings *s = w->settings;
	int offset = (int)(id % (uint32_t)w->run->server_ports);
	struct endpoint e;
	struct flow *flow;
	struct why why;
	int fd;

	endpoint_copy(&e, &w->run->server);
	if (offset && endpoint_move(&e, s, s->port, offset, &why)) {
		worker_fail(w, "%s", why.text);
		return NULL;
	}
	fd = open_connected(w, id, &e, true);
	if (fd < 0)
		return NULL;
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	flow = add_flow(w, fd, id, &e, ready);
	if (!flow)
		close(fd);
	return flow;
}

int socket_reconnect(struct flow *flow)
{
	struct worker *w = flow->worker;
	/* Only TCP takes data while it still connects. */
	bool blocking = w->alone == flow || w->settings->transport != TRANSPORT_INET;
	int fd = open_connected(w, flow->id, flow->address, blocking);

	if (fd < 0)
		return FLOW_ENDED;
	if (blocking && w->alone != flow)
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	flow->fd = fd;
	return 0;
}

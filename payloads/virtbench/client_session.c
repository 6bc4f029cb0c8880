/* What benchmarks call: their talk with the server, and with each other. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "blocking.h"
#include "client.h"

struct session {
	int control;
	const struct setup *setup;
	const struct machine *machine;
	uint32_t port;		/* that the first side listens on */
	bool begun;
	bool ended;
};

static deadline_t limit(void)
{
	return deadline_in_ms(RUN_LIMIT_MS);
}

_Noreturn static void end_with(struct session *s, enum wire_type type, const char *reason,
			       va_list words)
{
	char text[512];
	struct why why;

	vsnprintf(text, sizeof(text), reason, words);
	wire_send(s->control, type, text, strlen(text), limit(), &why);
	_exit(0);
}

_Noreturn void session_fail(struct session *s, const char *reason, ...)
{
	va_list words;

	va_start(words, reason);
	end_with(s, WIRE_FAILED, reason, words);
}

_Noreturn void session_fail_errno(struct session *s, const char *what)
{
	session_fail(s, "%s: %s", what, strerror(errno));
}

_Noreturn void session_skip(struct session *s, const char *reason, ...)
{
	va_list words;

	va_start(words, reason);
	end_with(s, WIRE_SKIP, reason, words);
}

void session_begin(struct session *s)
{
	struct wire_message m;
	struct why why;

	if (wire_send_number(s->control, WIRE_READY, s->port, limit(), &why) < 0 ||
	    wire_receive(s->control, &m, deadline_in_ms(SETUP_LIMIT_MS), &why) < 0)
		_exit(1);
	alarm(RUN_LIMIT_MS / 1000);
	if (m.type != WIRE_GO) {
		/* The other side could not; nothing is to be done. */
		wire_send(s->control, WIRE_DONE, NULL, 0, limit(), &why);
		_exit(0);
	}
	s->begun = true;
}

void session_end(struct session *s)
{
	struct why why;

	if (wire_send(s->control, WIRE_DONE, NULL, 0, limit(), &why) < 0)
		_exit(1);
	s->ended = true;
}

bool session_stop_asked(struct session *s)
{
	struct wire_message m;
	struct why why;

	if (transport_wait(s->control, POLLIN, 0, &why) < 0)
		return false;
	if (wire_receive(s->control, &m, limit(), &why) < 0)
		_exit(1);
	return m.type == WIRE_STOP;
}

const struct machine *session_machine(const struct session *s)
{
	return s->machine;
}

bool session_is_first(const struct session *s)
{
	return s->setup->is_first;
}

/*
 * Benchmarks use plain blocking calls; the alarm ends what takes too long.  A time limit of
 * the socket's own would be a timer for each wait, one twentieth of a local pingpong.
 */
static void make_plain(struct session *s, int fd)
{
	struct why why;
	int one = 1;

	if (blocking_begin(fd, 0, &why) < 0)
		session_fail(s, "%s", why.text);
	/* Only TCP has it; an echo must not wait for more to send. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int session_listen(struct session *s, int type)
{
	struct address any;
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);
	struct why why;
	int fd;

	if (address_parse(&any, "inet:0.0.0.0:0", &why) < 0)
		session_fail(s, "%s", why.text);
	fd = transport_listen(&any, type, 1, &why);
	if (fd < 0)
		session_fail(s, "%s", why.text);
	if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
		session_fail_errno(s, "the port listened on");
	s->port = ntohs(bound.sin_port);
	if (type == SOCK_DGRAM)
		make_plain(s, fd);
	return fd;
}

int session_accept(struct session *s, int listener)
{
	struct address peer;
	struct why why;
	int fd = transport_accept(listener, &peer, limit(), &why);

	if (fd < 0)
		session_fail(s, "%s", why.text);
	make_plain(s, fd);
	return fd;
}

static int connect_to(struct session *s, const struct address *to, int type)
{
	struct why why;
	int fd = transport_connect_patiently(to, NULL, type, limit(), &why);

	if (fd < 0)
		session_fail(s, "%s", why.text);
	make_plain(s, fd);
	return fd;
}

static int connect_inet(struct session *s, const char *host, uint32_t port, int type)
{
	struct address to;
	struct why why;
	char text[128];

	snprintf(text, sizeof(text), "inet:%s:%u", host, port);
	if (address_parse(&to, text, &why) < 0)
		session_fail(s, "%s", why.text);
	return connect_to(s, &to, type);
}

int session_connect_peer(struct session *s, int type)
{
	return connect_inet(s, s->setup->peer, s->setup->peer_port, type);
}

static int connect_vsock(struct session *s)
{
	uint32_t cid = s->setup->partner_cid ? s->setup->partner_cid : VMADDR_CID_HOST;
	struct address to;
	struct why why;

	if (!vsock_usable(cid, &why))
		session_skip(s, "%s", why.text);
	if (!s->setup->partner_vsock)
		session_skip(s, "the host has no AF_VSOCK to listen on");
	address_vsock(&to, cid, s->setup->partner_vsock);
	return connect_to(s, &to, SOCK_STREAM);
}

int session_connect_partner(struct session *s, int family, enum partner_service service)
{
	uint8_t word = (uint8_t)service;
	struct sockaddr_in server;
	socklen_t size = sizeof(server);
	char host[INET_ADDRSTRLEN];
	int fd;

	if (family == AF_VSOCK) {
		fd = connect_vsock(s);
	} else {
		if (getpeername(s->control, (struct sockaddr *)&server, &size) < 0 ||
		    !inet_ntop(AF_INET, &server.sin_addr, host, sizeof(host)))
			session_fail_errno(s, "the server's address");
		fd = connect_inet(s, host, s->setup->partner_port, SOCK_STREAM);
	}
	session_write(s, fd, &word, 1);
	return fd;
}

void session_write(struct session *s, int fd, const void *data, size_t size)
{
	struct why why;

	if (blocking_write(fd, data, size, &why) < 0)
		session_fail(s, "%s", why.text);
}

void session_read(struct session *s, int fd, void *data, size_t size)
{
	struct why why;
	ssize_t n = blocking_read(fd, data, size, &why);

	if (n < 0)
		session_fail(s, "%s", why.text);
	if (!n)
		session_fail(s, "the other machine closed the connection");
}

_Noreturn void session_run(int control, const struct setup *setup, const struct machine *machine)
{
	const struct benchmark *benchmark = benchmark_by_name(setup->name);
	struct session s = { .control = control, .setup = setup, .machine = machine };
	const char *reason;

	/* What hangs is ended; the parent tells the server. */
	alarm(SETUP_LIMIT_MS / 1000);
	if (!benchmark)
		session_fail(&s, "this virtclient does not know the benchmark %s; take virtbench "
			     "and virtclient from the same build", setup->name);
	reason = benchmark->should_not_run ? benchmark->should_not_run(machine) : NULL;
	if (reason)
		session_skip(&s, "%s", reason);
	benchmark->run(&s, setup->runs);
	if (!s.ended)
		session_fail(&s, "the benchmark returned without saying that it was done");
	_exit(0);
}

/* How connections begin and end. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "blocking.h"
#include "endpoint.h"
#include "suite.h"

#define MANY 40

static struct verdict close_and(int fd, struct verdict v)
{
	if (fd >= 0)
		close(fd);
	return v;
}

static struct verdict exchange_byte(struct side *s, int fd, bool first)
{
	char byte = 'a';

	if (fd < 0)
		return side_failed(s);
	if (first && blocking_write(fd, &byte, 1, &s->why))
		return side_failed(s);
	if (blocking_read(fd, &byte, 1, &s->why) <= 0)
		return side_failed(s);
	if (!first && blocking_write(fd, &byte, 1, &s->why))
		return side_failed(s);
	return byte == 'a' ? PASSED : verdict_fail("the byte came changed");
}

/* The canary: what is denied later means something only when this is allowed. */
static struct verdict connect_client(struct side *s)
{
	int fd = side_connect(s, SOCK_STREAM);

	return close_and(fd, exchange_byte(s, fd, true));
}

static struct verdict connect_server(struct side *s)
{
	int fd = side_accept(s, SOCK_STREAM);

	return close_and(fd, exchange_byte(s, fd, false));
}

static struct verdict expect_no_connection(struct side *s)
{
	const struct address a = side_peer_address(s);
	int fd = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(s->limit_ms), &s->why);
	struct verdict v = expect_errno("connect", fd,
					s->peer.family == AF_VSOCK ? ECONNRESET : ECONNREFUSED);

	return close_and(fd, v);
}

static struct verdict nothing_to_do(struct side *s)
{
	(void)s;
	return PASSED;
}

static struct verdict bound_only_server(struct side *s)
{
	const struct address a = side_own_address(s);
	int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a.storage, a.size))
		return close_and(fd, verdict_error("bind: %s", strerror(errno)));
	/* Bound while the client tries; it tells when it has. */
	if (side_tell(s) || side_await(s))
		return close_and(fd, side_failed(s));
	return close_and(fd, PASSED);
}

static struct verdict bound_only_client(struct side *s)
{
	struct verdict v;

	if (side_await(s))
		return side_failed(s);
	v = expect_no_connection(s);
	side_tell(s);
	return v;
}

static struct verdict close_at_once(struct side *s, int fd)
{
	if (fd < 0)
		return side_failed(s);
	close(fd);
	return PASSED;
}

/* The peer has closed: the end of file, then a broken pipe for who writes. */
static struct verdict see_close(struct side *s, int fd)
{
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	ssize_t n;
	char byte;

	if (fd < 0)
		return side_failed(s);
	n = blocking_read(fd, &byte, 1, &s->why);
	if (n)
		return close_and(fd, n > 0 ? verdict_fail("data came that nobody sent")
					   : side_failed(s));
	/* TCP needs an answer to its first data before it knows. */
	do {
		n = send(fd, "x", 1, MSG_NOSIGNAL);
	} while (n == 1 && !deadline_passed(deadline));
	return close_and(fd, expect_errno("send after the peer closed", (int)n, EPIPE));
}

static struct verdict client_closes_client(struct side *s)
{
	return close_at_once(s, side_connect(s, SOCK_STREAM));
}

static struct verdict client_closes_server(struct side *s)
{
	return see_close(s, side_accept(s, SOCK_STREAM));
}

static struct verdict server_closes_client(struct side *s)
{
	return see_close(s, side_connect(s, SOCK_STREAM));
}

static struct verdict server_closes_server(struct side *s)
{
	return close_at_once(s, side_accept(s, SOCK_STREAM));
}

/* After SHUT_WR the peer sees the end, but can still answer. */
static struct verdict half_close(struct side *s, int fd)
{
	char answer;

	if (fd < 0)
		return side_failed(s);
	if (shutdown(fd, SHUT_WR))
		return close_and(fd, verdict_fail("shutdown: %s", strerror(errno)));
	if (send(fd, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		return close_and(fd, verdict_fail("send after SHUT_WR is not refused"));
	if (blocking_read(fd, &answer, 1, &s->why) <= 0)
		return close_and(fd, side_failed(s));
	return close_and(fd, answer == 'r' ? PASSED : verdict_fail("a wrong answer"));
}

static struct verdict answer_half_close(struct side *s, int fd)
{
	ssize_t n;
	char byte;

	if (fd < 0)
		return side_failed(s);
	n = blocking_read(fd, &byte, 1, &s->why);
	if (n)
		return close_and(fd, n > 0 ? verdict_fail("data came that nobody sent")
					   : side_failed(s));
	return close_and(fd, blocking_write(fd, "r", 1, &s->why) ? side_failed(s)
								 : PASSED);
}

static struct verdict half_close_client(struct side *s)
{
	return half_close(s, side_connect(s, SOCK_STREAM));
}

static struct verdict half_close_server(struct side *s)
{
	return answer_half_close(s, side_accept(s, SOCK_STREAM));
}

static struct verdict server_half_closes_client(struct side *s)
{
	return answer_half_close(s, side_connect(s, SOCK_STREAM));
}

static struct verdict server_half_closes_server(struct side *s)
{
	return half_close(s, side_accept(s, SOCK_STREAM));
}

/* Who shut its receiving half down must be spared the peer's data: the peer gets EPIPE. */
static struct verdict become_deaf(struct side *s, int fd)
{
	if (fd < 0)
		return side_failed(s);
	if (shutdown(fd, SHUT_RD))
		return close_and(fd, verdict_fail("shutdown: %s", strerror(errno)));
	if (side_tell(s) || side_await(s))
		return close_and(fd, side_failed(s));
	return close_and(fd, PASSED);
}

static struct verdict talk_to_the_deaf(struct side *s, int fd)
{
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	ssize_t n;

	if (fd < 0)
		return side_failed(s);
	if (side_await(s))
		return close_and(fd, side_failed(s));
	/* The word of the control connection may come before that of the shutdown. */
	do {
		n = send(fd, "x", 1, MSG_NOSIGNAL);
	} while (n == 1 && !deadline_passed(deadline));
	struct verdict v = expect_errno("send to a peer after its SHUT_RD", (int)n, EPIPE);

	side_tell(s);
	return close_and(fd, v);
}

static struct verdict deaf_client(struct side *s)
{
	return become_deaf(s, side_connect(s, SOCK_STREAM));
}

static struct verdict deaf_server(struct side *s)
{
	return talk_to_the_deaf(s, side_accept(s, SOCK_STREAM));
}

static struct verdict server_is_deaf_client(struct side *s)
{
	return talk_to_the_deaf(s, side_connect(s, SOCK_STREAM));
}

static struct verdict server_is_deaf_server(struct side *s)
{
	return become_deaf(s, side_accept(s, SOCK_STREAM));
}

static void close_all(int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static struct verdict many_client(struct side *s)
{
	const struct address a = side_peer_address(s);
	int fds[MANY], n = 0;
	struct verdict v = verdict_pass("%d at once", MANY);

	if (side_await(s))
		return side_failed(s);
	while (n < MANY) {
		fds[n] = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(s->limit_ms),
					   &s->why);
		if (fds[n++] < 0)
			break;
		unsigned char number = n;

		if (transport_write_all(fds[n - 1], &number, 1, deadline_in_ms(s->limit_ms),
					&s->why))
			break;
	}
	if (n < MANY || fds[n - 1] < 0)
		v = verdict_fail("connection %d of %d: %s", n, MANY, s->why.text);
	else if (side_await(s))
		v = side_failed(s);
	close_all(fds, n);
	return v;
}

static struct verdict many_server(struct side *s)
{
	int listener = side_listen(s, SOCK_STREAM, MANY), fds[MANY], n = 0;
	struct verdict v = PASSED;

	if (listener < 0)
		return side_failed(s);
	for (side_tell(s); n < MANY; n++) {
		unsigned char number = 0;

		fds[n] = transport_accept(listener, NULL, deadline_in_ms(s->limit_ms), &s->why);
		if (fds[n] < 0 || transport_read_all(fds[n], &number, 1,
						     deadline_in_ms(s->limit_ms), &s->why)) {
			v = verdict_fail("connection %d of %d: %s", n + 1, MANY, s->why.text);
			n++;
			break;
		}
		if (number != n + 1) {
			v = verdict_fail("connection %d carries the data of %d", n + 1, number);
			n++;
			break;
		}
	}
	side_tell(s);
	close_all(fds, n);
	close(listener);
	return v;
}

#define BACKLOG 2
#define TRIES 12

/* More than wait in the backlog must be turned away, and come in once it has been emptied. */
static struct verdict backlog_client(struct side *s)
{
	const struct address a = side_peer_address(s);
	int fds[TRIES], connected = 0, refused = 0, error = 0, late;

	if (side_await(s))
		return side_failed(s);
	for (int i = 0; i < TRIES; i++) {
		fds[i] = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(s->limit_ms),
					   &s->why);
		error = fds[i] < 0 ? errno : error;
		connected += fds[i] >= 0;
		refused += fds[i] < 0;
	}
	side_tell(s);
	if (side_await(s)) {
		close_all(fds, TRIES);
		return side_failed(s);
	}
	late = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(s->limit_ms), &s->why);
	side_tell(s);
	close_all(fds, TRIES);
	if (late < 0)
		return verdict_fail("no connection although the backlog was emptied: %s",
				    s->why.text);
	close(late);
	if (connected < BACKLOG || !refused)
		return verdict_fail("%d of %d connections were taken with a backlog of %d",
				    connected, TRIES, BACKLOG);
	if (error != ECONNRESET)
		return verdict_fail("the others got '%s' instead of '%s'", strerror(error),
				    strerror(ECONNRESET));
	return verdict_pass("%d taken, %d turned away", connected, refused);
}

static struct verdict backlog_server(struct side *s)
{
	int listener = side_listen(s, SOCK_STREAM, BACKLOG), fd;

	if (listener < 0)
		return side_failed(s);
	side_tell(s);
	if (side_await(s))
		return close_and(listener, side_failed(s));
	do {
		fd = transport_accept(listener, NULL, deadline_in_ms(100), &s->why);
		if (fd >= 0)
			close(fd);
	} while (fd >= 0);
	side_tell(s);
	if (side_await(s))
		return close_and(listener, side_failed(s));
	return close_and(listener, PASSED);
}

/* A port has one owner at a time, and is free again when it closes. */
static struct verdict port_reuse_server(struct side *s)
{
	const struct address a = side_own_address(s);
	int first = side_listen(s, SOCK_STREAM, 1), second;
	struct verdict v;

	if (first < 0)
		return side_failed(s);
	second = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	v = expect_errno("bind to a port in use",
			 bind(second, (const struct sockaddr *)&a.storage, a.size), EADDRINUSE);
	close(first);
	if (v.outcome == OUTCOME_PASS &&
	    bind(second, (const struct sockaddr *)&a.storage, a.size))
		v = verdict_fail("bind after the owner closed: %s", strerror(errno));
	return close_and(second, v);
}

/* SO_LINGER on a socket whose connection failed: closing it must come back. */
static struct verdict linger_client(struct side *s)
{
	const struct address a = side_peer_address(s);
	const struct linger linger = {1, 1};
	int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0), failed;
	uint64_t begin;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	failed = connect(fd, (const struct sockaddr *)&a.storage, a.size);
	begin = clock_ns();
	close(fd);
	if (!failed)
		return verdict_fail("connect to a port without a listener succeeded");
	if (clock_ns() - begin > 3 * NS_PER_S)
		return verdict_fail("close took %.1f s", (double)(clock_ns() - begin) / NS_PER_S);
	return PASSED;
}

/* The same socket may try again when nobody listened the first time. */
static struct verdict retry_client(struct side *s)
{
	const struct address a = side_peer_address(s);
	int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct verdict v;

	v = expect_errno("connect before anybody listens",
			 connect(fd, (const struct sockaddr *)&a.storage, a.size),
			 s->peer.family == AF_VSOCK ? ECONNRESET : ECONNREFUSED);
	side_tell(s);
	if (v.outcome == OUTCOME_PASS && side_await(s))
		v = side_failed(s);
	if (v.outcome == OUTCOME_PASS &&
	    connect(fd, (const struct sockaddr *)&a.storage, a.size))
		v = verdict_fail("the second connect said '%s'", strerror(errno));
	return close_and(fd, v);
}

static struct verdict retry_server(struct side *s)
{
	int fd;

	if (side_await(s))
		return side_failed(s);
	fd = side_accept(s, SOCK_STREAM);
	return fd < 0 ? side_failed(s) : close_and(fd, PASSED);
}

const struct suite_case connection_cases[] = {
	{"connect and exchange a byte", connect_client, connect_server, false},
	{"nobody listens", expect_no_connection, nothing_to_do, false},
	{"bound but not listening", bound_only_client, bound_only_server, false},
	{"client closes", client_closes_client, client_closes_server, false},
	{"server closes", server_closes_client, server_closes_server, false},
	{"SHUT_WR", half_close_client, half_close_server, false},
	{"SHUT_RD", deaf_client, deaf_server, true},
	{"many connections", many_client, many_server, false},
	{"full backlog", backlog_client, backlog_server, true},
	{"port in use, port free again", nothing_to_do, port_reuse_server, false},
	{"linger after a failed connect", linger_client, nothing_to_do, false},
	{"connect again after a failure", retry_client, retry_server, false},
	{0},
};

/* The same the other way round: between host and guest that is the other kernel's work. */
const struct suite_case reversed_cases[] = {
	{"server's SHUT_WR", server_half_closes_client, server_half_closes_server, false},
	{"server's SHUT_RD", server_is_deaf_client, server_is_deaf_server, true},
	{0},
};

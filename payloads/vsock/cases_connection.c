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

/* The canary: what is denied later means something only when this is allowed. */
static struct verdict say_byte(struct side *s, int fd)
{
	char byte = 'a';

	if (blocking_write(fd, &byte, 1, &s->why) || blocking_read(fd, &byte, 1, &s->why) <= 0)
		return side_failed(s);
	return byte == 'a' ? PASSED : verdict_fail("the byte came changed");
}

static struct verdict answer_byte(struct side *s, int fd)
{
	char byte;

	if (blocking_read(fd, &byte, 1, &s->why) <= 0 || blocking_write(fd, &byte, 1, &s->why))
		return side_failed(s);
	return byte == 'a' ? PASSED : verdict_fail("the byte came changed");
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
	(void)s;
	(void)fd;
	return PASSED;
}

/* Nobody sends any more: 0 at the end of the file, else -1 with the verdict. */
static int see_end(struct side *s, int fd, struct verdict *v)
{
	char byte;
	ssize_t n = blocking_read(fd, &byte, 1, &s->why);

	if (n)
		*v = n > 0 ? verdict_fail("data came that nobody sent") : side_failed(s);
	return n ? -1 : 0;
}

/* Sends until that is refused, which may take the kernel an answer or a moment. */
static struct verdict see_broken_pipe(struct side *s, int fd, const char *call)
{
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	ssize_t n;

	do {
		n = send(fd, "x", 1, MSG_NOSIGNAL);
	} while (n == 1 && !deadline_passed(deadline));
	return expect_errno(call, (int)n, EPIPE);
}

/* The peer has closed: the end of file, then a broken pipe for who writes. */
static struct verdict see_close(struct side *s, int fd)
{
	struct verdict v;

	/* TCP needs an answer to its first data before it knows. */
	return see_end(s, fd, &v) ? v : see_broken_pipe(s, fd, "send after the peer closed");
}

/* After SHUT_WR the peer sees the end, but can still answer. */
static struct verdict half_close(struct side *s, int fd)
{
	char answer;

	if (shutdown(fd, SHUT_WR))
		return verdict_fail("shutdown: %s", strerror(errno));
	if (send(fd, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		return verdict_fail("send after SHUT_WR is not refused");
	if (blocking_read(fd, &answer, 1, &s->why) <= 0)
		return side_failed(s);
	return answer == 'r' ? PASSED : verdict_fail("a wrong answer");
}

static struct verdict answer_half_close(struct side *s, int fd)
{
	struct verdict v;

	if (see_end(s, fd, &v))
		return v;
	return blocking_write(fd, "r", 1, &s->why) ? side_failed(s) : PASSED;
}

/* Who shut its receiving half down must be spared the peer's data: the peer gets EPIPE. */
static struct verdict become_deaf(struct side *s, int fd)
{
	if (shutdown(fd, SHUT_RD))
		return verdict_fail("shutdown: %s", strerror(errno));
	return side_tell(s) || side_await(s) ? side_failed(s) : PASSED;
}

static struct verdict talk_to_the_deaf(struct side *s, int fd)
{
	struct verdict v;

	if (side_await(s))
		return side_failed(s);
	/* The word of the control connection may come before that of the shutdown. */
	v = see_broken_pipe(s, fd, "send to a peer after its SHUT_RD");
	side_tell(s);
	return v;
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
	STREAM_CASE("connect and exchange a byte", say_byte, answer_byte, false),
	CASE("nobody listens", expect_no_connection, nothing_to_do, false),
	CASE("bound but not listening", bound_only_client, bound_only_server, false),
	STREAM_CASE("client closes", close_at_once, see_close, false),
	STREAM_CASE("server closes", see_close, close_at_once, false),
	STREAM_CASE("SHUT_WR", half_close, answer_half_close, false),
	STREAM_CASE("SHUT_RD", become_deaf, talk_to_the_deaf, true),
	CASE("many connections", many_client, many_server, false),
	CASE("full backlog", backlog_client, backlog_server, true),
	CASE("port in use, port free again", nothing_to_do, port_reuse_server, false),
	CASE("linger after a failed connect", linger_client, nothing_to_do, false),
	CASE("connect again after a failure", retry_client, retry_server, false),
	{0},
};

/* The same the other way round: between host and guest that is the other kernel's work. */
const struct suite_case reversed_cases[] = {
	STREAM_CASE("server's SHUT_WR", answer_half_close, half_close, false),
	STREAM_CASE("server's SHUT_RD", talk_to_the_deaf, become_deaf, true),
	{0},
};

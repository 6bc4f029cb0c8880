/* Every case of the suite passes over TCP as it is, and fails when the sockets lie. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "blocking.h"
#include "endpoint.h"
#include "suite.h"

enum fault {
	NO_FAULT,
	RECV_CHANGES_DATA,
	RECV_FORGETS_PEEK,
	RECV_SEES_DATA_AT_THE_END,
	RECV_IGNORES_TIME,
	SEND_IGNORES_CLOSE,
	SEND_TAKES_BAD_POINTERS,
	POLL_IGNORES_LOWAT,
	BIND_SHARES_PORTS,
	CONNECT_ALWAYS,
	OUTQ_NEVER_EMPTY,
};

static volatile enum fault fault;

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void *buffer, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __real_ioctl(int fd, unsigned long request, void *value);
int __wrap_ioctl(int fd, unsigned long request, void *value);

/* The control connection stays true: it is a pair of Unix sockets. */
static bool is_control(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	return domain == AF_UNIX;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t n;

	if (is_control(fd))
		return __real_recv(fd, buffer, size, flags);
	if (fault == RECV_FORGETS_PEEK)
		flags &= ~MSG_PEEK;
	n = __real_recv(fd, buffer, size, flags | (fault == RECV_IGNORES_TIME ? MSG_DONTWAIT : 0));
	if (fault == RECV_CHANGES_DATA && n > 0)
		((char *)buffer)[n - 1] ^= 1;
	if (fault == RECV_SEES_DATA_AT_THE_END && !n)
		return 1;
	return n;
}

ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	ssize_t n = __real_send(fd, buffer, size, flags);

	if (!is_control(fd) && n < 0 &&
	    ((fault == SEND_IGNORES_CLOSE && (errno == EPIPE || errno == ECONNRESET)) ||
	     (fault == SEND_TAKES_BAD_POINTERS && errno == EFAULT)))
		return (ssize_t)size;
	return n;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	if (fault == POLL_IGNORES_LOWAT && ms == 50)
		return 1;
	return __real_poll(fds, n, ms);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int status = __real_bind(fd, address, size);

	return fault == BIND_SHARES_PORTS ? 0 : status;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int status = __real_connect(fd, address, size);

	return fault == CONNECT_ALWAYS ? 0 : status;
}

int __wrap_ioctl(int fd, unsigned long request, void *value)
{
	int status = __real_ioctl(fd, request, value);

	if (fault == OUTQ_NEVER_EMPTY)
		*(int *)value = 7;
	return status;
}

static struct side client, server;

static void *serve(void *unused)
{
	(void)unused;
	suite_serve(&server);
	return NULL;
}

static unsigned int index_of(const char *name)
{
	const struct suite_case *c;
	unsigned int i = 0;

	while ((c = suite_case_at(i)) && strcmp(c->name, name))
		i++;
	assert_non_null(c);
	return i;
}

/* Both sides in this process, with a short limit. */
static struct verdict run(unsigned int index, enum fault which)
{
	pthread_t thread;
	struct verdict v;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client = server = (struct side){.limit_ms = 400};
	assert_int_equal(endpoint_parse(&client.peer, "127.0.7.1", &client.why), 0);
	server.peer = client.peer;
	client.control = ends[0];
	server.control = ends[1];
	blocking_begin(ends[0], 5000, &client.why);
	blocking_begin(ends[1], 5000, &server.why);
	pthread_create(&thread, NULL, serve, NULL);
	fault = which;
	v = suite_ask(&client, index, 1);
	fault = NO_FAULT;
	close(ends[0]);
	pthread_join(thread, NULL);
	close(ends[1]);
	return v;
}

static void test_all_pass_as_it_is(void **state)
{
	const struct suite_case *c;

	(void)state;
	for (unsigned int i = 0; (c = suite_case_at(i)); i++) {
		struct verdict v;

		if (c->vsock_only)
			continue;
		v = run(i, NO_FAULT);
		if (v.outcome != OUTCOME_PASS && v.outcome != OUTCOME_SKIP)
			fail_msg("%s: %s", c->name, v.reason);
	}
}

static void test_every_case_can_fail(void **state)
{
	static const struct {
		const char *name;
		enum fault fault;
	} cases[] = {
		{"connect and exchange a byte", RECV_CHANGES_DATA},
		{"nobody listens", CONNECT_ALWAYS},
		{"bound but not listening", CONNECT_ALWAYS},
		{"client closes", SEND_IGNORES_CLOSE},
		{"client closes", RECV_SEES_DATA_AT_THE_END},
		{"server closes", SEND_IGNORES_CLOSE},
		{"SHUT_WR", SEND_IGNORES_CLOSE},
		{"SHUT_WR", RECV_SEES_DATA_AT_THE_END},
		{"many connections", RECV_CHANGES_DATA},
		{"port in use, port free again", BIND_SHARES_PORTS},
		{"linger after a failed connect", CONNECT_ALWAYS},
		{"connect again after a failure", CONNECT_ALWAYS},
		{"a megabyte both ways", RECV_CHANGES_DATA},
		{"MSG_PEEK", RECV_FORGETS_PEEK},
		{"MSG_PEEK", RECV_CHANGES_DATA},
		{"SO_RCVLOWAT and poll", POLL_IGNORES_LOWAT},
		{"bad pointers", SEND_TAKES_BAD_POINTERS},
		{"SIOCOUTQ", OUTQ_NEVER_EMPTY},
		{"MSG_ZEROCOPY", RECV_CHANGES_DATA},
		{"SO_RCVTIMEO", RECV_IGNORES_TIME},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct verdict v = run(index_of(cases[i].name), cases[i].fault);

		if (v.outcome == OUTCOME_PASS)
			fail_msg("%s passes with fault %d", cases[i].name, cases[i].fault);
	}
}

/* A side that dies is no pass and no hang. */
static void test_lost_side_is_an_error(void **state)
{
	int ends[2];
	struct verdict v;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client = (struct side){.limit_ms = 100, .control = ends[0]};
	endpoint_parse(&client.peer, "127.0.7.1", &client.why);
	blocking_begin(ends[0], 200, &client.why);
	v = suite_ask(&client, 0, 1);
	assert_int_equal(v.outcome, OUTCOME_ERROR);
	close(ends[1]);
	v = suite_ask(&client, 0, 1);
	assert_int_equal(v.outcome, OUTCOME_ERROR);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pass_as_it_is),
		cmocka_unit_test(test_every_case_can_fail),
		cmocka_unit_test(test_lost_side_is_an_error),
	};

	return cmocka_run_group_tests_name("vsock suite", tests, NULL, NULL);
}

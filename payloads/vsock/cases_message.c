/* Messages that keep their bounds (SOCK_SEQPACKET), and what the kernel tells about sockets. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "blocking.h"
#include "endpoint.h"
#include "random.h"
#include "suite.h"

#define MESSAGES 40
#define LARGEST 40000

static struct verdict end(int fd, void *memory, struct verdict v)
{
	if (fd >= 0)
		close(fd);
	free(memory);
	return v;
}

/* 0, or -1 with the verdict for who cannot connect. */
static int connect_messages(struct side *s, int *fd, struct verdict *v)
{
	*fd = side_connect(s, SOCK_SEQPACKET);
	if (*fd >= 0)
		return 0;
	*v = errno == ESOCKTNOSUPPORT || errno == EPROTONOSUPPORT
		     ? verdict_skip("this transport has no seqpackets") : side_failed(s);
	return -1;
}

/* The next message of the seed: both sides make the same. */
static size_t next_message(struct random *r, char *buffer)
{
	size_t size = random_between(r, 1, LARGEST);

	random_fill(r, buffer, size);
	return size;
}

static struct verdict bounds_client(struct side *s)
{
	char *message = malloc(LARGEST);
	struct verdict v;
	struct random r;
	int fd;

	random_seed(&r, s->seed);
	if (connect_messages(s, &fd, &v))
		return end(fd, message, v);
	if (!message)
		return end(fd, message, verdict_error("no memory"));
	for (int i = 0; i < MESSAGES; i++) {
		size_t size = next_message(&r, message);
		ssize_t n = send(fd, message, size, MSG_NOSIGNAL);

		if (n != (ssize_t)size)
			return end(fd, message, verdict_fail("message %d of %zu bytes: %s", i + 1,
				   size, n < 0 ? strerror(errno) : "cut"));
	}
	return end(fd, message, side_await(s) ? side_failed(s)
					      : verdict_pass("%d messages", MESSAGES));
}

static struct verdict receive_bounds(struct side *s, int fd, char *wanted, char *got)
{
	struct random r;

	random_seed(&r, s->seed);
	for (int i = 0; i < MESSAGES; i++) {
		size_t size = next_message(&r, wanted);
		ssize_t n = recv(fd, got, LARGEST, 0);

		if (n < 0)
			return verdict_fail("message %d: %s", i + 1, strerror(errno));
		if (n != (ssize_t)size)
			return verdict_fail("message %d of %zu bytes came as %zd", i + 1, size, n);
		if (memcmp(wanted, got, size))
			return verdict_fail("message %d came changed", i + 1);
	}
	return PASSED;
}

static struct verdict bounds_server(struct side *s)
{
	int fd = side_accept(s, SOCK_SEQPACKET);
	char *wanted = malloc(LARGEST), *got = malloc(LARGEST);
	struct verdict v;

	v = fd < 0 || !wanted || !got ? side_failed(s) : receive_bounds(s, fd, wanted, got);
	side_tell(s);
	free(got);
	return end(fd, wanted, v);
}

/* Two messages; the first is longer than the reader's buffers. */
static struct verdict two_messages_client(struct side *s)
{
	char first[200];
	struct verdict v;
	int fd;

	memset(first, 'a', sizeof(first));
	if (connect_messages(s, &fd, &v))
		return v;
	if (send(fd, first, sizeof(first), MSG_NOSIGNAL) != sizeof(first) ||
	    send(fd, "second", 6, MSG_NOSIGNAL) != 6)
		return end(fd, NULL, verdict_fail("send: %s", strerror(errno)));
	return end(fd, NULL, side_await(s) ? side_failed(s) : PASSED);
}

static struct verdict expect_second(int fd)
{
	char rest[200];
	ssize_t n = recv(fd, rest, sizeof(rest), 0);

	if (n != 6 || memcmp(rest, "second", 6))
		return verdict_fail("the next message came as %zd bytes instead of 6", n);
	return PASSED;
}

static struct verdict truncated_server(struct side *s)
{
	int fd = side_accept(s, SOCK_SEQPACKET);
	char little[50];
	struct iovec part = {little, sizeof(little)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	struct verdict v;
	ssize_t n;

	if (fd < 0)
		return side_failed(s);
	n = recvmsg(fd, &m, MSG_TRUNC);
	if (n != 200)
		v = verdict_fail("a message of 200 bytes was told as %zd", n);
	else if (!(m.msg_flags & MSG_TRUNC))
		v = verdict_fail("a cut message is not marked with MSG_TRUNC");
	else
		v = expect_second(fd);
	side_tell(s);
	return end(fd, NULL, v);
}

static struct verdict peeked_server(struct side *s)
{
	int fd = side_accept(s, SOCK_SEQPACKET);
	char whole[300];
	struct verdict v;
	ssize_t n;

	if (fd < 0)
		return side_failed(s);
	n = recv(fd, whole, sizeof(whole), MSG_PEEK);
	/* Until Linux said so itself, it took every refusal for a lack of memory. */
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOMEM))
		v = verdict_skip("this kernel has no MSG_PEEK for messages: %s", strerror(errno));
	else if (n != 200)
		v = verdict_fail("a peek at 200 bytes showed %zd", n);
	else if (recv(fd, whole, sizeof(whole), 0) != 200)
		v = verdict_fail("the peeked message was not there any more");
	else
		v = expect_second(fd);
	side_tell(s);
	return end(fd, NULL, v);
}

/* A message that never fits into the peer's buffer must be refused, not hang. */
static struct verdict too_big_client(struct side *s)
{
	uint64_t buffer = 0;
	socklen_t size = sizeof(buffer);
	struct verdict v;
	char *message;
	ssize_t n;
	int fd;

	if (connect_messages(s, &fd, &v))
		return v;
	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &buffer, &size);
	message = calloc(1, buffer + 1);
	n = message ? send(fd, message, buffer + 1, MSG_NOSIGNAL) : 0;
	/* Older kernels take every refusal for a lack of memory. */
	if (n < 0 && errno == ENOMEM)
		v = verdict_pass("refused with '%s'", strerror(ENOMEM));
	else
		v = expect_errno("send of more than the buffer", (int)n, EMSGSIZE);
	side_tell(s);
	return end(fd, message, v);
}

static struct verdict wait_server(struct side *s)
{
	int fd = side_accept(s, SOCK_SEQPACKET);

	return end(fd, NULL, fd < 0 || side_await(s) ? side_failed(s) : PASSED);
}

/* One dump of the kernel's vsock sockets: whether one of them has this port; -1: errno. */
static int diag_has(uint32_t port, struct side *s)
{
	struct {
		struct nlmsghdr header;
		struct vsock_diag_req request;
	} ask = {
		{sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
		{.sdiag_family = AF_VSOCK, .vdiag_states = ~0u},
	};
	char *answer = malloc(65536);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), found = 0;

	if (fd < 0 || !answer || blocking_begin(fd, s->limit_ms, &s->why) ||
	    send(fd, &ask, sizeof(ask), 0) < 0)
		found = -1;
	for (bool more = found >= 0; more;) {
		ssize_t size = recv(fd, answer, 65536, 0);

		if (size <= 0) {
			found = -1;
			break;
		}
		for (struct nlmsghdr *h = (struct nlmsghdr *)answer; more && NLMSG_OK(h, size);
		     h = NLMSG_NEXT(h, size)) {
			if (h->nlmsg_type == NLMSG_ERROR) {
				errno = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
				found = -1;
			} else if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
				struct vsock_diag_msg *m = NLMSG_DATA(h);

				found |= m->vdiag_src_port == port;
			}
			more = h->nlmsg_type != NLMSG_DONE && h->nlmsg_type != NLMSG_ERROR;
		}
	}
	int error = errno;

	free(answer);
	if (fd >= 0)
		close(fd);
	errno = error;
	return found;
}

/* A listening socket shows up in the kernel's list, and is gone when it closed. */
static struct verdict diag_server(struct side *s)
{
	int listener = side_listen(s, SOCK_STREAM, 1), with, without;

	if (listener < 0)
		return side_failed(s);
	with = diag_has(s->port, s);
	if (with < 0)
		return end(listener, NULL, errno == ENOENT
			   ? verdict_skip("this kernel has no vsock_diag (modprobe vsock_diag)")
			   : verdict_fail("sock_diag: %s", strerror(errno)));
	close(listener);
	without = diag_has(s->port, s);
	if (!with)
		return verdict_fail("a listening socket is not in the kernel's list");
	return without ? verdict_fail("a closed socket is still in the kernel's list")
		       : PASSED;
}

static struct verdict nothing_to_do(struct side *s)
{
	(void)s;
	return PASSED;
}

const struct suite_case message_cases[] = {
	CASE("seqpacket: bounds of messages", bounds_client, bounds_server, true),
	CASE("seqpacket: MSG_TRUNC", two_messages_client, truncated_server, true),
	CASE("seqpacket: MSG_PEEK", two_messages_client, peeked_server, true),
	CASE("seqpacket: too big a message", too_big_client, wait_server, true),
	CASE("sock_diag", nothing_to_do, diag_server, true),
	{0},
};

/* What streams do with data. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "blocking.h"
#include "random.h"
#include "suite.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#define MUCH (1 << 20)
#define SMALL_BUFFER 65536
#define KERNEL_ENOTSUPP 524	/* not in user space's errno.h */

static struct verdict end(int fd, void *memory, struct verdict v)
{
	if (fd >= 0)
		close(fd);
	free(memory);
	return v;
}

static void *pattern(const struct side *s, size_t size)
{
	void *data = malloc(size);
	struct random r;

	random_seed(&r, s->seed);
	if (data)
		random_fill(&r, data, size);
	return data;
}

/* MUCH bytes there and the same back; every byte is compared. */
static struct verdict integrity_client(struct side *s)
{
	int fd = side_connect(s, SOCK_STREAM);
	char *data = pattern(s, MUCH), *back = calloc(1, MUCH);
	struct verdict v = verdict_pass("%d bytes both ways", MUCH);

	if (fd < 0 || !data || !back || blocking_write(fd, data, MUCH, &s->why) ||
	    blocking_read(fd, back, MUCH, &s->why) <= 0)
		v = side_failed(s);
	else if (memcmp(data, back, MUCH))
		v = verdict_fail("the data came back changed");
	free(back);
	return end(fd, data, v);
}

static struct verdict integrity_server(struct side *s)
{
	int fd = side_accept(s, SOCK_STREAM);
	char *data = pattern(s, MUCH), *here = calloc(1, MUCH);
	struct verdict v = PASSED;

	if (fd < 0 || !data || !here || blocking_read(fd, here, MUCH, &s->why) <= 0)
		v = side_failed(s);
	else if (memcmp(data, here, MUCH))
		v = verdict_fail("the data came changed");
	else if (blocking_write(fd, here, MUCH, &s->why))
		v = side_failed(s);
	free(here);
	return end(fd, data, v);
}

static struct verdict peek_client(struct side *s, int fd)
{
	char *data = pattern(s, 100);
	struct verdict v = PASSED;

	/* The other side closes when it has seen enough. */
	if (!data || blocking_write(fd, data, 100, &s->why) || side_await(s))
		v = side_failed(s);
	return end(-1, data, v);
}

/* Peeked data is still there, in part and as a whole. */
static struct verdict peek_server(struct side *s, int fd)
{
	char *data = pattern(s, 100), peeked[100], read[100];
	struct verdict v = PASSED;

	if (!data)
		return verdict_error("no memory");
	if (recv(fd, peeked, 10, MSG_PEEK) != 10 || memcmp(peeked, data, 10))
		v = verdict_fail("a peek at 10 bytes showed something else");
	else if (recv(fd, peeked, 100, MSG_PEEK | MSG_WAITALL) != 100 ||
		 memcmp(peeked, data, 100))
		v = verdict_fail("a peek at 100 bytes showed something else");
	else if (blocking_read(fd, read, 100, &s->why) <= 0)
		v = side_failed(s);
	else if (memcmp(read, data, 100))
		v = verdict_fail("what was read after peeks is something else");
	side_tell(s);
	return end(-1, data, v);
}

/* A byte, then more when the server says so. */
static struct verdict lowat_client(struct side *s, int fd)
{
	char data[128] = "";

	if (blocking_write(fd, data, 1, &s->why) || side_tell(s) || side_await(s) ||
	    blocking_write(fd, data, sizeof(data) - 1, &s->why) || side_await(s))
		return side_failed(s);
	return PASSED;
}

static struct verdict lowat_server(struct side *s, int fd)
{
	int lowat = 128;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct verdict v = PASSED;
	deadline_t deadline;
	int there = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)) || side_await(s))
		return side_failed(s);
	/* The byte has arrived when a peek sees it: from then on poll could be wrong. */
	deadline = deadline_in_ms(s->limit_ms);
	while (!there && !deadline_passed(deadline)) {
		char byte;

		there = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	}
	if (!there)
		v = verdict_fail("the first byte did not arrive");
	else if (poll(&p, 1, 50) != 0)
		v = verdict_fail("POLLIN with 1 byte although SO_RCVLOWAT is %d", lowat);
	side_tell(s);
	if (v.outcome == OUTCOME_PASS && poll(&p, 1, (int)s->limit_ms) != 1)
		v = verdict_fail("no POLLIN with %d bytes", lowat);
	side_tell(s);
	return v;
}

static int set_buffer(int fd, uint64_t size)
{
	return setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size)) ||
	       setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)) ? -1 : 0;
}

/* A writer gets no further than the reader's buffer allows, and on when there is room again. */
static struct verdict credit_client(struct side *s)
{
	int fd = side_connect(s, SOCK_STREAM);
	char *data = pattern(s, MUCH);
	struct verdict v = PASSED;
	ssize_t n = 0;
	size_t sent = 0;

	/* Awaits that the server has set its buffer, and that we know of it. */
	if (fd < 0 || !data || side_await(s))
		return end(fd, data, side_failed(s));
	while (sent < MUCH && (n = send(fd, data + sent, 4096, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		sent += n;
	if (sent == MUCH)
		v = verdict_fail("%d bytes went out to a buffer of %d", MUCH, SMALL_BUFFER);
	else if (errno != EAGAIN)
		v = verdict_fail("send said '%s' when the buffer was full", strerror(errno));
	else if (sent > 2 * SMALL_BUFFER)
		v = verdict_fail("%zu bytes went out to a buffer of %d", sent, SMALL_BUFFER);
	side_tell(s);
	if (blocking_write(fd, data + sent, MUCH - sent, &s->why) || side_await(s))
		v = side_failed(s);
	return end(fd, data, v.outcome == OUTCOME_PASS
				    ? verdict_pass("stopped after %zu bytes", sent) : v);
}

static struct verdict credit_server(struct side *s)
{
	int listener = side_listen(s, SOCK_STREAM, 1), fd = -1;
	char *data = pattern(s, MUCH), *here = calloc(1, MUCH);
	struct verdict v = PASSED;

	/* Connections inherit the listener's buffer, so that the client knows it from the start. */
	if (listener < 0 || !data || !here || set_buffer(listener, SMALL_BUFFER))
		v = verdict_error("a buffer of %d bytes: %s", SMALL_BUFFER, strerror(errno));
	side_tell(s);
	if (listener >= 0 && v.outcome == OUTCOME_PASS)
		fd = transport_accept(listener, NULL, deadline_in_ms(s->limit_ms), &s->why);
	if (v.outcome == OUTCOME_PASS &&
	    (fd < 0 || side_tell(s) || side_await(s) ||
	     transport_read_all(fd, here, MUCH, deadline_in_ms(s->limit_ms), &s->why)))
		v = side_failed(s);
	else if (v.outcome == OUTCOME_PASS && memcmp(data, here, MUCH))
		v = verdict_fail("the data came changed");
	side_tell(s);
	free(here);
	return end(fd, data, end(listener, NULL, v));
}

/* A buffer's size is kept between its minimum and its maximum. */
static struct verdict limits_client(struct side *s)
{
	uint64_t low = 1024, high = 4096, asked, got;
	socklen_t size = sizeof(got);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const struct {
		uint64_t asked, got;
	} cases[] = {{100, 1024}, {2048, 2048}, {100000, 4096}};

	(void)s;
	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &low, sizeof(low)) ||
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &high, sizeof(high)))
		return end(fd, NULL, verdict_fail("setsockopt: %s", strerror(errno)));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		asked = cases[i].asked;
		if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &asked, sizeof(asked)) ||
		    getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &got, &size))
			return end(fd, NULL, verdict_fail("buffer size: %s", strerror(errno)));
		if (got != cases[i].got)
			return end(fd, NULL, verdict_fail("asked for a buffer of %llu within %llu "
				   "to %llu, got %llu", (unsigned long long)asked,
				   (unsigned long long)low, (unsigned long long)high,
				   (unsigned long long)got));
	}
	return end(fd, NULL, PASSED);
}

static struct verdict nothing_to_do(struct side *s)
{
	(void)s;
	return PASSED;
}

/* Bad pointers are refused, and harm nothing. */
static struct verdict bad_pointer_client(struct side *s, int fd)
{
	void *nowhere = (void *)4096;
	struct verdict v;
	ssize_t n;
	char byte;

	/* Older kernels say that they have no memory. */
	n = send(fd, nowhere, 8, MSG_NOSIGNAL);
	if (n < 0 && errno == ENOMEM)
		v = verdict_pass("refused with '%s'", strerror(ENOMEM));
	else
		v = expect_errno("send from a bad pointer", (int)n, EFAULT);
	if (v.outcome == OUTCOME_PASS &&
	    (blocking_write(fd, "a", 1, &s->why) || blocking_read(fd, &byte, 1, &s->why) <= 0))
		v = verdict_fail("the connection broke: %s", s->why.text);
	return v;
}

static struct verdict bad_pointer_server(struct side *s, int fd)
{
	char byte = 0;

	if (blocking_read(fd, &byte, 1, &s->why) <= 0 || blocking_write(fd, &byte, 1, &s->why))
		return side_failed(s);
	return byte == 'a' ? PASSED : verdict_fail("data came that nobody sent");
}

/* Once all was read, nothing waits.  That something ever waits cannot be made to happen. */
static struct verdict outq_client(struct side *s, int fd)
{
	int waiting = -1;
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	char data[1000] = "";

	if (ioctl(fd, SIOCOUTQ, &waiting)) {
		side_tell(s);
		return verdict_skip("this kernel has no SIOCOUTQ for it: %s", strerror(errno));
	}
	if (blocking_write(fd, data, sizeof(data), &s->why) || side_tell(s) || side_await(s))
		return side_failed(s);
	do {
		ioctl(fd, SIOCOUTQ, &waiting);
	} while (waiting && !deadline_passed(deadline));
	side_tell(s);
	return waiting ? verdict_fail("%d bytes wait although all were read", waiting) : PASSED;
}

static struct verdict outq_server(struct side *s, int fd)
{
	char data[1000];

	if (side_await(s))
		return side_failed(s);
	/* Fewer when the client skips: it has closed then. */
	if (blocking_read(fd, data, sizeof(data), &s->why) > 0) {
		side_tell(s);
		side_await(s);
	}
	return PASSED;
}

/* The kernel says when it has let go of the pages that it sent without copying. */
static bool completed(int fd, deadline_t deadline)
{
	char control[256];
	struct msghdr m = {.msg_control = control};

	do {
		m.msg_controllen = sizeof(control);
		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
			return true;
	} while (!deadline_passed(deadline));
	return false;
}

static struct verdict zerocopy_client(struct side *s)
{
	int fd = side_connect(s, SOCK_STREAM), on = 1;
	char *data = pattern(s, SMALL_BUFFER);
	struct verdict v = PASSED;
	ssize_t n = 0;

	if (fd < 0 || !data)
		return end(fd, data, side_failed(s));
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		return end(fd, data, errno == EOPNOTSUPP || errno == KERNEL_ENOTSUPP ||
					     errno == EINVAL
				     ? verdict_skip("this kernel has no MSG_ZEROCOPY for it")
				     : verdict_fail("SO_ZEROCOPY: %s", strerror(errno)));
	for (size_t sent = 0; sent < SMALL_BUFFER && n >= 0; sent += n > 0 ? n : 0)
		n = send(fd, data + sent, SMALL_BUFFER - sent, MSG_ZEROCOPY | MSG_NOSIGNAL);
	if (n < 0)
		v = verdict_fail("send: %s", strerror(errno));
	else if (side_await(s))
		v = side_failed(s);
	else if (!completed(fd, deadline_in_ms(s->limit_ms)))
		v = verdict_fail("no completion came on the error queue");
	return end(fd, data, v);
}

static struct verdict zerocopy_server(struct side *s)
{
	int fd = side_accept(s, SOCK_STREAM);
	char *data = pattern(s, SMALL_BUFFER), *here = calloc(1, SMALL_BUFFER);
	struct verdict v = PASSED;
	ssize_t n = 0;

	if (fd < 0 || !data || !here)
		v = side_failed(s);
	else
		n = blocking_read(fd, here, SMALL_BUFFER, &s->why);
	/* 0: the client skips. */
	if (n < 0)
		v = side_failed(s);
	else if (n && memcmp(data, here, SMALL_BUFFER))
		v = verdict_fail("the data came changed");
	side_tell(s);
	free(here);
	return end(fd, data, v);
}

static struct verdict silence_client(struct side *s, int fd)
{
	const struct timeval limit = {0, 100000};
	uint64_t begin, took;
	struct verdict v;
	char byte;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return side_failed(s);
	begin = clock_ns();
	v = expect_errno("recv", (int)recv(fd, &byte, 1, 0), EAGAIN);
	took = clock_ns() - begin;
	/* The kernel counts in jiffies, and an emulated machine's clocks do not agree well. */
	if (v.outcome == OUTCOME_PASS && took < 50 * NS_PER_MS)
		v = verdict_fail("recv waited %llu ms instead of 100",
				 (unsigned long long)(took / NS_PER_MS));
	side_tell(s);
	return v;
}

static struct verdict silence_server(struct side *s, int fd)
{
	(void)fd;
	return side_await(s) ? side_failed(s) : PASSED;
}

const struct suite_case data_cases[] = {
	CASE("a megabyte both ways", integrity_client, integrity_server, false),
	STREAM_CASE("MSG_PEEK", peek_client, peek_server, false),
	STREAM_CASE("SO_RCVLOWAT and poll", lowat_client, lowat_server, false),
	CASE("credit of the reader's buffer", credit_client, credit_server, true),
	CASE("limits of the buffer's size", limits_client, nothing_to_do, true),
	STREAM_CASE("bad pointers", bad_pointer_client, bad_pointer_server, false),
	STREAM_CASE("SIOCOUTQ", outq_client, outq_server, false),
	CASE("MSG_ZEROCOPY", zerocopy_client, zerocopy_server, false),
	STREAM_CASE("SO_RCVTIMEO", silence_client, silence_server, false),
	{0},
};

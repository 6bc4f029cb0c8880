#include "transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MS 20

static int new_socket(int family, int type, struct why *why)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		why_errno(why, errno, "socket of family %d, type %d", family, type);
	return fd;
}

/* Close without losing the errno of what failed before. */
static int give_up(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

bool transport_is_stale(const struct address *a, int type)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	struct stat status;
	bool refused;
	int fd;

	if (a->family != AF_UNIX || !un->sun_path[0] || lstat(un->sun_path, &status) ||
	    !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&a->storage, a->size) &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_to(int fd, const struct address *a, struct why *why)
{
	char name[160];
	int one = 1;

	if (a->family == AF_INET || a->family == AF_INET6)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, (const struct sockaddr *)&a->storage, a->size))
		return 0;
	why_errno(why, errno, "cannot take the address %s", address_format(a, name, sizeof(name)));
	return -1;
}

int transport_listen(const struct address *a, int type, int backlog, struct why *why)
{
	int fd = new_socket(a->family, type, why);

	if (fd < 0)
		return -1;
	if (transport_is_stale(a, type))
		unlink(((const struct sockaddr_un *)&a->storage)->sun_path);
	if (bind_to(fd, a, why))
		return give_up(fd);
	if (type != SOCK_DGRAM && listen(fd, backlog)) {
		why_errno(why, errno, "listen");
		return give_up(fd);
	}
	return fd;
}

static int wait_for(int fd, short events, deadline_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		n = poll(&p, 1, deadline_poll_ms(deadline));
	} while ((n < 0 && errno == EINTR) || (!n && !deadline_passed(deadline)));
	if (!n)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

int transport_wait(int fd, short events, deadline_t deadline, struct why *why)
{
	if (!wait_for(fd, events, deadline))
		return 0;
	if (errno == ETIMEDOUT)
		why_set(why, "nothing %s within the time limit",
			events & POLLIN ? "came" : "could be sent");
	else
		why_errno(why, errno, "poll");
	return -1;
}

int transport_accept(int listener, struct address *peer, deadline_t deadline, struct why *why)
{
	struct address unwanted;

	peer = peer ? peer : &unwanted;
	for (;;) {
		int fd;

		peer->size = sizeof(peer->storage);
		fd = accept4(listener, (struct sockaddr *)&peer->storage, &peer->size,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			peer->family = peer->storage.ss_family;
			return fd;
		}
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			why_errno(why, errno, "accept");
			return -1;
		}
		if (errno == EAGAIN && wait_for(listener, POLLIN, deadline)) {
			if (errno == ETIMEDOUT)
				why_set(why, "nobody connected within the time limit");
			else
				why_errno(why, errno, "poll");
			return -1;
		}
	}
}

/* 0 or an errno. */
static int finish_connect(int fd, deadline_t deadline)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (wait_for(fd, POLLOUT, deadline))
		return errno;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

static int connect_socket(int fd, const struct address *to, deadline_t deadline)
{
	for (;;) {
		deadline_t soon = clock_ns() + RETRY_MS * NS_PER_MS;

		if (!connect(fd, (const struct sockaddr *)&to->storage, to->size))
			return 0;
		if (errno == EINPROGRESS)
			return finish_connect(fd, deadline);
		/* A Unix listener whose backlog is full, which poll cannot wait for. */
		if (errno != EAGAIN || to->family != AF_UNIX)
			return errno;
		if (deadline_passed(deadline))
			return ETIMEDOUT;
		clock_sleep_until(soon < deadline ? soon : deadline);
	}
}

/* A connected socket, or -1 and errno. */
static int try_connect(const struct address *to, const struct address *from, int type,
		       deadline_t deadline, struct why *why)
{
	int fd = new_socket(to->family, type, why);
	char name[160];
	int error;

	if (fd < 0)
		return -1;
	if (from && bind_to(fd, from, why))
		return give_up(fd);
	error = connect_socket(fd, to, deadline);
	if (!error)
		return fd;
	errno = error;
	why_errno(why, error, "cannot connect to %s", address_format(to, name, sizeof(name)));
	return give_up(fd);
}

int transport_connect(const struct address *to, const struct address *from, int type,
		      deadline_t deadline, struct why *why)
{
	return try_connect(to, from, type, deadline, why);
}

/* What connect says while the peer does not listen yet. */
static bool not_yet(int family, int error)
{
	switch (error) {
	case ECONNREFUSED:
		return true;
	case ENOENT:
		return family == AF_UNIX;
	case ECONNRESET:
	case ETIMEDOUT:
		return family == AF_VSOCK;
	default:
		return false;
	}
}

int transport_connect_patiently(const struct address *to, const struct address *from, int type,
				deadline_t deadline, struct why *why)
{
	for (;;) {
		deadline_t soon = clock_ns() + RETRY_MS * NS_PER_MS;
		int fd = try_connect(to, from, type, deadline, why);

		if (fd >= 0 || !not_yet(to->family, errno) || soon >= deadline)
			return fd;
		clock_sleep_until(soon);
	}
}

int transport_read_all(int fd, void *buffer, size_t size, deadline_t deadline, struct why *why)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = recv(fd, (char *)buffer + done, size - done, 0);

		if (n > 0) {
			done += n;
		} else if (!n) {
			why_set(why, "the peer closed the connection after %zu of %zu bytes", done,
				size);
			return -1;
		} else if (errno == EAGAIN && wait_for(fd, POLLIN, deadline)) {
			if (errno == ETIMEDOUT)
				why_set(why, "only %zu of %zu bytes came within the time limit",
					done, size);
			else
				why_errno(why, errno, "poll");
			return -1;
		} else if (errno != EAGAIN && errno != EINTR) {
			why_errno(why, errno, "read after %zu of %zu bytes", done, size);
			return -1;
		}
	}
	return 0;
}

int transport_write_all(int fd, const void *buffer, size_t size, deadline_t deadline,
			struct why *why)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(fd, (const char *)buffer + done, size - done, MSG_NOSIGNAL);

		if (n >= 0) {
			done += n;
		} else if (errno == EAGAIN && wait_for(fd, POLLOUT, deadline)) {
			if (errno == ETIMEDOUT)
				why_set(why, "the peer took only %zu of %zu bytes within the time "
					"limit", done, size);
			else
				why_errno(why, errno, "poll");
			return -1;
		} else if (errno != EAGAIN && errno != EINTR) {
			why_errno(why, errno, "write after %zu of %zu bytes", done, size);
			return -1;
		}
	}
	return 0;
}

ssize_t transport_read_some(int fd, void *buffer, size_t size, deadline_t deadline,
			    struct why *why)
{
	for (;;) {
		ssize_t n = recv(fd, buffer, size, 0);

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR) {
			why_errno(why, errno, "read");
			return -1;
		}
		if (errno == EAGAIN && transport_wait(fd, POLLIN, deadline, why))
			return -1;
	}
}

#include "blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

int blocking_begin(int fd, uint64_t limit_ms, struct why *why)
{
	const struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit))) {
		why_errno(why, errno, "cannot set a time limit on a socket");
		return -1;
	}
	return 0;
}

static ssize_t too_late(size_t done, size_t size, struct why *why)
{
	why_set(why, "only %zu of %zu bytes came within the time limit", done, size);
	return -1;
}

ssize_t blocking_read(int fd, void *buffer, size_t size, struct why *why)
{
	return blocking_read_until(fd, buffer, size, DEADLINE_NEVER, why);
}

ssize_t blocking_read_until(int fd, void *buffer, size_t size, deadline_t deadline,
			    struct why *why)
{
	size_t done = 0;

	while (done < size) {
		/* Not MSG_WAITALL: vsock refuses it for more than its buffer. */
		ssize_t n = recv(fd, (char *)buffer + done, size - done, 0);

		if (n > 0) {
			done += n;
			if (done < size && deadline_passed(deadline))
				return too_late(done, size, why);
		} else if (!n && !done) {
			why_set(why, "the peer closed the connection");
			return 0;
		} else if (!n) {
			why_set(why, "the peer closed the connection after %zu of %zu bytes", done,
				size);
			return -1;
		} else if (errno == EAGAIN) {
			return too_late(done, size, why);
		} else if (errno != EINTR) {
			why_errno(why, errno, "read after %zu of %zu bytes", done, size);
			return -1;
		}
	}
	return (ssize_t)size;
}

int blocking_write(int fd, const void *buffer, size_t size, struct why *why)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(fd, (const char *)buffer + done, size - done, MSG_NOSIGNAL);

		if (n >= 0) {
			done += n;
		} else if (errno == EAGAIN) {
			why_set(why, "the peer took only %zu of %zu bytes within the time limit",
				done, size);
			return -1;
		} else if (errno != EINTR) {
			why_errno(why, errno, "write after %zu of %zu bytes", done, size);
			return -1;
		}
	}
	return 0;
}

#include "lies.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>

#include "clock.h"

#define MOST_LEAKS 64
#define OTHER_ERROR EHOSTDOWN

static volatile enum lie lie;
static int leaked[MOST_LEAKS], leaks, refused;
static uint64_t skew_ns;
static size_t rest;

/* The call that the linker's --wrap hides, and ours. */
#define WRAP(type, name, ...) type __real_##name(__VA_ARGS__); type __wrap_##name(__VA_ARGS__)

WRAP(int, accept4, int fd, struct sockaddr *address, socklen_t *size, int flags);
WRAP(int, bind, int fd, const struct sockaddr *address, socklen_t size);
WRAP(uint64_t, clock_ns, void);
WRAP(int, close, int fd);
WRAP(int, connect, int fd, const struct sockaddr *address, socklen_t size);
WRAP(int, getsockopt, int fd, int level, int name, void *value, socklen_t *size);
WRAP(int, ioctl, int fd, unsigned long request, void *value);
WRAP(int, listen, int fd, int backlog);
WRAP(int, poll, struct pollfd *fds, nfds_t n, int ms);
WRAP(ssize_t, recv, int fd, void *buffer, size_t size, int flags);
WRAP(ssize_t, recvmsg, int fd, struct msghdr *message, int flags);
WRAP(ssize_t, send, int fd, const void *buffer, size_t size, int flags);
WRAP(int, setsockopt, int fd, int level, int name, const void *value, socklen_t size);
WRAP(int, shutdown, int fd, int how);

void lies_begin(enum lie which)
{
	lie = which;
	while (leaks)
		__real_close(leaked[--leaks]);
	refused = -1;
	skew_ns = 0;
	rest = 0;
}

static int property(int fd, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return __real_getsockopt(fd, SOL_SOCKET, name, &value, &size) ? -1 : value;
}

/* Whether `which` is to be told about this socket. */
static bool lies_about(int fd, enum lie which)
{
	int error = errno;
	bool yes = lie == which && property(fd, SO_DOMAIN) != AF_UNIX;

	errno = error;
	return yes;
}

static int fail_with(int error)
{
	errno = error;
	return -1;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	if (lies_about(fd, ACCEPT_FAILS))
		return fail_with(EMFILE);
	return __real_accept4(fd, address, size, flags);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int status = __real_bind(fd, address, size);

	return lies_about(fd, BIND_SHARES_PORTS) ? 0 : status;
}

uint64_t __wrap_clock_ns(void)
{
	return __real_clock_ns() + skew_ns;
}

int __wrap_close(int fd)
{
	if (lies_about(fd, CLOSE_LEAKS) && leaks < MOST_LEAKS) {
		leaked[leaks++] = fd;
		return 0;
	}
	if (lie == CLOSE_TAKES_LONG)
		skew_ns += 4 * NS_PER_S;
	return __real_close(fd);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int status;

	if (lies_about(fd, CONNECT_NEVER_AGAIN) && fd == refused)
		return fail_with(ECONNREFUSED);
	status = __real_connect(fd, address, size);
	if (status && errno != EINPROGRESS) {
		refused = fd;
		if (lies_about(fd, CONNECT_SAYS_SOMETHING_ELSE))
			return fail_with(OTHER_ERROR);
	}
	return lies_about(fd, CONNECT_ALWAYS) ? 0 : status;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	int status = __real_getsockopt(fd, level, name, value, size);

	if (level == SOL_SOCKET && name == SO_ERROR && *(int *)value &&
	    lies_about(fd, CONNECT_SAYS_SOMETHING_ELSE))
		*(int *)value = OTHER_ERROR;
	return status;
}

int __wrap_ioctl(int fd, unsigned long request, void *value)
{
	int status = __real_ioctl(fd, request, value);

	if (lies_about(fd, OUTQ_NEVER_EMPTY) && !status)
		*(int *)value = 7;
	return status;
}

int __wrap_listen(int fd, int backlog)
{
	return __real_listen(fd, lies_about(fd, LISTEN_IGNORES_BACKLOG) ? 128 : backlog);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	bool waits_for_more = property(fds->fd, SO_RCVLOWAT) > 1;

	if (waits_for_more && lies_about(fds->fd, POLL_IGNORES_LOWAT))
		return 1;
	if (waits_for_more && lies_about(fds->fd, POLL_SEES_NOTHING))
		return 0;
	return __real_poll(fds, n, ms);
}

static void hide_sockets(char *dump, ssize_t size)
{
	for (struct nlmsghdr *h = (struct nlmsghdr *)dump; NLMSG_OK(h, size);
	     h = NLMSG_NEXT(h, size))
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			((struct vsock_diag_msg *)NLMSG_DATA(h))->vdiag_src_port = 0;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t n, more;

	if (rest && lies_about(fd, CUT_REST_STAYS))
		return (ssize_t)rest;
	if (lies_about(fd, RECV_FORGETS_PEEK))
		flags &= ~MSG_PEEK;
	if (lies_about(fd, RECV_IGNORES_TIME))
		flags |= MSG_DONTWAIT;
	n = __real_recv(fd, buffer, size, flags);
	if (n > 0 && lies_about(fd, RECV_CHANGES_DATA))
		((char *)buffer)[n - 1] ^= 1;
	if (n > 0 && lies_about(fd, DIAG_HIDES_SOCKETS))
		hide_sockets(buffer, n);
	if (n > 0 && lies_about(fd, MESSAGES_ARE_MERGED)) {
		more = __real_recv(fd, (char *)buffer + n, size - n, flags);
		n += more > 0 ? more : 0;
	}
	return !n && lies_about(fd, RECV_SEES_DATA_AT_THE_END) ? 1 : n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n;

	if ((flags & MSG_ERRQUEUE) && lies_about(fd, COMPLETION_IS_LOST))
		return fail_with(EAGAIN);
	n = __real_recvmsg(fd, message, flags);
	if (message->msg_iov && n > (ssize_t)message->msg_iov->iov_len) {
		rest = n - message->msg_iov->iov_len;
		if (lies_about(fd, CUT_SIZE_IS_TOLD))
			n = (ssize_t)message->msg_iov->iov_len;
		if (lies_about(fd, CUT_IS_HIDDEN))
			message->msg_flags &= ~MSG_TRUNC;
	}
	return n;
}

ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	ssize_t n = __real_send(fd, buffer, size, flags);
	bool closed = n < 0 && (errno == EPIPE || errno == ECONNRESET);
	/* Older kernels take every refusal for a lack of memory. */
	bool bad = n < 0 && (errno == EFAULT || errno == ENOMEM);
	bool big = n < 0 && (errno == EMSGSIZE || errno == ENOMEM);
	bool full = n < 0 && errno == EAGAIN && flags & MSG_DONTWAIT;

	if (full && lies_about(fd, FULL_IS_ANOTHER_ERROR))
		return fail_with(OTHER_ERROR);
	if (bad && lies_about(fd, SEND_BREAKS_ON_BAD_POINTERS)) {
		__real_shutdown(fd, SHUT_RDWR);
		return fail_with(EFAULT);
	}
	if ((closed && lies_about(fd, SEND_IGNORES_CLOSE)) ||
	    (bad && lies_about(fd, SEND_TAKES_BAD_POINTERS)) ||
	    (big && lies_about(fd, SEND_TAKES_TOO_MUCH)) ||
	    (full && lies_about(fd, FULL_IS_NOT_TOLD)))
		return (ssize_t)size;
	return n;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (level == AF_VSOCK && lies_about(fd, BUFFER_SIZE_IS_IGNORED))
		return 0;
	return __real_setsockopt(fd, level, name, value, size);
}

int __wrap_shutdown(int fd, int how)
{
	return lies_about(fd, SHUTDOWN_IS_LOST) ? 0 : __real_shutdown(fd, how);
}

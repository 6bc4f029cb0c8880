#include "partner.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "benchmark.h"
#include "wire.h"

/*
 * A connection serves one sample.  One alarm for all of it: sockets with time limits would
 * set a timer for each wait, which shows in the times.
 */
#define SERVICE_LIMIT_S ((SETUP_LIMIT_MS + RUN_LIMIT_MS) / 1000 + 60)
#define MACHINE_BACKLOG 16

static void echo(int fd)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(fd, bytes, (size_t)n) != n)
			return;
}

/* Each request is a number of bytes wanted, in network byte order. */
static void source(int fd)
{
	static FROM_A_PAGE_ON char bytes[65536];
	uint32_t wanted;

	/* What was never written is one page of zeros, sixteen times, and sooner copied. */
	memset(bytes, 0xff, sizeof(bytes));
	while (recv(fd, &wanted, sizeof(wanted), MSG_WAITALL) == sizeof(wanted)) {
		for (size_t left = ntohl(wanted); left;) {
			ssize_t n = write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

			if (n <= 0)
				return;
			left -= (size_t)n;
		}
	}
}

_Noreturn static void serve(int fd)
{
	char service = 0;
	int one = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	alarm(SERVICE_LIMIT_S);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (read(fd, &service, 1) == 1) {
		if (service == PARTNER_ECHO)
			echo(fd);
		else if (service == PARTNER_SOURCE)
			source(fd);
	}
	_exit(0);
}

/* A process for each connection: benchmarks do not wait for each other. */
_Noreturn static void accept_for_ever(int tcp, int vsock)
{
	struct pollfd fds[2] = {
		{ .fd = tcp, .events = POLLIN },
		{ .fd = vsock, .events = POLLIN },
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		if (poll(fds, 2, -1) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			int fd = fds[i].revents ? accept(fds[i].fd, NULL, NULL) : -1;

			if (fd < 0)
				continue;
			if (!fork())
				serve(fd);
			close(fd);
		}
	}
}

static int listen_tcp(struct partner *p, const char *address, struct why *why)
{
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);
	struct address a;
	char text[128];
	int fd;

	snprintf(text, sizeof(text), "inet:%s:0", address);
	if (address_parse(&a, text, why) < 0)
		return -1;
	fd = transport_listen(&a, SOCK_STREAM, MACHINE_BACKLOG, why);
	if (fd < 0)
		return -1;
	if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0) {
		why_errno(why, errno, "the partner's port");
		close(fd);
		return -1;
	}
	p->port = ntohs(bound.sin_port);
	return fd;
}

/* -1 when this kernel has none: benchmarks that need it say so. */
static int listen_vsock(struct partner *p)
{
	struct sockaddr_vm bound;
	socklen_t size = sizeof(bound);
	struct address any;
	struct why why;
	int fd;

	p->vsock_port = 0;
	if (address_vsock(&any, VMADDR_CID_ANY, VMADDR_PORT_ANY) < 0)
		return -1;
	fd = transport_listen(&any, SOCK_STREAM, MACHINE_BACKLOG, &why);
	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
		p->vsock_port = bound.svm_port;
	return fd;
}

int partner_start(struct partner *p, const char *address, struct why *why)
{
	int tcp = listen_tcp(p, address, why), vsock;
	pid_t child;

	if (tcp < 0)
		return -1;
	vsock = listen_vsock(p);
	child = fork();
	if (!child)
		accept_for_ever(tcp, vsock);
	if (child < 0)
		why_errno(why, errno, "fork");
	close(tcp);
	if (vsock >= 0)
		close(vsock);
	return child < 0 ? -1 : 0;
}

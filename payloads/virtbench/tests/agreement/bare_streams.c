/* Between two processes of this machine, over its loopback. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"

#define BURST (4 << 20)
#define PIECE (128 << 10)

static _Alignas(4096) char bytes[PIECE];

static void at_once(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/*
 * A TCP connection to a child that does `serve` with the other end of it.
 */
static void connect_to_child(void (*serve)(int fd), int *fd)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(0x7f000001) } };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t child;

	must(!bind(listener, (struct sockaddr *)&address, size) && !listen(listener, 1) &&
	     !getsockname(listener, (struct sockaddr *)&address, &size), "listen");
	child = fork();
	if (!child) {
		int other;

		/* As machines are: the scheduler shares a processor out by sessions. */
		setsid();
		other = accept(listener, NULL, NULL);
		at_once(other);
		serve(other);
		_exit(0);
	}
	*fd = socket(AF_INET, SOCK_STREAM, 0);
	must(child > 0 && !connect(*fd, (struct sockaddr *)&address, size), "connect");
	at_once(*fd);
}

static void echo(int fd)
{
	char c;

	while (read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1)
		;
}

static double pingpong(long runs)
{
	double begin;
	char c = 0;
	int fd;

	connect_to_child(echo, &fd);
	must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1, "pingpong");
	begin = now();
	for (long i = 0; i < runs; i++)
		must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1, "pingpong");
	return now() - begin;
}

static void read_all(int fd, long size)
{
	while (size > 0) {
		ssize_t n = read(fd, bytes, PIECE < size ? PIECE : (size_t)size);

		must(n > 0, "read");
		size -= n;
	}
}

/* The child says when it is ready, and sends from the word on, no more than is read. */
static double take(void (*serve)(int fd), long runs)
{
	double begin;
	int fd;

	connect_to_child(serve, &fd);
	read_all(fd, 1);
	begin = now();
	must(write(fd, &runs, sizeof(runs)) == sizeof(runs), "write");
	/* As virtbench does, in whole pieces. */
	for (long left = runs * BURST; left > 0; left -= PIECE)
		read_all(fd, PIECE);
	return now() - begin;
}

static long wanted(int fd)
{
	long runs;

	must(write(fd, bytes, 1) == 1 && read(fd, &runs, sizeof(runs)) == sizeof(runs), "read");
	return runs;
}

static void pour(int fd)
{
	memset(bytes, 0xff, PIECE);
	for (long left = wanted(fd) * BURST; left > 0; left -= PIECE)
		must(write(fd, bytes, PIECE) == PIECE, "write");
}

static void pour_file(int fd)
{
	int file = memfd_create("x", 0);

	memset(bytes, 0xff, PIECE);
	for (off_t at = 0; at < BURST; at += PIECE)
		must(pwrite(file, bytes, PIECE, at) == PIECE, "memfd");
	for (long left = wanted(fd); left > 0; left--) {
		off_t at = 0;

		while (at < BURST)
			must(sendfile(fd, file, &at, (size_t)(BURST - at)) > 0, "sendfile");
	}
}

static double bandwidth(long runs)
{
	return take(pour, runs);
}

static double send_file(long runs)
{
	return take(pour_file, runs);
}

/* So many pieces as each byte says. */
static void pour_on_demand(int fd)
{
	char pieces;

	memset(bytes, 0xff, PIECE);
	while (read(fd, &pieces, 1) == 1)
		for (int sent = 0; sent < 2 * pieces; sent++)
			must(write(fd, bytes, PIECE / 2) == PIECE / 2, "write");
}

static double tcp_bandwidth(long runs)
{
	const char one = 1, all = BURST / PIECE;
	double begin;
	int fd;

	connect_to_child(pour_on_demand, &fd);
	/* As little before the measurement: it opens TCP's window, and a wide one is slower. */
	must(write(fd, &one, 1) == 1, "write");
	read_all(fd, PIECE);
	begin = now();
	for (long i = 0; i < runs; i++) {
		must(write(fd, &all, 1) == 1, "write");
		for (long left = BURST; left > 0; left -= PIECE)
			read_all(fd, PIECE);
	}
	return now() - begin;
}

/* Datagrams get lost: those that came are counted. */
static double udp_bandwidth(long runs)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(0x7f000001) } };
	socklen_t size = sizeof(address);
	int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
	double begin;
	pid_t child;

	must(!bind(in, (struct sockaddr *)&address, size) &&
	     !getsockname(in, (struct sockaddr *)&address, &size) &&
	     !connect(out, (struct sockaddr *)&address, size), "datagrams");
	child = fork();
	if (!child && setsid() > 0)
		for (;;)
			send(out, bytes, 1000, 0);
	must(recv(in, bytes, 1000, 0) == 1000, "recv");
	begin = now();
	for (long i = 0; i < runs * 1000; i++)
		must(recv(in, bytes, 1000, 0) == 1000, "recv");
	begin = now() - begin;
	kill(child, SIGKILL);
	return begin;
}

const struct operation stream_operations[] = {
	{ "bandwidth", bandwidth },
	{ "net-latency", pingpong },
	{ "pingpong", pingpong },
	{ "sendfile", send_file },
	{ "tcp-bandwidth", tcp_bandwidth },
	{ "udp-bandwidth", udp_bandwidth },
	{ NULL, NULL },
};

/* A byte there and back: between two machines, and between a machine and its host. */
#include <netinet/in.h>
#include <unistd.h>

#include "benchmark.h"

static void pingpong(struct session *s, uint32_t runs)
{
	bool first = session_is_first(s);
	int listener = -1, fd = -1;
	char byte = 0;

	if (first)
		listener = session_listen(s, SOCK_STREAM);
	else
		fd = session_connect_peer(s, SOCK_STREAM);
	session_begin(s);
	if (first)
		fd = session_accept(s, listener);
	while (runs--) {
		if (!first)
			session_write(s, fd, &byte, 1);
		session_read(s, fd, &byte, 1);
		if (first)
			session_write(s, fd, &byte, 1);
	}
	session_end(s);
}

static const struct benchmark inter_pingpong = {
	"pingpong", "Time for inter-guest pingpong", ON_PAIR, NULL, pingpong,
};
REGISTER_BENCHMARK(inter_pingpong);

static void with_host(struct session *s, uint32_t runs, int family)
{
	int fd = session_connect_partner(s, family, PARTNER_ECHO);
	char byte = 0;

	/* The first is not measured: the host has to start a process for it. */
	session_write(s, fd, &byte, 1);
	session_read(s, fd, &byte, 1);
	session_begin(s);
	while (runs--) {
		session_write(s, fd, &byte, 1);
		session_read(s, fd, &byte, 1);
	}
	session_end(s);
}

static void net_latency(struct session *s, uint32_t runs)
{
	with_host(s, runs, AF_INET);
}

static const struct benchmark host_pingpong = {
	"net-latency", "Time for pingpong with host over TCP", ON_ONE, NULL, net_latency,
};
REGISTER_BENCHMARK(host_pingpong);

static void vsock_pingpong(struct session *s, uint32_t runs)
{
	with_host(s, runs, AF_VSOCK);
}

static const struct benchmark host_vsock_pingpong = {
	"vsock-pingpong", "Time for pingpong with host over vsock", ON_ONE, NULL, vsock_pingpong,
};
REGISTER_BENCHMARK(host_vsock_pingpong);

/*
 * The first side counts 1000 datagrams of 1000 bytes a run; the second sends until it
 * is told to stop, for datagrams get lost.
 */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "benchmark.h"

#define SIZE 1000
#define DATAGRAMS 1000
/* So often the sender looks whether it should stop. */
#define LOOK_EACH 32

static char datagram[SIZE];

static void count(struct session *s, uint32_t runs)
{
	int fd = session_listen(s, SOCK_DGRAM);

	session_begin(s);
	for (uint64_t i = 0; i < (uint64_t)runs * DATAGRAMS; i++)
		if (recv(fd, datagram, SIZE, 0) != SIZE)
			session_fail_errno(s, "no more datagrams came");
	session_end(s);
}

static void send_until_told(struct session *s)
{
	int fd = session_connect_peer(s, SOCK_DGRAM);

	session_begin(s);
	while (!session_stop_asked(s))
		for (int i = 0; i < LOOK_EACH; i++)
			/* What the network has no room for is lost, like any other. */
			if (send(fd, datagram, SIZE, 0) < 0 && errno != ENOBUFS &&
			    errno != ECONNREFUSED && errno != EAGAIN)
				session_fail_errno(s, "send");
	session_end(s);
}

static void udp_bandwidth(struct session *s, uint32_t runs)
{
	if (session_is_first(s))
		count(s, runs);
	else
		send_until_told(s);
}

static const struct benchmark benchmark = {
	"udp-bandwidth", "Time to receive 1000 1k UDPs between guests", ON_PAIR_UNTIL_ONE, NULL,
	udp_bandwidth,
};
REGISTER_BENCHMARK(benchmark);

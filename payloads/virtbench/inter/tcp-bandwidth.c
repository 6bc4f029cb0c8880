#include <arpa/inet.h>
#include <unistd.h>

#include "benchmark.h"

#define BURST (4 << 20)
#define PIECE (128 << 10)

static void tcp_bandwidth(struct session *s, uint32_t runs)
{
	static FROM_A_PAGE_ON char piece[PIECE];
	int fd = session_connect_partner(s, AF_INET, PARTNER_SOURCE);
	uint32_t warm_up = htonl(PIECE), burst = htonl(BURST);

	/* Opens the window, and lets the host start its process. */
	session_write(s, fd, &warm_up, sizeof(warm_up));
	session_read(s, fd, piece, PIECE);
	session_begin(s);
	while (runs--) {
		session_write(s, fd, &burst, sizeof(burst));
		for (size_t got = 0; got < BURST; got += PIECE)
			session_read(s, fd, piece, PIECE);
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"tcp-bandwidth", "Time to send 4 MB from host", ON_ONE, NULL, tcp_bandwidth,
};
REGISTER_BENCHMARK(benchmark);

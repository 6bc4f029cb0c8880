/* The first side sends 4 MB a run over TCP, from memory or from a file; the second reads. */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "benchmark.h"

#define BURST (4 << 20)
#define PIECE (128 << 10)
#define FILL 0xff

static FROM_A_PAGE_ON char piece[PIECE];

/* The last byte of all is checked: what came must be what was sent. */
static void receive(struct session *s, uint32_t runs)
{
	int fd = session_connect_peer(s, SOCK_STREAM);

	session_begin(s);
	for (uint32_t i = 0; i < runs; i++)
		for (size_t got = 0; got < BURST; got += PIECE)
			session_read(s, fd, piece, PIECE);
	if (runs && (unsigned char)piece[PIECE - 1] != FILL)
		session_fail(s, "other bytes came than were sent");
	session_end(s);
	close(fd);
}

static void send_from_memory(struct session *s, int fd)
{
	for (size_t sent = 0; sent < BURST; sent += PIECE)
		session_write(s, fd, piece, PIECE);
}

static void bandwidth(struct session *s, uint32_t runs)
{
	int listener, fd;

	if (!session_is_first(s)) {
		receive(s, runs);
		return;
	}
	listener = session_listen(s, SOCK_STREAM);
	memset(piece, FILL, sizeof(piece));
	session_begin(s);
	fd = session_accept(s, listener);
	while (runs--)
		send_from_memory(s, fd);
	session_end(s);
}

static const struct benchmark inter_bandwidth = {
	"bandwidth", "Time to send 4 MB between guests", ON_PAIR, NULL, bandwidth,
};
REGISTER_BENCHMARK(inter_bandwidth);

static int filled_file(struct session *s)
{
	int file = memfd_create("sendfile", MFD_CLOEXEC);

	if (file < 0)
		session_fail_errno(s, "memfd");
	memset(piece, FILL, sizeof(piece));
	for (size_t at = 0; at < BURST; at += PIECE)
		if (write(file, piece, PIECE) != PIECE)
			session_fail_errno(s, "memfd");
	return file;
}

static void send_file(struct session *s, uint32_t runs)
{
	int listener, file, fd;

	if (!session_is_first(s)) {
		receive(s, runs);
		return;
	}
	listener = session_listen(s, SOCK_STREAM);
	file = filled_file(s);
	session_begin(s);
	fd = session_accept(s, listener);
	while (runs--) {
		off_t at = 0;

		while (at < BURST)
			if (sendfile(fd, file, &at, (size_t)(BURST - at)) <= 0)
				session_fail_errno(s, "sendfile");
	}
	session_end(s);
}

static const struct benchmark inter_sendfile = {
	"sendfile", "Time to sendfile 4 MB between guests", ON_PAIR, NULL, send_file,
};
REGISTER_BENCHMARK(inter_sendfile);

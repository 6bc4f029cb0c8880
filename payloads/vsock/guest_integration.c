#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocking.h"
#include "endpoint.h"
#include "guest.h"
#include "protocol.h"

#define SERVERS 3

int guest_failed(struct why *why, const char *step, ...)
{
	struct why what = *why;
	size_t used;
	va_list words;

	va_start(words, step);
	vsnprintf(why->text, sizeof(why->text), step, words);
	va_end(words);
	used = strlen(why->text);
	snprintf(why->text + used, sizeof(why->text) - used, ": %.*s",
		 (int)(sizeof(what.text) - 1), what.text);
	return -1;
}

/* Four blocks of 42 there, one byte 42 back. */
static int exchange(int fd, struct why *why)
{
	char block[INTEGRATION_BLOCK], answer = 0;

	memset(block, FILL_BYTE, sizeof(block));
	for (int i = 0; i < INTEGRATION_BLOCKS; i++)
		if (blocking_write(fd, block, sizeof(block), why))
			return -1;
	if (blocking_read(fd, &answer, 1, why) <= 0)
		return -1;
	if (answer == FILL_BYTE)
		return 0;
	why_set(why, "the host answered %d instead of %d", (unsigned char)answer, FILL_BYTE);
	return -1;
}

/* Until the host has closed, which is the only good end. */
static int write_until_closed(int fd, uint64_t limit_ms, struct why *why)
{
	deadline_t deadline = deadline_in_ms(limit_ms);
	char block[INTEGRATION_BLOCK];

	memset(block, FILL_BYTE, sizeof(block));
	while (!deadline_passed(deadline)) {
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) >= 0 || errno == EINTR)
			continue;
		/* A reset is a close that overtook data. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno == EAGAIN)
			break;
		why_errno(why, errno, "write");
		return -1;
	}
	why_set(why, "the host did not close within the time limit");
	return -1;
}

static int client(const struct address *host, uint64_t limit_ms, struct why *why)
{
	struct address to = endpoint_at(host, INTEGRATION_HOST_PORT), here = endpoint_any(host);
	int fd, status;

	here = endpoint_at(&here, INTEGRATION_CLIENT_PORT);
	fd = transport_connect_patiently(&to, &here, SOCK_STREAM, deadline_in_ms(limit_ms), why);
	if (fd < 0)
		return -1;
	status = blocking_begin(fd, limit_ms, why) || exchange(fd, why) ? -1 : 0;
	close(fd);
	return status;
}

/* The connection to a server of ours, ready for blocking calls. */
static int serve(int listener, uint64_t limit_ms, struct why *why)
{
	int fd = transport_accept(listener, NULL, deadline_in_ms(limit_ms), why);

	if (fd >= 0 && blocking_begin(fd, limit_ms, why)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int serve_exchange(int listener, uint64_t limit_ms, struct why *why)
{
	int fd = serve(listener, limit_ms, why), status;

	if (fd < 0)
		return -1;
	status = exchange(fd, why);
	close(fd);
	return status;
}

static int serve_until_host_closes(int listener, uint64_t limit_ms, struct why *why)
{
	int fd = serve(listener, limit_ms, why), status;

	if (fd < 0)
		return -1;
	status = write_until_closed(fd, limit_ms, why);
	close(fd);
	return status;
}

static int serve_and_close(int listener, uint64_t limit_ms, struct why *why)
{
	int fd = serve(listener, limit_ms, why), status;
	char byte;

	if (fd < 0)
		return -1;
	status = blocking_read(fd, &byte, 1, why) > 0 ? 0 : -1;
	close(fd);
	return status;
}

/* All servers listen before the host can know that we are here. */
static int listen_all(const struct address *host, int *listeners, struct why *why)
{
	const struct address any = endpoint_any(host);

	for (int i = 0; i < SERVERS; i++) {
		struct address a = endpoint_at(&any, INTEGRATION_EXCHANGE_PORT + i);

		listeners[i] = transport_listen(&a, SOCK_STREAM, 1, why);
		if (listeners[i] < 0)
			return guest_failed(why, "listen on port %d", INTEGRATION_EXCHANGE_PORT + i);
	}
	return 0;
}

static int run(const struct address *host, int *listeners, uint64_t limit_ms, struct why *why)
{
	if (listen_all(host, listeners, why))
		return -1;
	if (client(host, limit_ms, why))
		return guest_failed(why, "exchange with the host's port %d", INTEGRATION_HOST_PORT);
	if (serve_exchange(listeners[0], limit_ms, why))
		return guest_failed(why, "exchange on port %d", INTEGRATION_EXCHANGE_PORT);
	if (serve_until_host_closes(listeners[1], limit_ms, why))
		return guest_failed(why, "write on port %d until the host closes",
				    INTEGRATION_HOST_CLOSES_PORT);
	if (serve_and_close(listeners[2], limit_ms, why))
		return guest_failed(why, "read a byte on port %d, then close",
				    INTEGRATION_GUEST_CLOSES_PORT);
	return 0;
}

int guest_integration_test(const struct address *host, uint64_t limit_ms, struct why *why)
{
	int listeners[SERVERS] = {-1, -1, -1};
	int status = run(host, listeners, limit_ms, why);

	for (int i = 0; i < SERVERS; i++)
		if (listeners[i] >= 0)
			close(listeners[i]);
	return status;
}

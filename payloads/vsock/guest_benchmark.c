#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocking.h"
#include "endpoint.h"
#include "guest.h"
#include "protocol.h"
#include "stream.h"
#include "watchdog.h"

static const char *const names[SOCKETS] = {
	[SOCKET_CONTROL] = "control",
	[SOCKET_LATENCY] = "latency",
	[SOCKET_UNIDIRECTIONAL] = "unidirectional",
	[SOCKET_MULTI] = "stream 1", "stream 2", "stream 3", "stream 4", "stream 5",
	[SOCKET_BIDIRECTIONAL] = "bidirectional",
};

static int connect_all(const struct address *host, const struct volume *v, uint64_t limit_ms,
		       int *fds, struct why *why)
{
	const struct address to = endpoint_at(host, BENCHMARK_HOST_PORT);
	const struct address any = endpoint_any(host);

	for (int i = 0; i < SOCKETS; i++) {
		struct address here = endpoint_at(&any, BENCHMARK_GUEST_PORT(i));

		fds[i] = transport_connect_patiently(&to, &here, SOCK_STREAM,
						     deadline_in_ms(limit_ms), why);
		if (fds[i] < 0 || blocking_begin(fds[i], limit_ms, why) ||
		    (i >= SOCKET_UNIDIRECTIONAL &&
		     stream_set_buffer(fds[i], (uint64_t)v->buffer, why)))
			return guest_failed(why, "connect the %s socket from port %d", names[i],
					    BENCHMARK_GUEST_PORT(i));
	}
	return 0;
}

/* Every packet back, until the host closes: 0, or -1 with `why`. */
static int echo_packets(int fd, size_t *done, struct why *why)
{
	char page[BENCHMARK_PAGE];

	for (;;) {
		ssize_t n = blocking_read(fd, page, sizeof(page), why);

		if (n <= 0)
			return (int)n;
		if (blocking_write(fd, page, sizeof(page), why))
			return -1;
		__atomic_store_n(done, *done + 1, __ATOMIC_RELAXED);
	}
}

/* Without a timer for each wait, which would be a part of what the host measures. */
static int echo(int fd, uint64_t limit_ms, struct why *why)
{
	struct watchdog dog;
	size_t done = 0;
	int status;

	if (blocking_begin(fd, 0, why) || watchdog_start(&dog, fd, &done, limit_ms, why))
		return -1;
	status = echo_packets(fd, &done, why);
	if (watchdog_stop(&dog)) {
		watchdog_explain(why);
		status = -1;
	}
	return status ? guest_failed(why, "echo packets") : 0;
}

static int announce(int control, unsigned char magic, struct why *why)
{
	return blocking_write(control, &magic, 1, why) ? guest_failed(why, "say magic %u", magic) : 0;
}

/* 0 or -1 with `why`; stream_release() is due in both cases. */
static int prepare(struct stream *s, int fd, const struct volume *v, uint64_t limit_ms,
		   struct why *why)
{
	*s = (struct stream){
		.fd = fd,
		.bytes = (uint64_t)v->bytes,
		.segment = (size_t)v->segment,
		.limit_ms = limit_ms,
	};
	return stream_prepare(s, why);
}

static int bidirectional(const int *fds, const struct volume *v, uint64_t limit_ms,
			 struct why *why)
{
	struct stream s;
	uint64_t unused;
	int status = prepare(&s, fds[SOCKET_BIDIRECTIONAL], v, limit_ms, why) ||
		     announce(fds[SOCKET_CONTROL], MAGIC_BIDIRECTIONAL, why);

	for (int64_t i = 0; i < v->repeats && !status; i++)
		if (stream_both(&s, &unused, &unused, why))
			status = guest_failed(why, "bidirectional transfer %lld", (long long)i + 1);
	stream_release(&s);
	return status ? -1 : 0;
}

/* There, then back, again and again. */
static int repeat(const struct stream *s, int64_t repeats, const char *name, struct why *why)
{
	for (int64_t i = 0; i < repeats; i++)
		if (stream_read(s, NULL, why) || stream_write(s, why))
			return guest_failed(why, "%s transfer %lld", name, (long long)i + 1);
	return 0;
}

static int unidirectional(const int *fds, const struct volume *v, uint64_t limit_ms,
			  struct why *why)
{
	struct stream s;
	int status = prepare(&s, fds[SOCKET_UNIDIRECTIONAL], v, limit_ms, why) ||
		     announce(fds[SOCKET_CONTROL], MAGIC_UNIDIRECTIONAL, why) ||
		     repeat(&s, v->repeats, names[SOCKET_UNIDIRECTIONAL], why);

	stream_release(&s);
	return status ? -1 : 0;
}

struct strand {
	struct stream stream;
	int64_t repeats;
	const char *name;
	int control;
	unsigned char magic;
	int status;
	struct why why;
	pthread_t thread;
};

static void *run_strand(void *context)
{
	struct strand *s = context;

	s->status = announce(s->control, s->magic, &s->why) ||
		    repeat(&s->stream, s->repeats, s->name, &s->why);
	return NULL;
}

static int run_strands(struct strand *strands, struct why *why)
{
	int started = 0, status = 0, error = 0;

	while (started < BENCHMARK_STREAMS && !error) {
		struct strand *s = &strands[started];

		error = pthread_create(&s->thread, NULL, run_strand, s);
		if (!error)
			started++;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(strands[i].thread, NULL);
		if (strands[i].status && !status) {
			*why = strands[i].why;
			status = -1;
		}
	}
	if (error) {
		why_errno(why, error, "thread");
		status = -1;
	}
	return status;
}

static int multistream(const int *fds, const struct volume *v, uint64_t limit_ms,
		       struct why *why)
{
	struct strand strands[BENCHMARK_STREAMS] = {0};
	int status = 0;

	for (int i = 0; i < BENCHMARK_STREAMS && !status; i++) {
		struct strand *s = &strands[i];

		*s = (struct strand){
			.repeats = v->multi_repeats,
			.name = names[SOCKET_MULTI + i],
			.control = fds[SOCKET_CONTROL],
			.magic = MAGIC_MULTI + i,
		};
		status = prepare(&s->stream, fds[SOCKET_MULTI + i], v, limit_ms, why);
	}
	if (!status)
		status = run_strands(strands, why);
	for (int i = 0; i < BENCHMARK_STREAMS; i++)
		stream_release(&strands[i].stream);
	return status;
}

/* The host has read our answer to all that it sent. */
static int nothing_left(const int *fds, struct why *why)
{
	for (int i = 0; i < SOCKETS; i++) {
		char byte;

		if (recv(fds[i], &byte, 1, MSG_DONTWAIT) <= 0)
			continue;
		why_set(why, "the host sent more than it should on the %s socket", names[i]);
		return -1;
	}
	return 0;
}

static int run(const struct address *host, const struct volume *v, uint64_t limit_ms, int *fds,
	       struct why *why)
{
	return connect_all(host, v, limit_ms, fds, why) ||
	       echo(fds[SOCKET_LATENCY], limit_ms, why) || bidirectional(fds, v, limit_ms, why) ||
	       unidirectional(fds, v, limit_ms, why) || multistream(fds, v, limit_ms, why) ||
	       nothing_left(fds, why) ? -1 : 0;
}

int guest_micro_benchmark(const struct address *host, const struct volume *volume,
			  uint64_t limit_ms, struct why *why)
{
	int fds[SOCKETS], status;

	memset(fds, -1, sizeof(fds));
	status = run(host, volume, limit_ms, fds, why);
	for (int i = 0; i < SOCKETS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return status;
}

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "blocking.h"
#include "perf.h"
#include "stream.h"
#include "watchdog.h"

#define MIB (1024.0 * 1024.0)

static int series_new(struct series *s, size_t n)
{
	*s = (struct series){calloc(n, sizeof(double)), 0};
	return s->values ? 0 : -1;
}

int perf_results_new(struct perf_results *r, const struct volume *v)
{
	*r = (struct perf_results){0};
	return series_new(&r->latency, v->packets) || series_new(&r->tx, v->repeats) ||
	       series_new(&r->rx, v->repeats) || series_new(&r->single, v->repeats) ||
	       series_new(&r->to_guest, v->repeats) || series_new(&r->to_host, v->repeats) ||
	       series_new(&r->multi, v->multi_repeats * BENCHMARK_STREAMS) ||
	       series_new(&r->multi_sum, v->multi_repeats) ? -1 : 0;
}

void perf_results_free(struct perf_results *r)
{
	struct series *all[] = {&r->latency, &r->tx, &r->rx, &r->single, &r->to_guest,
				&r->to_host, &r->multi, &r->multi_sum};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		free(all[i]->values);
}

static void append(struct series *s, double value)
{
	s->values[s->n++] = value;
}

/* Put "STEP: " before what is said in `why`; returns -1. */
static int failed(struct why *why, const char *step, ...) __attribute__((format(printf, 2, 3)));
static int failed(struct why *why, const char *step, ...)
{
	struct why what = *why;
	char name[80];
	va_list words;

	va_start(words, step);
	vsnprintf(name, sizeof(name), step, words);
	va_end(words);
	why_set(why, "%s: %.160s", name, what.text);
	return -1;
}

/* `before` and `after` stand round the number, as the ancestor's lines had them. */
static void progress(const struct perf_run *p, const char *before, size_t n, const char *after,
		     size_t all)
{
	if (p->progress)
		fprintf(stderr, "\rFinished %s%zu %s%s", before, n, after, n == all ? "\n" : "");
}

static int echo(int fd, const char *page, char *back, struct why *why)
{
	if (blocking_write(fd, page, BENCHMARK_PAGE, why) ||
	    blocking_read(fd, back, BENCHMARK_PAGE, why) <= 0)
		return -1;
	return 0;
}

static int check_corruption(struct perf_run *p, struct perf_results *r, struct why *why)
{
	char page[BENCHMARK_PAGE], back[BENCHMARK_PAGE], text[9];

	for (unsigned int i = 0; i < BENCHMARK_WARM_UP; i++) {
		snprintf(text, sizeof(text), "DAVID%03u", i);
		for (size_t at = 0; at < sizeof(page); at += 8)
			memcpy(page + at, text, 8);
		if (echo(p->fds[SOCKET_LATENCY], page, back, why))
			return failed(why, "data corruption check, packet %u", i + 1);
		r->corrupted = r->corrupted || memcmp(page, back, sizeof(page));
	}
	r->corruption_checked = true;
	return 0;
}

/* Without a timer for each wait, which would be a part of what is measured. */
static int measure_packets(struct perf_run *p, struct perf_results *r, struct why *why)
{
	int fd = p->fds[SOCKET_LATENCY];
	char page[BENCHMARK_PAGE], back[BENCHMARK_PAGE];
	size_t done = 0, all = p->volume.packets;
	struct watchdog dog;

	memset(page, FILL_BYTE, sizeof(page));
	if (blocking_begin(fd, 0, why) ||
	    watchdog_start(&dog, fd, &done, p->packet_limit_ms, why))
		return -1;
	while (done < all) {
		uint64_t begin = clock_ns();

		if (echo(fd, page, back, why))
			break;
		append(&r->latency, (double)(clock_ns() - begin));
		r->corrupted = r->corrupted || memcmp(page, back, sizeof(page));
		__atomic_store_n(&done, done + 1, __ATOMIC_RELAXED);
		if (done % 50 == 0 || done == all)
			progress(p, "measuring round trip latency for ", done, "packets", all);
	}
	if (watchdog_stop(&dog) && done < all)
		watchdog_explain(why);
	return done < all ? failed(why, "round trip latency, packet %zu", done + 1) : 0;
}

static int measure_latency(struct perf_run *p, struct perf_results *r, struct why *why)
{
	int fd = p->fds[SOCKET_LATENCY];

	if (blocking_begin(fd, p->packet_limit_ms, why) || check_corruption(p, r, why) ||
	    measure_packets(p, r, why))
		return -1;
	/* The guest echoes until it sees the end. */
	shutdown(fd, SHUT_WR);
	return 0;
}

/* `n` magics from `first` on must come, in any order. */
static int await_magics(struct perf_run *p, unsigned char first, unsigned int n, struct why *why)
{
	int fd = p->fds[SOCKET_CONTROL];
	unsigned int seen = 0;

	if (blocking_begin(fd, p->magic_limit_ms, why))
		return -1;
	while (seen != (1u << n) - 1) {
		unsigned char magic;

		if (blocking_read(fd, &magic, 1, why) <= 0)
			return failed(why, "wait for the guest's magic %u",
				      first + __builtin_ctz(~seen));
		if (magic < first || magic >= first + n || seen & 1u << (magic - first)) {
			why_set(why, "the guest said %u on the control socket, expected %u to %u",
				magic, first, first + n - 1);
			return -1;
		}
		seen |= 1u << (magic - first);
	}
	return 0;
}

/* 0 or -1 with `why`; stream_release() is due in both cases. */
static int prepare(struct stream *s, const struct perf_run *p, int slot, struct why *why)
{
	*s = (struct stream){
		.fd = p->fds[slot],
		.bytes = (uint64_t)p->volume.bytes,
		.segment = (size_t)p->volume.segment,
		.limit_ms = p->transfer_limit_ms,
	};
	return stream_prepare(s, why) || blocking_begin(s->fd, p->transfer_limit_ms, why) ? -1 : 0;
}

static double rate(uint64_t bytes, uint64_t ns)
{
	return (double)bytes / MIB / ((double)(ns ? ns : 1) / NS_PER_S);
}

static int both_ways(struct perf_run *p, const struct stream *s, struct perf_results *r,
		     struct why *why)
{
	for (int64_t i = 0; i < p->volume.repeats; i++) {
		uint64_t begin = clock_ns(), written, read;

		if (stream_both(s, &written, &read, why))
			return failed(why, "bidirectional transfer %lld", (long long)i + 1);
		append(&r->rx, rate(s->bytes, written - begin));
		append(&r->tx, rate(s->bytes, read - begin));
		progress(p, "", i + 1, "bidirectional throughput measurements", p->volume.repeats);
	}
	return 0;
}

static int measure_bidirectional(struct perf_run *p, struct perf_results *r, struct why *why)
{
	struct stream s;
	int status = prepare(&s, p, SOCKET_BIDIRECTIONAL, why) ||
		     await_magics(p, MAGIC_BIDIRECTIONAL, 1, why) || both_ways(p, &s, r, why);

	stream_release(&s);
	return status ? -1 : 0;
}

struct round_trip {
	uint64_t begin;
	uint64_t written;
	struct first_read turned;	/* bytes back: the guest has read all there was */
	uint64_t end;
};

static int go_and_return(const struct stream *s, struct round_trip *t, struct why *why)
{
	t->begin = clock_ns();
	if (stream_write(s, why))
		return -1;
	t->written = clock_ns();
	if (stream_read(s, &t->turned, why))
		return -1;
	t->end = clock_ns();
	return 0;
}

/* When one read brought all there was, the way back began at the earliest when we had written. */
static double rate_back(const struct stream *s, const struct round_trip *t)
{
	if (t->turned.bytes == s->bytes)
		return rate(s->bytes, t->end - t->written);
	return rate(s->bytes - t->turned.bytes, t->end - t->turned.ns);
}

static int there_and_back(struct perf_run *p, const struct stream *s, struct perf_results *r,
			  struct why *why)
{
	uint64_t cpu = clock_process_cpu_ns();

	for (int64_t i = 0; i < p->volume.repeats; i++) {
		struct round_trip t;

		if (go_and_return(s, &t, why))
			return failed(why, "unidirectional transfer %lld", (long long)i + 1);
		append(&r->single, rate(2 * s->bytes, t.end - t.begin));
		append(&r->to_guest, rate(s->bytes, t.turned.ns - t.begin));
		append(&r->to_host, rate_back(s, &t));
		progress(p, "", i + 1, "round trip throughput measurements", p->volume.repeats);
	}
	r->cpu_ns_per_byte = (double)(clock_process_cpu_ns() - cpu) /
			     (2.0 * (double)s->bytes * (double)p->volume.repeats);
	return 0;
}

static int measure_single(struct perf_run *p, struct perf_results *r, struct why *why)
{
	struct stream s;
	int status = prepare(&s, p, SOCKET_UNIDIRECTIONAL, why) ||
		     await_magics(p, MAGIC_UNIDIRECTIONAL, 1, why) || there_and_back(p, &s, r, why);

	stream_release(&s);
	return status ? -1 : 0;
}

struct strand {
	struct stream stream;
	struct round_trip trip;
	int status;
	struct why why;
	pthread_t thread;
};

static void *run_strand(void *context)
{
	struct strand *s = context;

	s->status = go_and_return(&s->stream, &s->trip, &s->why);
	return NULL;
}

/* All five streams once; -1 with `why` when one of them failed. */
static int run_strands(struct strand *strands, struct why *why)
{
	int started = 0, status = 0;

	while (started < BENCHMARK_STREAMS && !status) {
		struct strand *s = &strands[started];

		status = pthread_create(&s->thread, NULL, run_strand, s);
		if (status)
			why_errno(why, status, "thread");
		else
			started++;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(strands[i].thread, NULL);
		if (strands[i].status && !status) {
			*why = strands[i].why;
			status = failed(why, "stream %d", i + 1);
		}
	}
	return status ? -1 : 0;
}

static int all_at_once(struct perf_run *p, struct strand *strands, struct perf_results *r,
		       struct why *why)
{
	for (int64_t n = 0; n < p->volume.multi_repeats; n++) {
		uint64_t bytes = 2 * strands[0].stream.bytes, begin = UINT64_MAX, end = 0;

		if (run_strands(strands, why))
			return failed(why, "multistream transfer %lld", (long long)n + 1);
		for (int i = 0; i < BENCHMARK_STREAMS; i++) {
			const struct round_trip *t = &strands[i].trip;

			append(&r->multi, rate(bytes, t->end - t->begin));
			begin = t->begin < begin ? t->begin : begin;
			end = t->end > end ? t->end : end;
		}
		append(&r->multi_sum, rate(BENCHMARK_STREAMS * bytes, end - begin));
		progress(p, "", n + 1, "multistream round trip throughput measurements",
			 p->volume.multi_repeats);
	}
	return 0;
}

static int measure_multi(struct perf_run *p, struct perf_results *r, struct why *why)
{
	struct strand strands[BENCHMARK_STREAMS] = {0};
	int status = 0;

	for (int i = 0; i < BENCHMARK_STREAMS && !status; i++)
		status = prepare(&strands[i].stream, p, SOCKET_MULTI + i, why);
	if (!status)
		status = await_magics(p, MAGIC_MULTI, BENCHMARK_STREAMS, why) ||
			 all_at_once(p, strands, r, why);
	for (int i = 0; i < BENCHMARK_STREAMS; i++)
		stream_release(&strands[i].stream);
	return status ? -1 : 0;
}

/*
 * Nothing more comes on any connection, until the guest has closed it or the time is over: what is
 * too much was measured as a part of something else.
 */
static int see_the_end(struct perf_run *p, struct why *why)
{
	deadline_t deadline = deadline_in_ms(p->magic_limit_ms);

	for (int i = 0; i < SOCKETS; i++)
		shutdown(p->fds[i], SHUT_WR);
	for (int i = 0; i < SOCKETS; i++) {
		struct why unused;
		char byte;

		if (transport_wait(p->fds[i], POLLIN, deadline, &unused) ||
		    recv(p->fds[i], &byte, 1, MSG_DONTWAIT) <= 0)
			continue;
		why_set(why, "the guest sent more than it should from its port %u",
			BENCHMARK_GUEST_PORT(i));
		return -1;
	}
	return 0;
}

int perf_measure(struct perf_run *p, struct perf_results *r, struct why *why)
{
	for (int i = SOCKET_UNIDIRECTIONAL; i < SOCKETS; i++)
		if (stream_set_buffer(p->fds[i], (uint64_t)p->volume.buffer, why))
			return -1;
	return measure_latency(p, r, why) || measure_bidirectional(p, r, why) ||
	       measure_single(p, r, why) || measure_multi(p, r, why) || see_the_end(p, why)
		       ? -1 : 0;
}

#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocking.h"

#define BATCH_MAGIC 0x5941574e4f314b42ull
#define MOST_MESSAGES 100000000u
#define LIMIT_MS 10000

enum batch_answer {
	BATCH_REFUSED,		/* our counter is not invariant */
	BATCH_ACCEPTED,
};

/* Little-endian, as all machines that KVM and Xen run this on. */
struct batch_header {
	uint64_t magic;
	uint32_t count;
	uint32_t size;
	uint32_t counter;
	uint32_t answer;	/* from the server, which sends all of it back */
};

/* 1: go on; 0: the client has left; -1. */
static int receive_header(int fd, bool trust, struct batch_header *header, struct why *why)
{
	struct stamp_clock clock;
	ssize_t n = blocking_read_until(fd, header, sizeof(*header), deadline_in_ms(LIMIT_MS),
					why);

	if (n <= 0)
		return (int)n;
	if (header->magic != BATCH_MAGIC || !header->count || header->count > MOST_MESSAGES ||
	    header->size < SMALLEST_MESSAGE || header->size > LARGEST_MESSAGE) {
		why_set(why, "this is no 'oneway compare' of our version");
		return -1;
	}
	header->answer = header->counter && stamp_clock_choose(&clock, "tsc", trust, why)
				 ? BATCH_REFUSED : BATCH_ACCEPTED;
	if (blocking_write(fd, header, sizeof(*header), why))
		return -1;
	return header->answer == BATCH_ACCEPTED ? 1 : -1;
}

static int serve_batch(int fd, bool trust, struct why *why)
{
	struct stamp_clock clock = {0};
	struct exchange_plan plan = {.clock = &clock, .limit_ms = LIMIT_MS};
	struct batch_header header;
	struct exchange e;
	int status;

	if (blocking_begin(fd, LIMIT_MS, why))
		return -1;
	status = receive_header(fd, trust, &header, why);
	if (status <= 0)
		return status;
	clock.counter = header.counter;
	plan.count = header.count;
	plan.size = header.size;
	if (exchange_new(&e, plan.count, why))
		return -1;
	status = exchange_serve(fd, &plan, &e, why);
	if (!status)
		status = blocking_write(fd, e.received, plan.count * sizeof(*e.received), why);
	exchange_free(&e);
	return status;
}

int batch_serve(int listener, uint64_t idle_ms, bool trust, struct why *why)
{
	for (;;) {
		deadline_t patience = deadline_in_ms(idle_ms);
		int fd = transport_accept(listener, NULL, patience, why);

		if (fd < 0)
			return deadline_passed(patience) ? 0 : -1;
		if (serve_batch(fd, trust, why) < 0)
			fprintf(stderr, "oneway: a comparison broke off: %s\n", why->text);
		close(fd);
	}
}

static int introduce(int fd, const struct exchange_plan *plan, struct why *why)
{
	struct batch_header header = {
		.magic = BATCH_MAGIC,
		.count = (uint32_t)plan->count,
		.size = (uint32_t)plan->size,
		.counter = plan->clock->counter,
	}, answer;

	if (blocking_begin(fd, plan->limit_ms, why) ||
	    blocking_write(fd, &header, sizeof(header), why) ||
	    blocking_read_until(fd, &answer, sizeof(answer), deadline_in_ms(plan->limit_ms),
				why) <= 0)
		return -1;
	if (answer.magic != BATCH_MAGIC || answer.count != header.count) {
		why_set(why, "the peer is no 'oneway serve' of our version");
		return -1;
	}
	if (answer.answer != BATCH_ACCEPTED) {
		why_set(why, "the server's time stamp counter is not invariant; use "
			"--clock=monotonic, or --trust-tsc there");
		return -1;
	}
	return 0;
}

/* `arrived`: when the messages arrived, by the server's clock. */
static int fill(const struct exchange *e, const uint64_t *arrived, bool same_clock,
		struct batch_result *result, double *one_way, double *round_trip, struct why *why)
{
	struct offset_bounds b = offset_bound(e->sent, arrived, e->done, e->received, e->done);
	int64_t offset = same_clock ? 0 : offset_middle(&b);

	if (b.low > b.high) {
		why_set(why, "the two machines' clocks moved against each other; take more rounds of "
			"fewer messages");
		return -1;
	}
	result->error = same_clock ? 0 : offset_error(&b);
	for (size_t i = 0; i < e->done; i++) {
		double there = (double)((int64_t)(arrived[i] - e->sent[i]) + offset);
		double back = (double)(int64_t)(e->received[i] - e->sent[i]);

		if (!i) {
			result->first_one_way = there;
			result->first_round_trip = back;
		} else {
			one_way[i - 1] = there;
			round_trip[i - 1] = back;
		}
	}
	return 0;
}

static int exchange_batch(int fd, const struct exchange_plan *plan, struct exchange *e,
			  uint64_t *arrived, struct why *why)
{
	if (introduce(fd, plan, why) || exchange_ask(fd, plan, e, why))
		return -1;
	return blocking_read(fd, arrived, plan->count * sizeof(*arrived), why) > 0 ? 0 : -1;
}

int batch_ask(const struct address *to, const struct exchange_plan *plan, bool same_clock,
	      struct batch_result *result, double *one_way, double *round_trip, struct why *why)
{
	uint64_t *arrived = calloc(plan->count, sizeof(*arrived));
	struct exchange e = {0};
	int fd, status = -1;

	if (!arrived || exchange_new(&e, plan->count, why)) {
		why_set(why, "no memory for a batch of %zu messages", plan->count);
		free(arrived);
		return -1;
	}
	fd = transport_connect_patiently(to, NULL, SOCK_STREAM, deadline_in_ms(plan->limit_ms),
					 why);
	if (fd >= 0) {
		status = exchange_batch(fd, plan, &e, arrived, why);
		close(fd);
	}
	if (!status)
		status = fill(&e, arrived, same_clock, result, one_way, round_trip, why);
	exchange_free(&e);
	free(arrived);
	return status;
}

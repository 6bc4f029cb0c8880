#include "exchange.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "blocking.h"
#include "watchdog.h"

#define ANSWER 's'

int exchange_new(struct exchange *e, size_t count, struct why *why)
{
	size_t bytes = count * sizeof(uint64_t);

	*e = (struct exchange){malloc(bytes), malloc(bytes), malloc(bytes), 0, 0};
	if (!e->sent || !e->intended || !e->received) {
		exchange_free(e);
		why_set(why, "no memory for the stamps of %zu messages; ask for fewer with -n",
			count);
		return -1;
	}
	/* Not zero: the kernel may give out zeroed pages only when they are touched. */
	memset(e->sent, 1, bytes);
	memset(e->intended, 1, bytes);
	memset(e->received, 1, bytes);
	return 0;
}

void exchange_free(struct exchange *e)
{
	free(e->sent);
	free(e->intended);
	free(e->received);
	*e = (struct exchange){0};
}

static void notice_migration(struct exchange *e, int *cpu)
{
	int now = sched_getcpu();

	if (*cpu >= 0 && now != *cpu)
		e->migrations++;
	*cpu = now;
}

static void *new_message(const struct exchange_plan *plan, struct why *why)
{
	void *message = calloc(1, plan->size);

	if (!message)
		why_set(why, "no memory for a message of %zu bytes", plan->size);
	return message;
}

/* TCP must not hold a message back until the one before is acknowledged. */
static void begin(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void advance(struct exchange *e)
{
	__atomic_store_n(&e->done, e->done + 1, __ATOMIC_RELAXED);
}

typedef int exchange_loop(int fd, const struct exchange_plan *plan, struct exchange *e,
			  uint64_t *message, struct why *why);

/* Messages whose waits have no timers: a watchdog ends what hangs. */
static int run_watched(exchange_loop *loop, int fd, const struct exchange_plan *plan,
		       struct exchange *e, uint64_t *message, struct why *why)
{
	struct watchdog dog;
	int status;

	if (blocking_begin(fd, 0, why) ||
	    watchdog_start(&dog, fd, &e->done, plan->limit_ms, why))
		return -1;
	status = loop(fd, plan, e, message, why);
	if (watchdog_stop(&dog) && status)
		watchdog_explain(why);
	return status || blocking_begin(fd, plan->limit_ms, why) ? -1 : 0;
}

static int serve(int fd, const struct exchange_plan *plan, struct exchange *e,
		 uint64_t *message, struct why *why)
{
	const char answer = ANSWER;
	int cpu = -1;

	for (size_t i = 0; i < plan->count; i++) {
		if (blocking_read(fd, message, plan->size, why) <= 0)
			return -1;
		/* Before the answer: it is no part of the way here. */
		e->received[i] = stamp_end(plan->clock);
		if (blocking_write(fd, &answer, 1, why))
			return -1;
		e->sent[i] = message[0];
		e->intended[i] = plan->size >= SMALLEST_OPEN_MESSAGE ? message[1] : 0;
		advance(e);
		notice_migration(e, &cpu);
	}
	return 0;
}

int exchange_serve(int fd, const struct exchange_plan *plan, struct exchange *e, struct why *why)
{
	uint64_t *message = new_message(plan, why);
	int status = -1;

	begin(fd);
	if (message)
		status = run_watched(serve, fd, plan, e, message, why);
	free(message);
	return status;
}

static int check_answer(char answer, struct why *why)
{
	if (answer == ANSWER)
		return 0;
	why_set(why, "the peer answered with the byte %d, not with '%c'; it is no server of "
		"oneway, or takes messages of another size", (unsigned char)answer, ANSWER);
	return -1;
}

/* Else the next message would have its answer before it is sent, and fast. */
static int answered_twice(struct why *why)
{
	why_set(why, "the peer gave more answers than it had messages; it takes shorter ones");
	return -1;
}

/* One after the other: the next message is sent when the answer is here. */
static int ask_closed(int fd, const struct exchange_plan *plan, struct exchange *e,
		      uint64_t *message, struct why *why)
{
	int cpu = -1;

	for (size_t i = 0; i < plan->count; i++) {
		bool last = i + 1 == plan->count;	/* of a comparison: stamps follow it */
		char answers[2];
		ssize_t n;

		message[0] = e->sent[i] = stamp_begin(plan->clock);
		if (blocking_write(fd, message, plan->size, why))
			return -1;
		n = recv(fd, answers, last ? 1 : 2, 0);
		if (n < 1 && blocking_read(fd, answers, 1, why) <= 0)
			return -1;
		e->received[i] = stamp_end(plan->clock);
		e->intended[i] = 0;
		if (check_answer(answers[0], why) || (n > 1 && answered_twice(why)))
			return -1;
		advance(e);
		notice_migration(e, &cpu);
	}
	return 0;
}

/* Wait for an answer, at most until `moment`: 1 when there is one, 0 when it is time, -1. */
static int wait_answer(int fd, uint64_t moment_ns, struct why *why)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = clock_ns(), left = moment_ns > now ? moment_ns - now : 0;
	struct timespec limit = {left / NS_PER_S, left % NS_PER_S};
	int n = ppoll(&p, 1, &limit, NULL);

	if (n < 0 && errno != EINTR) {
		why_errno(why, errno, "poll");
		return -1;
	}
	return n > 0;
}

/* Take one answer, of which `sent` are due in all. */
static int take_answer(int fd, const struct exchange_plan *plan, struct exchange *e, size_t sent,
		       struct why *why)
{
	char answer;

	if (blocking_read(fd, &answer, 1, why) <= 0)
		return -1;
	if (e->done == sent)
		return answered_twice(why);
	e->received[e->done++] = stamp_end(plan->clock);
	return check_answer(answer, why);
}

/*
 * On schedule, whether answers have come or not: a stall of the peer delays the
 * answers to all that should have been sent meanwhile, as it would in real use.
 */
static int ask_open(int fd, const struct exchange_plan *plan, struct exchange *e,
		    uint64_t *message, struct why *why)
{
	double ns_each = NS_PER_S / plan->rate;
	double stamps_each = plan->clock->rate.hz / plan->rate;
	uint64_t start_ns = clock_ns(), start = stamp_begin(plan->clock);
	uint64_t heard_ns = start_ns;
	size_t next = 0;
	int cpu = -1;

	while (e->done < plan->count) {
		uint64_t due = start_ns + (uint64_t)llround((double)next * ns_each);
		uint64_t given_up = heard_ns + plan->limit_ms * NS_PER_MS;
		bool all_sent = next == plan->count;
		int ready = wait_answer(fd, all_sent || given_up < due ? given_up : due, why);

		if (ready < 0 || (ready && take_answer(fd, plan, e, next, why)))
			return -1;
		if (ready || e->done == next)
			heard_ns = clock_ns();
		if (!ready && clock_ns() >= given_up && e->done < next) {
			why_set(why, "no answer to message %zu within the time limit", e->done + 1);
			return -1;
		}
		if (all_sent || clock_ns() < due)
			continue;
		message[1] = e->intended[next] =
			start + (uint64_t)llround((double)next * stamps_each);
		message[0] = e->sent[next] = stamp_begin(plan->clock);
		if (blocking_write(fd, message, plan->size, why))
			return -1;
		next++;
		notice_migration(e, &cpu);
	}
	return 0;
}

int exchange_ask(int fd, const struct exchange_plan *plan, struct exchange *e, struct why *why)
{
	uint64_t *message = new_message(plan, why);
	int status = -1;

	begin(fd);
	/* Timers as exact as the kernel can: it may be 50 us late otherwise. */
	prctl(PR_SET_TIMERSLACK, 1);
	if (message && plan->rate > 0)
		status = blocking_begin(fd, plan->limit_ms, why) ||
			 ask_open(fd, plan, e, message, why) ? -1 : 0;
	else if (message)
		status = run_watched(ask_closed, fd, plan, e, message, why);
	free(message);
	return status;
}

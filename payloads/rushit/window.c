#include "window.h"

#include <stdlib.h>

#include "clock.h"
#include "figures.h"

static uint64_t look(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct totals sum_up(const struct window *window, uint64_t *bytes)
{
	struct totals sum = {.ns = clock_ns()};

	for (int i = 0; i < window->count; i++) {
		const struct counters *c = &window->workers[i]->counters;
		uint64_t bytes_read = look(&c->bytes_read), written = look(&c->bytes_written);

		sum.transactions += look(&c->transactions);
		sum.bytes_read += bytes_read;
		sum.bytes_written += written;
		sum.lost += look(&c->lost);
		sum.send_errors += look(&c->send_errors);
		sum.copied += look(&c->copied);
		if (bytes)
			bytes[i] = payload_bytes(window->run->settings, bytes_read, written);
	}
	return sum;
}

static struct totals difference(const struct totals *from, const struct totals *to)
{
	struct totals d = {
		.ns = to->ns - from->ns,
		.transactions = to->transactions - from->transactions,
		.bytes_read = to->bytes_read - from->bytes_read,
		.bytes_written = to->bytes_written - from->bytes_written,
		.lost = to->lost - from->lost,
		.send_errors = to->send_errors - from->send_errors,
		.copied = to->copied - from->copied,
	};

	return d;
}

int window_init(struct window *window, struct run *run, struct worker *const *workers, int count)
{
	window->run = run;
	window->workers = workers;
	window->count = count;
	window->bytes_begin = calloc((size_t)count, sizeof(uint64_t));
	window->bytes_end = calloc((size_t)count, sizeof(uint64_t));
	getrusage(RUSAGE_SELF, &window->before);
	window->after = window->before;
	return window->bytes_begin && window->bytes_end ? 0 : -1;
}

void window_free(struct window *window)
{
	free(window->bytes_begin);
	free(window->bytes_end);
}

/* What the series follows: transactions, or bytes where nothing else is counted. */
static double work(const struct totals *t, const struct settings *s)
{
	return settings_unit(s) ? (double)t->transactions
				: (double)payload_bytes(s, t->bytes_read,
							t->bytes_written);
}

static void add_point(struct window *window, const struct totals *now)
{
	series_add(&window->series, (double)(now->ns - window->begin.ns) / NS_PER_S,
		   work(now, window->run->settings));
}

void window_begin(struct window *window)
{
	getrusage(RUSAGE_SELF, &window->before);
	window->cpu_ns = clock_process_cpu_ns();
	window->begin = sum_up(window, window->bytes_begin);
	window->end = window->last = window->begin;
	add_point(window, &window->begin);
}

/* Flows at one time; on a server of short connections flows_open counts all that ever were. */
static long flows(const struct run *run)
{
	bool short_lived = run->settings->kind == KIND_CRR && !run->settings->client;

	return atomic_load(short_lived ? &run->flows_due : &run->flows_open);
}

static struct totals advance(struct window *window, const struct totals *now)
{
	struct totals d = difference(&window->last, now);

	add_point(window, now);
	window->flow_samples += (uint64_t)flows(window->run);
	window->last = *now;
	return d;
}

struct totals window_interval(struct window *window, double *seconds)
{
	struct totals now = sum_up(window, NULL);
	struct totals d = advance(window, &now);

	*seconds = (double)d.ns / NS_PER_S;
	return d;
}

void window_end(struct window *window)
{
	window->end = sum_up(window, window->bytes_end);
	window->cpu_ns = clock_process_cpu_ns() - window->cpu_ns;
	getrusage(RUSAGE_SELF, &window->after);
	advance(window, &window->end);
}

struct totals window_done(const struct window *window)
{
	return difference(&window->begin, &window->end);
}

double window_seconds(const struct window *window)
{
	return (double)(window->end.ns - window->begin.ns) / NS_PER_S;
}

struct tally window_tally(const struct window *window)
{
	struct totals d = window_done(window);
	struct tally tally = {
		.elapsed_ns = d.ns,
		.transactions = d.transactions,
		.bytes_read = d.bytes_read,
		.bytes_written = d.bytes_written,
		.cpu_ns = window->cpu_ns,
	};

	return tally;
}

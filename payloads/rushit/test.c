#include "test.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exits.h"
#include "log.h"
#include "progress.h"
#include "report.h"
#include "sampler.h"

#define KICK_MS 5
#define STOP_LIMIT_MS 30000
#define READY_LIMIT_MS 120000
#define LEAST_INTERVALS 10

bool run_spreads_ports(const struct settings *s)
{
	if (s->transport != TRANSPORT_INET)
		return true;
	return s->socket_type == SOCK_DGRAM && !s->reuseport;
}

int test_fail(struct test *t, int status, const char *text, ...)
{
	va_list words;

	if (t->status)
		return -1;
	t->status = status;
	va_start(words, text);
	vsnprintf(t->problem.text, sizeof(t->problem.text), text, words);
	va_end(words);
	return -1;
}

static void report_failed_worker(struct test *t)
{
	for (int i = 0; i < t->started; i++) {
		const struct worker *w = t->workers[i];

		if (w->problem.text[0])
			test_fail(t, w->script_failed ? EXIT_FAIL : EXIT_ERROR, "%s",
				  w->problem.text);
	}
}

/* Each flow needs an open file. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void share_flows(struct test *t, struct worker *w)
{
	const struct settings *s = t->settings;
	uint32_t each = (uint32_t)(s->num_flows / s->num_threads);
	uint32_t more = (uint32_t)(s->num_flows % s->num_threads);
	uint32_t index = (uint32_t)w->index;

	w->flows_wanted = each + (index < more);
	w->first_id = index * each + (index < more ? index : more);
}

int test_start_workers(struct test *t)
{
	const struct settings *s = t->settings;
	int count = (int)s->num_threads;
	uint64_t limit = deadline_in_ms(READY_LIMIT_MS);
	struct why why;

	raise_file_limit();
	t->workers = calloc((size_t)count, sizeof(struct worker *));
	if (!t->workers)
		return test_fail(t, EXIT_ERROR, "no memory for %d threads", count);
	for (; t->started < count; t->started++) {
		struct worker *w = worker_new(&t->run, t->started, &why);

		if (!w)
			return test_fail(t, EXIT_ERROR, "%s", why.text);
		share_flows(t, w);
		t->workers[t->started] = w;
		if (worker_start(w, &why)) {
			worker_free(w);
			return test_fail(t, EXIT_ERROR, "%s", why.text);
		}
	}
	while (atomic_load(&t->run.workers_ready) < count) {
		enum event event = test_wait(t, limit);

		if (event == EVENT_TIME)
			return test_fail(t, EXIT_ERROR, "not all flows could be opened within %d s",
					 READY_LIMIT_MS / 1000);
		if (event != EVENT_NEWS)
			return -1;
	}
	if (atomic_load(&t->run.workers_failed)) {
		report_failed_worker(t);
		return -1;
	}
	if (window_init(&t->window, &t->run, t->workers, count))
		return test_fail(t, EXIT_ERROR, "no memory for the counters");
	return 0;
}

static void take_message(struct test *t, struct control_peer *peer, const struct message *m)
{
	log_note("message %d from the peer", m->type);
	if (m->type == MESSAGE_START && !t->settings->client) {
		peer->started = true;
	} else if ((m->type == MESSAGE_STOP && !t->settings->client) ||
		   (m->type == MESSAGE_RESULT && t->settings->client)) {
		peer->stopped = true;
		peer->interrupted = !strcmp(m->text, MESSAGE_INTERRUPTED);
		peer->tally = m->tally;
		t->result_came = m->type == MESSAGE_RESULT;
	} else {
		test_fail(t, EXIT_ERROR, "the peer sent message %d at the wrong time", m->type);
	}
}

/* False when the peer is gone before its time. */
static bool hear_peer(struct test *t, struct control_peer *peer)
{
	struct message m;
	struct why why;
	int status = control_receive(peer, &m, (uint32_t)t->settings->magic, &why);

	if (status > 0)
		take_message(t, peer, &m);
	if (status < 0) {
		control_close(peer);
		if (!peer->stopped)
			test_fail(t, EXIT_ERROR, "in mid-run %s; what was measured until then is "
				  "printed", why.text);
	}
	return !t->status;
}

enum event test_wait(struct test *t, uint64_t moment_ns)
{
	struct pollfd *waiting = calloc((size_t)t->peer_count + 1, sizeof(*waiting));
	uint64_t now = clock_ns();
	uint64_t left = moment_ns > now ? moment_ns - now : 0;
	struct timespec limit = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
	enum event event = EVENT_TIME;

	if (!waiting) {
		test_fail(t, EXIT_ERROR, "no memory to wait");
		return EVENT_TROUBLE;
	}
	for (int i = 0; i < t->peer_count; i++)
		waiting[i] = (struct pollfd){.fd = t->peers[i].fd, .events = POLLIN};
	waiting[t->peer_count] = (struct pollfd){.fd = interrupt_fd(), .events = POLLIN};
	if (ppoll(waiting, (nfds_t)t->peer_count + 1, &limit, NULL) > 0) {
		event = EVENT_NEWS;
		if (waiting[t->peer_count].revents)
			interrupt_clear();
	}
	/* Before the peers: one of them may have left because a thread of ours failed. */
	if (atomic_load(&t->run.workers_failed) && !atomic_load(&t->run.stopping)) {
		report_failed_worker(t);
		event = EVENT_TROUBLE;
	}
	for (int i = 0; event == EVENT_NEWS && i < t->peer_count; i++)
		if (waiting[i].revents && !hear_peer(t, &t->peers[i]))
			event = EVENT_TROUBLE;
	free(waiting);
	if (event != EVENT_TROUBLE && interrupted() && !t->interrupted) {
		t->interrupted = true;
		return EVENT_INTERRUPT;
	}
	return event;
}

static bool known_well_enough(const struct test *t)
{
	const struct series *series = &t->window.series;

	return t->settings->until > 0 && series->intervals >= LEAST_INTERVALS &&
	       series_uncertainty(series) <= t->settings->until;
}

static void end_interval(struct test *t)
{
	double seconds;
	struct totals done = window_interval(&t->window, &seconds);

	atomic_fetch_add(&t->run.tick, 1);
	/* A worker that sleeps could not take its samples. */
	for (int i = 0; t->settings->all_samples && i < t->started; i++)
		worker_kick(t->workers[i]);
	progress_interval(t, &done, seconds);
	t->until_reached = known_well_enough(t);
}

int test_measure(struct test *t, double length_s, bool (*over)(struct test *t))
{
	uint64_t interval = (uint64_t)(t->settings->interval * NS_PER_S);
	uint64_t begin, end, tick;

	window_begin(&t->window);
	atomic_store(&t->run.measuring, true);
	begin = t->window.begin.ns;
	end = begin + (uint64_t)(length_s * NS_PER_S);
	tick = begin + interval;
	while (!over(t) && !t->until_reached) {
		enum event event = test_wait(t, tick < end ? tick : end);

		if (event == EVENT_TROUBLE || event == EVENT_INTERRUPT)
			break;
		if (clock_ns() >= end)
			break;
		if (clock_ns() >= tick) {
			end_interval(t);
			tick += interval;
		}
	}
	atomic_store(&t->run.measuring, false);
	window_end(&t->window);
	atomic_store(&t->run.measured_ns, t->window.end.ns);
	progress_end(t);
	t->measured = true;
	return t->status ? -1 : 0;
}

static void open_gate(struct test *t, atomic_bool *flag)
{
	pthread_mutex_lock(&t->run.gate);
	atomic_store(flag, true);
	pthread_cond_broadcast(&t->run.gate_moves);
	pthread_mutex_unlock(&t->run.gate);
}

void test_go(struct test *t)
{
	open_gate(t, &t->run.go);
}

/* What a thread still uses cannot be freed: say all that there is to say, and end here. */
_Noreturn static void leave_stuck(struct test *t)
{
	static const char text[] = "a thread does not end; a script's hook that never returns?";

	if (t->status)
		fprintf(stderr, "%s: %s\n", t->settings->program, t->problem.text);
	test_fail(t, EXIT_ERROR, "%s", text);
	fprintf(stderr, "%s: %s\n", t->settings->program, text);
	if (t->settings->json)
		report_json(t, stdout);
	else if (t->measured)
		report_keys(t, stdout);
	fflush(stdout);
	_exit(EXIT_ERROR);
}

void test_stop_workers(struct test *t)
{
	deadline_t limit = deadline_in_ms(STOP_LIMIT_MS);

	open_gate(t, &t->run.stopping);
	while (atomic_load(&t->run.workers_ended) < t->started) {
		struct pollfd wait = {.fd = interrupt_fd(), .events = POLLIN};

		for (int i = 0; i < t->started; i++)
			worker_kick(t->workers[i]);
		/* A signal comes too early for who is just about to sleep: come again. */
		poll(&wait, 1, KICK_MS);
		interrupt_clear();
		if (deadline_passed(limit))
			leave_stuck(t);
	}
}

/* They close their sockets, and a script's hook may have a part in that. */
static void join_workers(struct test *t)
{
	deadline_t limit = deadline_in_ms(STOP_LIMIT_MS);

	open_gate(t, &t->run.closing);
	for (int i = 0; i < t->started; i++)
		if (!worker_join(t->workers[i], limit))
			leave_stuck(t);
}

static void merge_latencies(struct test *t)
{
	for (int i = 0; i < t->started; i++) {
		if (!t->workers[i]->latency)
			return;
		t->unanswered += t->workers[i]->unanswered;
		if (!t->latency) {
			t->latency = t->workers[i]->latency;
			t->workers[i]->latency = NULL;
		} else {
			histogram_merge(t->latency, t->workers[i]->latency);
		}
	}
}

static void merge_samples(struct test *t)
{
	struct sampler **samplers = calloc((size_t)t->started + 1, sizeof(*samplers));
	struct why why;

	for (int i = 0; samplers && i < t->started; i++)
		samplers[i] = t->workers[i]->sampler;
	t->sample_rows = samplers ? sampler_merge(t->settings, samplers, t->started, &why) : -1;
	if (t->sample_rows < 0)
		test_fail(t, EXIT_ERROR, "%s", samplers ? why.text : "no memory for samples");
	free(samplers);
}

static void sum_peers(struct test *t)
{
	for (int i = 0; i < t->peer_count; i++) {
		const struct tally *tally = &t->peers[i].tally;

		t->peer_known = t->peer_known || t->peers[i].stopped;
		t->interrupted = t->interrupted || t->peers[i].interrupted;
		t->peer.transactions += tally->transactions;
		t->peer.bytes_read += tally->bytes_read;
		t->peer.bytes_written += tally->bytes_written;
		t->peer.cpu_ns += tally->cpu_ns;
		if (tally->elapsed_ns > t->peer.elapsed_ns)
			t->peer.elapsed_ns = tally->elapsed_ns;
	}
}

int test_run(void *context, struct script *script)
{
	struct test *t = context;

	t->run.settings = t->settings;
	t->run.script = script;
	atomic_store(&t->run.flows_due, -1);
	pthread_mutex_init(&t->run.gate, NULL);
	pthread_cond_init(&t->run.gate_moves, NULL);
	if (t->settings->client)
		test_client(t);
	else
		test_server(t);
	test_stop_workers(t);
	join_workers(t);
	report_failed_worker(t);
	merge_latencies(t);
	if (t->settings->all_samples && t->measured)
		merge_samples(t);
	sum_peers(t);
	if (t->measured && !t->status)
		test_check_traffic(t);
	if (t->problem.text[0])
		fprintf(stderr, "%s: %s\n", t->settings->program, t->problem.text);
	return t->status;
}

void test_free(struct test *t)
{
	for (int i = 0; i < t->started; i++)
		worker_free(t->workers[i]);
	for (int i = 0; i < t->peer_count; i++)
		control_close(&t->peers[i]);
	if (t->window.workers)
		window_free(&t->window);
	histogram_free(t->latency);
	free(t->workers);
	free(t->peers);
}

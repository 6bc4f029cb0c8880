#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "endpoint_socket.h"
#include "exits.h"
#include "log.h"
#include "test.h"

/*
 * What a run may take beyond its own length, at most (less with less --patience):
 * connecting, stopping, a slow machine.
 */
#define GRACE_S 130
#define FAREWELL_MS 3000

static int listen_for_data(struct test *t, int *control, struct endpoint *control_at)
{
	const struct settings *s = t->settings;
	struct why why;

	*control = control_listen(s, &t->run.server, &why);
	if (*control < 0) {
		/* Without a transport nothing can be tested; everything else is a mistake. */
		bool in_use = errno == EADDRINUSE;
		bool absent = s->transport == TRANSPORT_VSOCK && !vsock_usable(UINT32_MAX, &why);

		return test_fail(t, absent ? EXIT_SKIP : EXIT_ERROR, "%s%s", why.text,
				 in_use ? "; is another server running?" : "");
	}
	endpoint_copy(control_at, &t->run.server);
	t->run.server.info.ai_socktype = s->socket_type;
	t->run.server.info.ai_protocol = 0;
	if (endpoint_move(&t->run.server, s, s->port, 0, &why))
		return test_fail(t, EXIT_ERROR, "%s", why.text);
	if (!run_spreads_ports(s) && socket_probe(&t->run.server, &why))
		return test_fail(t, EXIT_ERROR, "%s", why.text);
	return test_start_workers(t);
}

static struct message message_of(const struct test *t, enum message_type type)
{
	const struct settings *s = t->settings;
	struct message m = {
		.type = type,
		.magic = (uint32_t)s->magic,
		.kind = s->kind,
		.threads = run_spreads_ports(s) ? (uint32_t)s->num_threads : 1,
		.flows = 1,
	};

	return m;
}

/* True when all could be told. */
static bool tell_all(struct test *t, const struct message *m)
{
	bool told = true;

	for (int i = 0; i < t->peer_count; i++) {
		struct why why;

		if (t->peers[i].fd < 0 || control_send(&t->peers[i], m, &why))
			told = false;
	}
	return told;
}

static int welcome_clients(struct test *t, int control)
{
	const struct settings *s = t->settings;
	struct message welcome = message_of(t, MESSAGE_WELCOME);
	struct why why;
	long flows = 0;
	int status;

	t->peers = calloc((size_t)s->num_clients, sizeof(*t->peers));
	if (!t->peers)
		return test_fail(t, EXIT_ERROR, "no memory for %lld clients",
				 (long long)s->num_clients);
	status = control_gather(s, control, t->peers, &t->seen, &why);
	if (status)
		return test_fail(t, EXIT_ERROR, "%s", why.text[0] ? why.text :
				 "interrupted before a client came");
	t->peer_count = (int)s->num_clients;
	for (int i = 0; i < t->peer_count; i++)
		flows += t->peers[i].hello.flows;
	for (int i = 0; i < t->started; i++)
		if (t->workers[i]->listener)
			socket_widen_backlog(t->workers[i]->listener, flows);
	atomic_store(&t->run.flows_due, flows);
	if (!tell_all(t, &welcome))
		return test_fail(t, EXIT_ERROR, "a client went away while it was welcomed");
	return 0;
}

static bool all_started(const struct test *t)
{
	for (int i = 0; i < t->peer_count; i++)
		if (!t->peers[i].started)
			return false;
	return true;
}

static bool one_stopped(struct test *t)
{
	for (int i = 0; i < t->peer_count; i++)
		if (t->peers[i].stopped)
			return true;
	return false;
}

static bool all_stopped(const struct test *t)
{
	for (int i = 0; i < t->peer_count; i++)
		if (!t->peers[i].stopped)
			return false;
	return true;
}

static bool all_hung_up(const struct test *t)
{
	for (int i = 0; i < t->peer_count; i++)
		if (t->peers[i].fd >= 0)
			return false;
	return true;
}

/*
 * A client hangs up when its threads have ended.  Flows that are closed before that reset
 * under its hands: a script that checks its writes would call that an error.
 */
static void wait_for_hanging_up(struct test *t)
{
	deadline_t limit = deadline_in_ms(FAREWELL_MS);

	while (!all_hung_up(t) && !deadline_passed(limit))
		if (test_wait(t, limit) == EVENT_TROUBLE)
			return;
}

static double longest_run_s(const struct test *t)
{
	double longest = 0;

	for (int i = 0; i < t->peer_count; i++)
		if (t->peers[i].hello.run_seconds > longest)
			longest = t->peers[i].hello.run_seconds;
	return longest + (t->settings->patience < GRACE_S ? (double)t->settings->patience
							   : GRACE_S);
}

static int too_late(struct test *t, double seconds, const char *what)
{
	return test_fail(t, EXIT_ERROR, "a client did not say within %.0f s that it %s", seconds,
			 what);
}

/* 0 when it came to pass in time. */
static int wait_until(struct test *t, bool (*true_now)(const struct test *t), double seconds,
		      const char *what)
{
	uint64_t limit = clock_ns() + (uint64_t)(seconds * NS_PER_S);

	while (!true_now(t)) {
		enum event event = test_wait(t, limit);

		if (event == EVENT_TIME)
			return too_late(t, seconds, what);
		if (event == EVENT_INTERRUPT && !t->measured)
			return test_fail(t, EXIT_ERROR, "interrupted before measuring began");
		if (event == EVENT_TROUBLE)
			return -1;
	}
	return 0;
}

static int serve(struct test *t)
{
	double limit = longest_run_s(t);
	struct message result = message_of(t, MESSAGE_RESULT);

	if (wait_until(t, all_started, limit, "began to measure"))
		return -1;
	if (test_measure(t, limit, one_stopped))
		return -1;
	result.tally = window_tally(&t->window);
	if (t->interrupted) {
		/* The clients hear of it while their flows are still open. */
		tell_all(t, &result);
		wait_until(t, all_stopped, FAREWELL_MS / 1000.0, "ended");
		return 0;
	}
	if (!one_stopped(t))
		return too_late(t, limit, "ended");
	if (wait_until(t, all_stopped, limit, "ended"))
		return -1;
	test_stop_workers(t);
	if (!tell_all(t, &result))
		log_note("a client went away before it had the result");
	wait_for_hanging_up(t);
	return 0;
}

int test_server(struct test *t)
{
	struct endpoint control_at;
	int control = -1;
	int status = listen_for_data(t, &control, &control_at);

	if (!status)
		status = welcome_clients(t, control);
	/* Nobody else may come: the ancestor closed it here as well. */
	if (control >= 0) {
		close(control);
		endpoint_unlink(&control_at);
	}
	return status ? -1 : serve(t);
}

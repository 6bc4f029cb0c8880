#include <stdlib.h>
#include <string.h>

#include "exits.h"
#include "log.h"
#include "test.h"

static int join_server(struct test *t)
{
	const struct settings *s = t->settings;
	struct message welcome;
	struct why why;
	int status;

	t->peers = calloc(1, sizeof(*t->peers));
	if (!t->peers)
		return test_fail(t, EXIT_ERROR, "no memory for the control connection");
	t->peers[0].fd = -1;
	status = control_join(s, &t->peers[0], &t->run.server, &welcome, &why);
	if (status == -2)
		return test_fail(t, EXIT_SKIP, "%s", why.text);
	if (status)
		return test_fail(t, EXIT_ERROR, "%s", why.text[0] ? why.text :
				 "interrupted before the test began");
	t->peer_count = 1;
	t->run.server.info.ai_socktype = s->socket_type;
	t->run.server.info.ai_protocol = 0;
	t->run.server_ports = (int)welcome.threads;
	if (endpoint_move(&t->run.server, s, s->port, 0, &why))
		return test_fail(t, EXIT_ERROR, "%s", why.text);
	return 0;
}

static int tell(struct test *t, enum message_type type, const struct tally *tally)
{
	const struct settings *s = t->settings;
	struct message m = {
		.type = type,
		.magic = (uint32_t)s->magic,
		.kind = s->kind,
		.threads = (uint32_t)s->num_threads,
		.flows = (uint32_t)s->num_flows,
	};
	struct why why;

	if (tally)
		m.tally = *tally;
	if (t->interrupted)
		strcpy(m.text, MESSAGE_INTERRUPTED);
	if (t->peers[0].fd < 0 || control_send(&t->peers[0], &m, &why))
		return test_fail(t, EXIT_ERROR, "cannot speak to the server any more");
	return 0;
}

/* The server ends early when it is interrupted. */
static bool server_ended(struct test *t)
{
	return t->result_came;
}

static int warm_up(struct test *t)
{
	uint64_t end = clock_ns() + (uint64_t)(t->settings->warmup * NS_PER_S);

	while (clock_ns() < end) {
		enum event event = test_wait(t, end);

		if (event == EVENT_INTERRUPT)
			return test_fail(t, EXIT_ERROR, "interrupted before measuring began");
		if (event == EVENT_TROUBLE)
			return -1;
	}
	return 0;
}

/* It says what it received: the other half of the result. */
static int wait_for_result(struct test *t)
{
	uint64_t limit = deadline_in_ms(t->settings->patience * 1000);

	while (!t->result_came) {
		enum event event = test_wait(t, limit);

		if (event == EVENT_TROUBLE)
			return -1;
		if (event == EVENT_TIME)
			return test_fail(t, EXIT_ERROR, "the server sent no result within %lld s",
					 (long long)t->settings->patience);
	}
	return 0;
}

int test_client(struct test *t)
{
	struct tally tally;

	if (join_server(t) || test_start_workers(t))
		return -1;
	log_note("%ld flows are open", atomic_load(&t->run.flows_open));
	test_go(t);
	if (warm_up(t) || tell(t, MESSAGE_START, NULL))
		return -1;
	if (test_measure(t, (double)t->settings->test_length, server_ended))
		return -1;
	t->interrupted = t->interrupted || t->result_came;
	tally = window_tally(&t->window);
	atomic_store(&t->run.stopping, true);
	if (tell(t, MESSAGE_STOP, &tally))
		return -1;
	test_stop_workers(t);
	if (wait_for_result(t))
		return -1;
	/* The server waits for this before it closes its flows. */
	control_close(&t->peers[0]);
	return 0;
}

#include "suite.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blocking.h"
#include "endpoint.h"

#define FIRST_CASE_PORT 20001
#define BETWEEN_CASES_MS 600000

enum control_kind {
	CONTROL_BEGIN = 1,	/* run case `number` with `seed` */
	CONTROL_POINT,		/* a point is reached */
	CONTROL_END,		/* the case is over here; `number` is the outcome */
};

struct control_message {
	uint32_t kind;
	uint32_t number;
	uint64_t seed;
	char text[240];
};

const struct suite_case *suite_case_at(unsigned int index)
{
	static const struct suite_case *const tables[] = {connection_cases, data_cases,
							  message_cases, reversed_cases};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct suite_case *c = tables[i]; c->name; c++)
			if (!index--)
				return c;
	return NULL;
}

static int receive(struct side *s, struct control_message *m)
{
	ssize_t n = blocking_read_until(s->control, m, sizeof(*m),
					deadline_in_ms(s->limit_ms * 2), &s->why);

	m->text[sizeof(m->text) - 1] = '\0';
	if (n > 0 && m->kind >= CONTROL_BEGIN && m->kind <= CONTROL_END)
		return 1;
	if (n > 0)
		why_set(&s->why, "the control connection carries rubbish");
	return n ? -1 : 0;
}

int side_tell(struct side *s)
{
	struct control_message m = {.kind = CONTROL_POINT};

	return blocking_write(s->control, &m, sizeof(m), &s->why);
}

static void take_end(struct side *s, const struct control_message *m)
{
	s->over = true;
	s->theirs = m->number == OUTCOME_PASS ? verdict_pass("%s", m->text) :
		    m->number == OUTCOME_FAIL ? verdict_fail("%s", m->text) :
		    m->number == OUTCOME_SKIP ? verdict_skip("%s", m->text) :
						verdict_error("%s", m->text);
}

int side_await(struct side *s)
{
	struct control_message m;

	if (s->over) {
		why_set(&s->why, "the other side has ended already");
		return -1;
	}
	if (receive(s, &m) <= 0)
		return -1;
	if (m.kind == CONTROL_POINT)
		return 0;
	if (m.kind == CONTROL_END)
		take_end(s, &m);
	why_set(&s->why, "the other side has ended early");
	return -1;
}

struct address side_own_address(const struct side *s)
{
	struct address any = endpoint_any(&s->peer);

	return endpoint_at(&any, s->port);
}

struct address side_peer_address(const struct side *s)
{
	return endpoint_at(&s->peer, s->port);
}

int side_listen(struct side *s, int type, int backlog)
{
	struct address a = side_own_address(s);

	return transport_listen(&a, type, backlog, &s->why);
}

static int make_blocking(struct side *s, int fd)
{
	if (fd < 0 || !blocking_begin(fd, s->limit_ms, &s->why))
		return fd;
	close(fd);
	return -1;
}

int side_accept(struct side *s, int type)
{
	int fd = -1, listener = side_listen(s, type, 1);

	if (listener < 0)
		return -1;
	if (!side_tell(s))
		fd = transport_accept(listener, NULL, deadline_in_ms(s->limit_ms), &s->why);
	close(listener);
	return make_blocking(s, fd);
}

int side_connect(struct side *s, int type)
{
	struct address a = side_peer_address(s);

	if (side_await(s))
		return -1;
	return make_blocking(s, transport_connect(&a, NULL, type, deadline_in_ms(s->limit_ms),
						  &s->why));
}

struct verdict side_failed(const struct side *s)
{
	return verdict_fail("%s", s->why.text);
}

struct verdict expect_errno(const char *call, int result, int wanted)
{
	int error = errno;

	if (result >= 0)
		return verdict_fail("%s succeeded instead of saying '%s'", call, strerror(wanted));
	if (error != wanted)
		return verdict_fail("%s said '%s' instead of '%s'", call, strerror(error),
				    strerror(wanted));
	return PASSED;
}

static struct verdict on_stream(struct side *s, int fd, struct verdict (*half)(struct side *, int))
{
	struct verdict v;

	if (fd < 0)
		return side_failed(s);
	v = half(s, fd);
	close(fd);
	return v;
}

static struct verdict client_half(const struct suite_case *c, struct side *s)
{
	return c->client_on ? on_stream(s, side_connect(s, SOCK_STREAM), c->client_on)
			    : c->client(s);
}

static struct verdict server_half(const struct suite_case *c, struct side *s)
{
	return c->server_on ? on_stream(s, side_accept(s, SOCK_STREAM), c->server_on)
			    : c->server(s);
}

static int send_end(struct side *s, const struct verdict *v)
{
	struct control_message m = {.kind = CONTROL_END, .number = v->outcome};

	snprintf(m.text, sizeof(m.text), "%.230s", v->reason);
	return blocking_write(s->control, &m, sizeof(m), &s->why);
}

/* Points that were told to nobody any more are passed over. */
static int await_end(struct side *s)
{
	struct control_message m;

	while (!s->over) {
		if (receive(s, &m) <= 0)
			return -1;
		if (m.kind == CONTROL_END)
			take_end(s, &m);
	}
	return 0;
}

static void prepare(struct side *s, unsigned int index, uint64_t seed)
{
	s->port = FIRST_CASE_PORT + index;
	s->seed = seed;
	s->over = false;
}

/* Who skips has seen that nothing can be tried; what the other side says then follows from it. */
static struct verdict join(const struct side *s, const struct verdict *ours)
{
	bool ours_bad = ours->outcome == OUTCOME_FAIL || ours->outcome == OUTCOME_ERROR;
	bool theirs_bad = s->theirs.outcome == OUTCOME_FAIL ||
			  s->theirs.outcome == OUTCOME_ERROR;

	if (ours->outcome == OUTCOME_SKIP)
		return *ours;
	if (s->theirs.outcome == OUTCOME_SKIP)
		return s->theirs;
	if (ours_bad && theirs_bad)
		return verdict_fail("client: %.220s; server: %.220s", ours->reason,
				    s->theirs.reason);
	return theirs_bad ? verdict_fail("server: %.400s", s->theirs.reason) : *ours;
}

struct verdict suite_ask(struct side *s, unsigned int index, uint64_t seed)
{
	struct control_message m = {.kind = CONTROL_BEGIN, .number = index, .seed = seed};
	struct verdict ours;

	prepare(s, index, seed);
	if (blocking_write(s->control, &m, sizeof(m), &s->why))
		return verdict_error("the other side is gone: %s", s->why.text);
	ours = client_half(suite_case_at(index), s);
	if (send_end(s, &ours) || await_end(s))
		return verdict_error("the other side is gone: %.200s; here: %.200s", s->why.text,
				     ours.reason);
	return join(s, &ours);
}

/* The client may take its time between cases. */
static int await_case(struct side *s, struct control_message *m)
{
	if (transport_wait(s->control, POLLIN, deadline_in_ms(BETWEEN_CASES_MS), &s->why))
		return -1;
	return receive(s, m);
}

int suite_serve(struct side *s)
{
	for (;;) {
		const struct suite_case *which;
		struct control_message m;
		struct verdict ours;
		int status = await_case(s, &m);

		if (status <= 0)
			return status;
		/* What the client told in a case that had ended here. */
		if (m.kind != CONTROL_BEGIN)
			continue;
		which = suite_case_at(m.number);
		prepare(s, m.number, m.seed);
		ours = which ? server_half(which, s)
			     : verdict_skip("the other side has no case %u", m.number);
		if (send_end(s, &ours) || await_end(s))
			return -1;
	}
}

/* vsock-integration: the host's half, which checks what vsock-util does in a guest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocking.h"
#include "console.h"
#include "endpoint.h"
#include "exits.h"
#include "options.h"
#include "protocol.h"
#include "report.h"

#define PASSED ((struct verdict){.outcome = OUTCOME_PASS})

struct session {
	struct address guest;	/* once it has connected */
	bool guest_given;
	int listener;
	int client;		/* the guest's connection from its port 49152 */
	int console;		/* -1: the guest's half was started by somebody else */
	uint64_t limit_ms;
	struct why why;
};

static struct verdict failed(const struct session *s)
{
	return verdict_fail("%s", s->why.text);
}

static struct verdict guest_connects(struct session *s)
{
	struct address guest;
	char name[64];

	s->client = transport_accept(s->listener, &guest, deadline_in_ms(s->limit_ms), &s->why);
	if (s->client < 0)
		return verdict_error("%s: is vsock-util integration_test running in the guest?",
				     s->why.text);
	if (s->guest_given && !endpoint_same_machine(&guest, &s->guest))
		return verdict_fail("the connection is from %s, another machine than --peer",
				    address_format(&guest, name, sizeof(name)));
	s->guest = guest;
	if (endpoint_port(&guest) != INTEGRATION_CLIENT_PORT)
		return verdict_fail("the connection is from port %u", endpoint_port(&guest));
	if (blocking_begin(s->client, s->limit_ms, &s->why))
		return failed(s);
	return verdict_pass("%s", address_format(&guest, name, sizeof(name)));
}

/* `offset`: the bytes that came before these. */
static struct verdict all_filled(const char *bytes, size_t size, size_t offset)
{
	for (size_t at = 0; at < size; at++)
		if (bytes[at] != FILL_BYTE)
			return verdict_fail("byte %zu is %d instead of %d", offset + at,
					    (unsigned char)bytes[at], FILL_BYTE);
	return PASSED;
}

/* All blocks of the guest, every byte 42, then our byte. */
static struct verdict exchange(struct session *s, int fd)
{
	char block[INTEGRATION_BLOCK];
	const char answer = FILL_BYTE;
	deadline_t deadline = deadline_in_ms(s->limit_ms);

	for (int i = 0; i < INTEGRATION_BLOCKS; i++) {
		struct verdict v;

		if (blocking_read_until(fd, block, sizeof(block), deadline, &s->why) <= 0)
			return verdict_fail("block %d: %s", i + 1, s->why.text);
		v = all_filled(block, sizeof(block), i * sizeof(block));
		if (v.outcome != OUTCOME_PASS)
			return v;
	}
	return blocking_write(fd, &answer, 1, &s->why) ? failed(s) : PASSED;
}

static struct verdict guest_sends(struct session *s)
{
	return exchange(s, s->client);
}

/* Also that nothing more than what was expected comes: no data, and no second connection. */
static struct verdict guest_closes(struct session *s)
{
	char byte;
	ssize_t n = blocking_read(s->client, &byte, 1, &s->why);
	int second;

	if (n > 0)
		return verdict_fail("more data came instead of the close");
	if (n < 0)
		return failed(s);
	second = transport_accept(s->listener, NULL, deadline_in_ms(0), &s->why);
	if (second < 0)
		return PASSED;
	close(second);
	return verdict_fail("a second connection came to port %d", INTEGRATION_HOST_PORT);
}

static int connect_guest(struct session *s, uint32_t port)
{
	struct address to = endpoint_at(&s->guest, port);
	int fd = transport_connect_patiently(&to, NULL, SOCK_STREAM, deadline_in_ms(s->limit_ms),
					     &s->why);

	if (fd >= 0 && blocking_begin(fd, s->limit_ms, &s->why)) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct verdict host_connects(struct session *s)
{
	int fd = connect_guest(s, INTEGRATION_EXCHANGE_PORT);
	struct verdict v;

	if (fd < 0)
		return failed(s);
	v = exchange(s, fd);
	close(fd);
	return v;
}

static struct verdict host_closes(struct session *s)
{
	int fd = connect_guest(s, INTEGRATION_HOST_CLOSES_PORT);
	char few[INTEGRATION_HOST_READS];
	ssize_t n;

	if (fd < 0)
		return failed(s);
	n = blocking_read(fd, few, sizeof(few), &s->why);
	close(fd);
	return n > 0 ? all_filled(few, sizeof(few), 0) : failed(s);
}

static struct verdict write_until_closed(struct session *s, int fd)
{
	static const char zeros[INTEGRATION_HOST_BLOCK];
	deadline_t deadline = deadline_in_ms(s->limit_ms);

	while (!deadline_passed(deadline)) {
		if (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) >= 0 || errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return PASSED;
		if (errno != EAGAIN)
			return verdict_fail("write: %s", strerror(errno));
		break;
	}
	return verdict_fail("the guest did not close within the time limit");
}

static struct verdict guest_closes_while_host_writes(struct session *s)
{
	int fd = connect_guest(s, INTEGRATION_GUEST_CLOSES_PORT);
	struct verdict v;

	if (fd < 0)
		return failed(s);
	v = write_until_closed(s, fd);
	close(fd);
	return v;
}

static struct verdict guest_says_pass(struct session *s)
{
	if (console_expect(s->console, "PASS", deadline_in_ms(s->limit_ms), &s->why))
		return failed(s);
	return PASSED;
}

static const struct step {
	const char *name;
	struct verdict (*check)(struct session *s);
} steps[] = {
	{"the guest connects from its port 49152", guest_connects},
	{"240000 bytes from the guest, one back", guest_sends},
	{"the guest closes", guest_closes},
	{"the host connects, 240000 bytes from the guest, one back", host_connects},
	{"the host closes while the guest writes", host_closes},
	{"the guest closes while the host writes", guest_closes_while_host_writes},
	{"the guest says PASS", guest_says_pass},
};

static const char *listen_on = "any", *peer, *console_path;
static const char *command = "vsock-util integration_test";
static bool json, ktap;
static int64_t limit_s = 15;
static const struct option_spec options[] = {
	{.name = "listen", .argument = "WHERE", .text = &listen_on,
	 .help = "any (all vsock, the default), a CID of ours, or an IP address where there is no "
		 "vsock"},
	{.name = "peer", .letter = 'p', .argument = "WHO", .text = &peer,
	 .help = "accept only this guest: a CID or an IP address"},
	{.name = "console", .argument = "PATH", .text = &console_path,
	 .help = "start the guest's half through this terminal (or unix:PATH)"},
	{.name = "command", .argument = "TEXT", .text = &command,
	 .help = "what to type there (vsock-util integration_test)"},
	{.name = "timeout", .argument = "S", .number = &limit_s, .low = 1, .high = 86400,
	 .help = "for each step (15)"},
	{.name = "json", .flag = &json, .help = "one JSON object a line"},
	{.name = "ktap", .flag = &ktap, .help = "verdicts as KTAP 1"},
	{0},
};
static const struct program_spec program = {
	.name = "vsock-integration", .usage = "[options]", .options = options,
	.summary = "Checks with vsock-util in a guest that connections are made, carry data and are "
		   "closed as they should, from both sides.",
	.epilog = "Exit status: 0 all well, 1 a step failed, 77 no vsock here, 99 no guest.",
};

static enum report_form form(void)
{
	return json ? REPORT_JSON : ktap ? REPORT_KTAP : REPORT_PLAIN;
}

static int run(struct session *s, char **argv)
{
	int n = (int)(sizeof(steps) / sizeof(*steps)) - (s->console < 0);
	const char *stopped = NULL;
	struct report r;

	report_begin(&r, form(), stdout, program.name, argv, n);
	for (int i = 0; i < n; i++) {
		struct verdict v = stopped ? verdict_skip("not reached: \"%s\" did not work", stopped)
					   : steps[i].check(s);

		report_verdict(&r, steps[i].name, &v);
		if (!stopped && v.outcome != OUTCOME_PASS)
			stopped = steps[i].name;
	}
	return report_end(&r);
}

/* The listener stands before the guest's half is started. */
static int begin(struct session *s, const struct address *where)
{
	struct address a = endpoint_at(where, INTEGRATION_HOST_PORT);

	s->listener = transport_listen(&a, SOCK_STREAM, 1, &s->why);
	if (s->listener < 0)
		return -1;
	if (!console_path)
		return 0;
	s->console = console_open(console_path, &s->why);
	return s->console < 0 || console_type(s->console, command, &s->why) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct session s = {.listener = -1, .client = -1, .console = -1};
	struct address where;

	if (options_parse(&program, argc, argv) != argc)
		options_error(&program, "it takes no words; '%s --help' lists the options",
			      program.name);
	if (endpoint_parse(&where, listen_on, &s.why) ||
	    (peer && endpoint_parse(&s.guest, peer, &s.why)))
		options_error(&program, "%s", s.why.text);
	s.guest_given = peer;
	s.limit_ms = limit_s * 1000;
	if (!endpoint_usable(&where, &s.why))
		return report_only(form(), program.name, argv, "vsock transport",
				   verdict_skip("%s", s.why.text));
	if (begin(&s, &where))
		return report_only(form(), program.name, argv, "begin",
				   verdict_error("%s", s.why.text));
	return run(&s, argv);
}

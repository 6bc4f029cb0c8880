/* vsock-test: correctness of AF_VSOCK, in one machine or between two. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "blocking.h"
#include "endpoint.h"
#include "exits.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "seed.h"
#include "suite.h"

#define CONTROL_PORT 20000

static const char *peer, *only;
static bool serve, both, list, json, ktap;
static int64_t limit_s = 10, seed = -1;
static const struct option_spec options[] = {
	{.name = "peer", .letter = 'p', .argument = "WHO", .text = &peer,
	 .help = "where 'vsock-test --serve' runs: a CID, host, or an IP address"},
	{.name = "both", .flag = &both,
	 .help = "be both sides (the default without --peer, over the vsock loopback)"},
	{.name = "serve", .flag = &serve,
	 .help = "be the other side, once; with --peer=IP for who comes over inet"},
	{.name = "only", .argument = "TEXT", .text = &only,
	 .help = "only cases with this in their name"},
	{.name = "list", .flag = &list, .help = "list the cases"},
	{.name = "seed", .letter = 's', .argument = "SEED", .number = &seed, .low = 0,
	 .high = 4294967295, .help = "of the data (chosen, and printed first)"},
	{.name = "timeout", .argument = "S", .number = &limit_s, .low = 1, .high = 3600,
	 .help = "for each call that waits (10)"},
	{.name = "json", .flag = &json, .help = "one JSON object a line"},
	{.name = "ktap", .flag = &ktap, .help = "verdicts as KTAP 1"},
	{0},
};
static const struct program_spec program = {
	.name = "vsock-test", .usage = "[options]", .options = options,
	.summary = "Checks how AF_VSOCK's streams and messages behave, from both sides.",
	.epilog = "Exit status: 0 all well, 1 a case failed, 77 no vsock here, 99 it did not work.",
};

static int complain(const struct why *why)
{
	fprintf(stderr, "vsock-test: %s\n", why->text);
	return EXIT_ERROR;
}

static int list_cases(void)
{
	const struct suite_case *c;

	for (unsigned int i = 0; (c = suite_case_at(i)); i++)
		puts(c->name);
	return EXIT_PASS;
}

/* Our half as a server in a child that ends with us. */
static int fork_server(struct side *s)
{
	pid_t parent = getpid(), child;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		why_errno(&s->why, errno, "no pair of sockets for the other side");
		return -1;
	}
	fflush(NULL);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_ERROR);
		close(ends[0]);
		s->control = ends[1];
		_exit(blocking_begin(s->control, s->limit_ms, &s->why) || suite_serve(s)
			      ? EXIT_ERROR : EXIT_PASS);
	}
	if (child < 0)
		why_errno(&s->why, errno, "no process for the other side");
	close(ends[1]);
	s->control = ends[0];
	return child < 0 ? -1 : 0;
}

static int connect_control(struct side *s)
{
	const struct address a = endpoint_at(&s->peer, CONTROL_PORT);

	s->control = transport_connect_patiently(&a, NULL, SOCK_STREAM,
						 deadline_in_ms(s->limit_ms), &s->why);
	return s->control < 0 ? -1 : 0;
}

static int serve_once(struct side *s)
{
	const struct address any = endpoint_any(&s->peer);
	const struct address a = endpoint_at(&any, CONTROL_PORT);
	int listener = transport_listen(&a, SOCK_STREAM, 1, &s->why);

	if (listener < 0)
		return complain(&s->why);
	s->control = transport_accept(listener, &s->peer, deadline_in_ms(s->limit_ms), &s->why);
	close(listener);
	if (s->control < 0 || blocking_begin(s->control, s->limit_ms, &s->why) || suite_serve(s))
		return complain(&s->why);
	return EXIT_PASS;
}

static bool wanted(const struct suite_case *c)
{
	return !only || strstr(c->name, only);
}

static int count_wanted(void)
{
	const struct suite_case *c;
	int n = 0;

	for (unsigned int i = 0; (c = suite_case_at(i)); i++)
		n += wanted(c);
	return n;
}

static struct verdict run_case(struct side *s, unsigned int index)
{
	const struct suite_case *c = suite_case_at(index);

	if (c->vsock_only && s->peer.family != AF_VSOCK)
		return verdict_skip("this is about vsock only");
	return suite_ask(s, index, (uint64_t)seed + index);
}

static enum report_form form(void)
{
	return json ? REPORT_JSON : ktap ? REPORT_KTAP : REPORT_PLAIN;
}

static int run(struct side *s, char **argv)
{
	const struct suite_case *c;
	struct report r;
	bool canary_alive = true;

	report_begin(&r, form(), stdout, program.name, argv, count_wanted());
	report_note(&r, "seed %" PRId64, seed);
	for (unsigned int i = 0; (c = suite_case_at(i)); i++) {
		struct verdict v;

		if (!wanted(c))
			continue;
		v = canary_alive ? run_case(s, i)
				 : verdict_skip("not tried: no connection works at all");
		report_verdict(&r, c->name, &v);
		canary_alive = canary_alive && (i || v.outcome == OUTCOME_PASS);
	}
	return report_end(&r);
}

int main(int argc, char **argv)
{
	struct side side = {.control = -1};

	if (options_parse(&program, argc, argv) != argc)
		options_error(&program, "it takes no words; '%s --help' lists the options",
			      program.name);
	if (list)
		return list_cases();
	if (endpoint_parse(&side.peer, peer ? peer : serve ? "any" : "local", &side.why))
		options_error(&program, "%s", side.why.text);
	if (only && !count_wanted())
		options_error(&program, "no case has '%s' in its name; --list shows them", only);
	if (!endpoint_usable(&side.peer, &side.why))
		return report_only(form(), program.name, argv, "vsock transport",
				   verdict_skip("%s", side.why.text));
	side.limit_ms = limit_s * 1000;
	if (serve)
		return serve_once(&side);
	if (seed < 0)
		seed = (int64_t)seed_choose();
	if ((!peer || both ? fork_server(&side) : connect_control(&side)) ||
	    blocking_begin(side.control, side.limit_ms * 2, &side.why))
		return report_only(form(), program.name, argv, "the other side",
				   verdict_error("%s", side.why.text));
	return run(&side, argv);
}

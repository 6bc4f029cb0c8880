#include "compare.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "batch.h"
#include "environment.h"
#include "exits.h"
#include "json.h"
#include "measure.h"
#include "output.h"
#include "placement.h"
#include "plot.h"
#include "statistics.h"
#include "table.h"

#define MOST_TRANSPORTS 4
#define IDLE_MS 60000

struct contender {
	const char *name;
	struct address address;
	bool here;		/* the server is our child, its clock is ours */
	pid_t server;
	double *one_way, *round_trip;	/* the first of a series comes first */
	double *first_one_way, *first_round_trip;	/* of each round */
	double error;		/* the largest of all rounds, in stamps */
	struct summary summary;	/* one way */
};

struct field {
	struct contender contenders[MOST_TRANSPORTS];
	size_t n;
	size_t each;		/* messages of one round, the first not counted */
};

_Noreturn static void be_server(const struct compare *c, int listener, pid_t parent)
{
	struct why why;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_ERROR);
	if (placement_pin(c->server_cpu, &why) ||
	    batch_serve(listener, IDLE_MS, c->trust, &why)) {
		complain("%s", why.text);
		_exit(EXIT_ERROR);
	}
	_exit(EXIT_PASS);
}

/* Start a server for `address` in a child; what it really listens on goes to the contender. */
static int start_server(const struct compare *c, struct contender *to, struct why *why)
{
	int listener = transport_listen(&to->address, SOCK_STREAM, 4, why);
	pid_t self = getpid();

	if (listener < 0)
		return -1;
	to->address.size = sizeof(to->address.storage);
	getsockname(listener, (struct sockaddr *)&to->address.storage, &to->address.size);
	fflush(NULL);
	to->server = fork();
	if (!to->server)
		be_server(c, listener, self);
	close(listener);
	if (to->server > 0)
		return 0;
	why_errno(why, errno, "fork");
	return -1;
}

static void tell_skip(const struct compare *c, const char *name, const char *reason)
{
	struct json j;

	if (!c->json) {
		printf("%s: skipped: %s\n", name, reason);
		return;
	}
	json_begin_line(&j, stdout);
	json_string(&j, "type", "result");
	json_string(&j, "name", name);
	json_string(&j, "status", "skip");
	json_string(&j, "reason", reason);
	json_end_line(&j);
}

static struct contender *add(struct field *f, const char *name, bool here)
{
	struct contender *new = &f->contenders[f->n++];

	*new = (struct contender){.name = name, .here = here};
	return new;
}

static void add_vsock(const struct compare *c, struct field *f)
{
	struct contender *vsock;
	struct why why;
	bool here;

	if (!vsock_usable(c->vsock_cid, &why)) {
		tell_skip(c, "vsock", why.text);
		return;
	}
	here = c->vsock_cid == VMADDR_CID_LOCAL || c->vsock_cid == vsock_local_cid(&why);
	vsock = add(f, "vsock", here);
	address_vsock(&vsock->address, c->vsock_cid, here ? VMADDR_PORT_ANY : c->port);
}

static int add_remote(const struct compare *c, struct field *f, struct why *why)
{
	char text[128];

	if (!c->remote) {
		tell_skip(c, "inet remote", "no other machine was named with --remote");
		return 0;
	}
	snprintf(text, sizeof(text), strchr(c->remote, ':') ? "[%s]:%u" : "%s:%u", c->remote,
		 c->port);
	return address_parse(&add(f, "inet remote", false)->address, text, why);
}

static int gather(const struct compare *c, struct field *f, struct why *why)
{
	char path[64];

	add_vsock(c, f);
	snprintf(path, sizeof(path), "@oneway-compare-%d", getpid());
	if (address_unix(&add(f, "unix local", true)->address, path, why) ||
	    address_parse(&add(f, "inet local", true)->address, "127.0.0.1:0", why) ||
	    add_remote(c, f, why))
		return -1;
	for (size_t i = 0; i < f->n; i++) {
		struct contender *who = &f->contenders[i];

		who->one_way = calloc(f->each * c->rounds + 1, sizeof(double));
		who->round_trip = calloc(f->each * c->rounds + 1, sizeof(double));
		who->first_one_way = calloc(c->rounds, sizeof(double));
		who->first_round_trip = calloc(c->rounds, sizeof(double));
		if (!who->one_way || !who->round_trip || !who->first_one_way ||
		    !who->first_round_trip) {
			why_set(why, "no memory for %lld messages", (long long)c->count);
			return -1;
		}
		if (who->here && start_server(c, who, why))
			return -1;
	}
	return 0;
}

/* One batch of each in turn, so that a disturbance falls on all of them alike. */
static int run_rounds(const struct compare *c, struct field *f, struct why *why)
{
	const struct exchange_plan plan = {&c->clock, f->each + 1, c->size, 0, c->limit_ms};

	for (int64_t round = 0; round < c->rounds; round++) {
		for (size_t i = 0; i < f->n; i++) {
			struct contender *who = &f->contenders[i];
			struct batch_result result;
			size_t at = 1 + round * f->each;

			if (batch_ask(&who->address, &plan, who->here, &result, who->one_way + at,
				      who->round_trip + at, why)) {
				complain("%s, round %lld: %s", who->name, (long long)round + 1,
					 why->text);
				return -1;
			}
			who->first_one_way[round] = result.first_one_way;
			who->first_round_trip[round] = result.first_round_trip;
			if (result.error > who->error)
				who->error = result.error;
		}
	}
	return 0;
}

static int summarise(const struct compare *c, struct field *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct contender *who = &f->contenders[i];
		size_t n = f->each * c->rounds + 1;
		struct summary back;

		who->one_way[0] = stats_median(who->first_one_way, c->rounds);
		who->round_trip[0] = stats_median(who->first_round_trip, c->rounds);
		if (summary_make(&who->summary, &c->clock, who->one_way, n) ||
		    summary_make(&back, &c->clock, who->round_trip, n))
			return complain("no memory for a histogram");
		if (c->json) {
			summary_write_json(&who->summary, stdout, who->name, "one-way", &c->clock,
					   &c->percentiles);
			summary_write_json(&back, stdout, who->name, "round-trip", &c->clock,
					   &c->percentiles);
		} else {
			printf("%s: ", who->name);
			summary_print_time(&back, stdout, "round-trip", &c->clock,
					   &(struct percentiles){0});
			if (!who->here)
				printf("%s: every one-way time may be wrong by %.1f us (the other "
				       "machine's clock is estimated)\n", who->name,
				       stamp_to_us(&c->clock, who->error));
		}
		summary_free(&back);
	}
	return EXIT_PASS;
}

static void print_tables(const struct compare *c, const struct field *f)
{
	struct table_row rows[MOST_TRANSPORTS];

	for (size_t i = 0; i < f->n; i++) {
		const struct summary *s = &f->contenders[i].summary;

		rows[i] = (struct table_row){
			f->contenders[i].name,		    stamp_to_us(&c->clock, s->first),
			stamp_to_us(&c->clock, s->min),	    stamp_to_us(&c->clock, s->max),
			stamp_to_us(&c->clock, s->median),  stamp_to_us(&c->clock, s->mean),
			stamp_to_us(&c->clock, s->stddev),
		};
	}
	printf("\nOne way:\n\n");
	table_print_microseconds(stdout, rows, f->n);
	printf("\nRelative to %s:\n\n", rows[0].name);
	table_print_relative(stdout, rows, f->n);
}

static int write_plot(const struct compare *c, const struct field *f)
{
	struct plot_series series[MOST_TRANSPORTS];
	FILE *file;

	if (!c->svg)
		return EXIT_PASS;
	for (size_t i = 0; i < f->n; i++)
		series[i] = (struct plot_series){f->contenders[i].name,
						 f->contenders[i].summary.nanoseconds};
	file = fopen(c->svg, "we");
	if (!file)
		return complain("%s cannot be written: %s", c->svg, strerror(errno));
	plot_write(file, "One-way latency", series, f->n);
	if (output_close(file))
		return complain("%s could not be written whole: %s", c->svg, strerror(errno));
	return EXIT_PASS;
}

static void dismiss(struct field *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct contender *who = &f->contenders[i];

		if (who->server > 0) {
			kill(who->server, SIGKILL);
			waitpid(who->server, NULL, 0);
		}
		free(who->one_way);
		free(who->round_trip);
		free(who->first_one_way);
		free(who->first_round_trip);
		summary_free(&who->summary);
	}
}

int compare_run(const struct compare *c, const char *program, char *const argv[])
{
	struct field f = {.each = (size_t)(c->count / c->rounds)};
	struct why why;
	int status;

	if (c->json) {
		environment_write(stdout, program, argv);
		write_clock(stdout, &c->clock);
	}
	if (gather(c, &f, &why))
		status = complain("%s", why.text);
	else if (run_rounds(c, &f, &why))
		status = EXIT_ERROR;
	else
		status = summarise(c, &f);
	if (status == EXIT_PASS && !c->json)
		print_tables(c, &f);
	if (status == EXIT_PASS)
		status = write_plot(c, &f);
	dismiss(&f);
	return status;
}

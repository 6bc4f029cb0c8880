/* xenfc in Linux user space: options, fences, and what the run's outcome is told as. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpus.h"
#include "counters.h"
#include "door_privcmd.h"
#include "emit.h"
#include "environment.h"
#include "exits.h"
#include "guided.h"
#include "json.h"
#include "ktap.h"
#include "listing.h"
#include "options.h"
#include "plan.h"
#include "seed.h"
#include "timed.h"

#define FLAG_FILE "/etc/xentest/fuzzing-allowed"
#define SEED_CHOSEN INT64_MIN

static struct {
	int64_t seed, loops, from, to, seconds, twist;
	const char *only, *role, *release, *calls, *replay, *save, *guided;
	unsigned int allow;
	bool list, emit, dry_run, quiet, own_machine, json, ktap, bare;
} options = {
	.seed = SEED_CHOSEN,
	.loops = -1,
	.to = -1,
	.allow = DANGER_DEFAULT,
};

static bool counted;	/* by the hypervisor: see counters.h */
static double bare_rate, alone_rate;

static const char *parse_allow(const char *value, void *into)
{
	static char word[64];
	struct plan plan = { .allow = *(unsigned int *)into };
	const char *wrong;

	snprintf(word, sizeof(word), "allow=%s", value);
	wrong = plan_word(&plan, word);
	*(unsigned int *)into = plan.allow;
	return wrong;
}

static const char *const roles[] = { "control", "guest", NULL };

static const struct option_spec option_list[] = {
	{ .name = "seed", .letter = 's', .argument = "SEED", .number = &options.seed,
	  .help = "repeat the sequence of this seed (it is printed first)" },
	{ .name = "loops", .letter = 'l', .argument = "LOOPS", .number = &options.loops,
	  .low = 0, .high = 9e18, .help = "make that many calls; without it, until interrupted" },
	{ .name = "operations", .letter = 'o', .argument = "GLOB", .text = &options.only,
	  .help = "only operations whose name matches, as domctl.pause* or evtchn.*,gnttab.*" },
	{ .name = "list", .flag = &options.list, .help = "print the table of operations" },
	{ .name = "allow", .argument = "CLASS", .parse = parse_allow, .into = &options.allow,
	  .help = "also operations of this class: host-state or fatal (safe and own-domain are "
		  "always allowed); may be given more than once" },
	{ .name = "from", .argument = "N", .number = &options.from, .low = 0, .high = 9e18,
	  .help = "begin with call N of the sequence, counted from 0" },
	{ .name = "to", .argument = "N", .number = &options.to, .low = 0, .high = 9e18,
	  .help = "end with call N" },
	{ .name = "calls", .argument = "LIST", .text = &options.calls,
	  .help = "make only these calls of the sequence, as 3,7-9" },
	{ .name = "replay", .argument = "FILE", .text = &options.replay,
	  .help = "make the calls of a file that --save wrote" },
	{ .name = "save", .argument = "FILE", .text = &options.save,
	  .help = "when a call fails, write seed and calls up to it to FILE" },
	{ .name = "twist", .argument = "N", .number = &options.twist, .low = 0, .high = 9e18,
	  .help = "vary the sequence: one call in four gets other arguments" },
	{ .name = "guided", .argument = "FOLDER", .text = &options.guided,
	  .help = "keep in FOLDER what made the hypervisor count something new, and vary it; needs "
		  "a Xen with CONFIG_COVERAGE" },
	{ .name = "emit-c", .flag = &options.emit,
	  .help = "print the calls as a C program instead of making them" },
	{ .name = "seconds", .argument = "S", .number = &options.seconds, .low = 1, .high = 1e6,
	  .help = "end after S seconds" },
	{ .name = "role", .argument = "ROLE", .text = &options.role, .choices = roles,
	  .help = "fail if this is not the control domain, or not a guest" },
	{ .name = "release", .argument = "X.Y", .text = &options.release,
	  .help = "expect what this release of Xen answers; without it, what Xen says it is" },
	{ .name = "dry-run", .flag = &options.dry_run,
	  .help = "say what would be called, and call nothing; needs no Xen" },
	{ .name = "quiet", .letter = 'q', .flag = &options.quiet,
	  .help = "say only what failed; much faster" },
	{ .name = "bare", .flag = &options.bare,
	  .help = "also measure hypercalls with nothing around them, for --json and --ktap" },
	{ .name = "i-own-this-machine", .flag = &options.own_machine,
	  .help = "run although " FLAG_FILE " does not exist" },
	{ .name = "json", .flag = &options.json,
	  .help = "one JSON object a line; implies --quiet" },
	{ .name = "ktap", .flag = &options.ktap, .help = "a KTAP verdict; implies --quiet" },
	{ .name = NULL },
};

static const struct program_spec program = {
	.name = "xenfc",
	.usage = "[options]",
	.summary = "Makes random hypercalls, knows what Xen must answer to each, and checks it.",
	.epilog = "It makes, pauses and destroys domains with numbers from 30000 on, and may well "
		  "crash the machine.\n"
		  "Exit status: 0 all answers were right, 1 some were not, 2 usage, 77 no "
		  "hypercall gets through here, 99 it could not run.",
	.options = option_list,
};

/* A list of calls from the command line or from a file. */
static void take_calls(struct plan *plan)
{
	const char *wrong = NULL;

	if (options.calls)
		wrong = corpus_parse_calls(options.calls, plan);
	if (wrong)
		options_error(&program, "--calls %s: %s", options.calls, wrong);
	if (options.replay)
		wrong = corpus_read(options.replay, plan);
	if (wrong)
		options_error(&program, "--replay %s: %s; nothing was called", options.replay,
			      wrong);
	if (options.guided)
		wrong = guided_begin(plan, options.guided);
	if (wrong)
		options_error(&program, "--guided %s: %s; nothing was called", options.guided,
			      wrong);
}

static struct plan make_plan(void)
{
	struct plan plan;
	static char release[32];

	plan_default(&plan);
	plan.seed = options.seed == SEED_CHOSEN ? seed_choose() : (uint64_t)options.seed;
	if (options.loops >= 0)
		plan.loops = (uint64_t)options.loops;
	else if (options.dry_run || options.emit)
		plan.loops = (uint64_t)(options.to >= 0 ? options.to : options.from + 99) + 1;
	plan.from = (uint64_t)options.from;
	if (options.to >= 0)
		plan.to = (uint64_t)options.to;
	if (plan.to < plan.from)
		options_error(&program,
			      "--to %llu is before --from %llu; write the smaller one first",
			      (unsigned long long)plan.to, (unsigned long long)plan.from);
	plan.twist = (uint64_t)options.twist;
	plan.limit_ns = (uint64_t)options.seconds * 1000000000u;
	plan.only = options.only;
	plan.allow = options.allow;
	plan.dry_run = options.dry_run || options.emit;
	plan.show = options.emit ? emit_call : NULL;
	if (options.role)
		plan.role = !strcmp(options.role, "control") ? ROLE_CONTROL : ROLE_GUEST;
	if (options.quiet || options.json || options.ktap || options.guided)
		plan.telling = TELL_BLOCKS;
	if (options.release) {
		snprintf(release, sizeof(release), "release=%s", options.release);
		if (plan_word(&plan, release))
			options_error(&program, "--release %s: %s", options.release,
				      plan_word(&plan, release));
	}
	take_calls(&plan);
	return plan;
}

/* Patterns that pick nothing are a mistake, told with the nearest name. */
static void check_patterns(void)
{
	const char *nearest = listing_unmatched(options.only);

	if (nearest)
		options_error(&program,
			      "no operation matches '%s'; the nearest is %s (--list shows all)",
			      options.only, nearest);
}

static int cannot(int status, const char *why, const char *advice)
{
	printf("xenfc: %s; %s\n", why, advice);
	return status;
}

/* A machine is somebody's unless it says that it may be crashed. */
static int check_fence(void)
{
	if (options.own_machine || !access(FLAG_FILE, F_OK))
		return EXIT_PASS;
	return cannot(EXIT_ERROR, "this machine is not marked as one that may be crashed",
		      "make the file " FLAG_FILE " or give --i-own-this-machine");
}

static int open_door(struct door *door)
{
	int error = options.dry_run || options.emit ? door_dry_open(door) : door_privcmd_open(door);

	switch (error) {
	case 0:
		return EXIT_PASS;
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return cannot(EXIT_SKIP, "there is no /dev/xen/privcmd",
			      "this is no Xen domain, or its module is missing (modprobe "
			      "xen-privcmd)");
	case -EACCES:
	case -EPERM:
		return cannot(EXIT_ERROR, "no right to open /dev/xen/privcmd", "run it as root");
	default:
		return cannot(EXIT_ERROR, strerror(-error), "/dev/xen/privcmd could not be used");
	}
}

/* A figure a line, each behind `before`. */
static void tell_figures(const struct outcome *o, const char *before)
{
	double seconds = (double)o->ns / 1e9;

	if (!o->ns)
		return;
	fputs(before, stdout);
	json_figure(stdout, "xenfc calls", (double)o->made / seconds, "calls/s", "higher");
	fputs(before, stdout);
	json_figure(stdout, "xenfc hypercalls", (double)o->hypercalls / seconds, "calls/s",
		    "higher");
	if (options.bare) {
		fputs(before, stdout);
		json_figure(stdout, "bare hypercalls", bare_rate, "calls/s", "higher");
		fputs(before, stdout);
		json_figure(stdout, "xenfc hypercalls alone", alone_rate, "calls/s", "higher");
	}
	if (!counted)
		return;
	fputs(before, stdout);
	json_figure(stdout, "xenfc coverage", (double)counters_moved(), "counters", "higher");
}

/* What else the machine does changes within seconds: bare calls count before and after the run. */
static void take_rates(const struct outcome *o)
{
	double after;

	alone_rate = (double)timed_rate(o);
	after = door_privcmd_bare_rate();
	if (after > 0)	/* nothing when the run was interrupted */
		bare_rate = (bare_rate + after) / 2;
}

static void tell_json(const struct outcome *o, int status)
{
	struct json j;

	json_begin_line(&j, stdout);
	json_string(&j, "type", "result");
	json_string(&j, "status", status == EXIT_PASS ? "pass" : status == EXIT_FAIL ? "fail" :
				  status == EXIT_SKIP ? "skip" : "error");
	json_uint(&j, "seed", o->seed);
	json_uint(&j, "calls", o->made);
	json_uint(&j, "passed", o->passed);
	json_uint(&j, "failed", o->failed);
	if (o->failed)
		json_uint(&j, "first_failed", o->first_failed);
	json_string(&j, "reason", o->reason[0] ? o->reason : NULL);
	json_end_line(&j);
	tell_figures(o, "");
}

static int tell_ktap(const struct outcome *o, int status)
{
	struct ktap k;

	ktap_begin(&k, stdout, false, 1);
	ktap_note(&k, "Seed: %llu", (unsigned long long)o->seed);
	tell_figures(o, "# ");	/* notes, and yet read: `figures=json` */
	if (status == EXIT_PASS)
		ktap_pass(&k, "hypercalls", NULL);
	else if (status == EXIT_FAIL)
		ktap_fail(&k, "hypercalls", "%s", o->reason);
	else if (status == EXIT_SKIP)
		ktap_skip(&k, "hypercalls", "%s", o->reason);
	else
		ktap_error(&k, "hypercalls", "%s", o->reason);
	return ktap_end(&k);
}

/* What failed, for --replay: the block of it and all before it. */
static void save_failure(struct plan *plan, const struct outcome *o)
{
	char list[64];
	int error;

	if (!options.save || !o->failed)
		return;
	plan->release = o->release;
	snprintf(list, sizeof(list), "%llu-%llu", (unsigned long long)plan->from,
		 (unsigned long long)o->first_failed);
	error = corpus_write(options.save, plan, list);
	if (error)
		fprintf(stderr, "xenfc: %s could not be written: %s\n", options.save,
			strerror(-error));
}

/* Whether the hypervisor counts is of interest to figures; without it there is no guide. */
static int begin_counting(struct door *door)
{
	const char *wrong;

	if (!options.guided && !options.json && !options.ktap)
		return EXIT_PASS;
	wrong = counters_begin(door, door_privcmd_pages);
	counted = !wrong;
	return wrong && options.guided ? cannot(EXIT_ERROR, wrong, "or leave out --guided") :
					 EXIT_PASS;
}

/* Words that would be ignored are mistakes. */
static void check_words(void)
{
	bool dry = options.dry_run || options.emit;

	if (dry && (options.ktap || options.json))
		options_error(&program,
			      "%s calls nothing, so there is no verdict; leave out --ktap and --json",
			      options.emit ? "--emit-c" : "--dry-run");
	if (options.bare && (dry || (!options.ktap && !options.json)))
		options_error(&program, "--bare is for the figures of --ktap and --json");
	if (options.guided && (dry || options.calls || options.replay || options.save ||
			       options.from || options.to >= 0 || options.twist))
		options_error(&program, "--guided chooses and keeps the calls itself; leave out "
			      "--calls, --replay, --save, --from, --to, --twist, --dry-run and "
			      "--emit-c");
}

static void tell_guided(void)
{
	if (options.guided)
		printf("%s%llu counters moved, %llu sequences kept in %s\n",
		       options.ktap ? "# " : "", (unsigned long long)counters_moved(),
		       (unsigned long long)guided_kept(), options.guided);
}

int main(int argc, char **argv)
{
	struct door door;
	struct plan plan;
	struct outcome outcome;
	int status;

	if (options_parse(&program, argc, argv) < argc)
		options_error(&program, "it takes options only; see --help");
	if (options.list)
		return listing_print();
	check_words();
	check_patterns();
	plan = make_plan();
	status = plan.dry_run ? EXIT_PASS : check_fence();
	if (status == EXIT_PASS)
		status = open_door(&door);
	if (status == EXIT_PASS && !plan.dry_run)
		status = begin_counting(&door);
	if (status != EXIT_PASS)
		return status;
	if (options.json)
		environment_write(stdout, program.name, argv);
	if (options.emit)
		emit_begin(&plan);
	if (options.bare) {
		bare_rate = door_privcmd_bare_rate();
		timed_begin(&door);
	}
	status = xenfc_main(&door, &plan, &outcome);
	if (options.bare)
		take_rates(&outcome);
	if (options.emit)
		emit_end();
	save_failure(&plan, &outcome);
	if (counted)
		counters_new();
	if (!options.json)
		tell_guided();
	if (options.json)
		tell_json(&outcome, status);
	if (options.ktap)
		status = tell_ktap(&outcome, status);
	counters_end();
	guided_end();
	return status;
}

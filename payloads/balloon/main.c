/*
 * balloon: does a domain's memory follow what it is told?  The ten scenarios of the
 * paper and what today's interfaces add, through whichever door the domain has.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "exits.h"
#include "plan.h"
#include "published.h"
#include "scenarios.h"
#include "seed.h"
#include "supervisor.h"

#define WATCH_MS 3000
#define HOLD_MS 100

struct call {
	struct plan plan;
	struct cases_choice choice;
	int64_t publish_seconds;
	int64_t limit_seconds;
	char **argv;
	struct view before;
	struct report *report;	/* shared with the child */
	uint64_t *neighbour_target;	/* and so is this; see struct trial */
	struct cases_plan told;
	bool not_put_back;
};

static const struct cases cases = { "scenario", scenarios, sizeof(scenarios[0]) };

static const char *const interfaces[] = { "auto", "proc", "sysfs", "virtio", "xl", "virsh", NULL };

static bool wanted(const struct call *call, const struct scenario *scenario, enum place place)
{
	return cases_chosen(&call->choice, scenario->name, scenario->places & place);
}

static void plan_verdicts(struct call *call, enum place place)
{
	for (const struct scenario *s = scenarios; s->name; s++)
		if (wanted(call, s, place))
			call->told.names[call->told.count++] = s->name;
}

/* As `cat /proc/xen/balloon` printed it in 2005. */
static void tell_view(struct report *report, const struct view *view)
{
	report_note(report, "Current allocation: %8" PRIu64 " kB", view->current);
	report_note(report, "Requested target:   %8" PRIu64 " kB", view->target);
	report_note(report, "Low-mem balloon:    %8" PRIu64 " kB", view->low);
	report_note(report, "High-mem balloon:   %8" PRIu64 " kB", view->high);
	if (view->limit)
		report_note(report, "Xen hard limit:     %8" PRIu64 " kB", view->limit);
	else
		report_note(report, "Xen hard limit:          ??? kB");
}

static struct verdict run_one(struct trial *trial, const struct scenario *scenario)
{
	struct door *door = trial->door;

	if (!(scenario->places & door->place))
		return verdict_skip("cannot be done through %s", door->name);
	if (door->place == PLACE_INSIDE && scenario->run != scenario_read &&
	    access(door->path(door), W_OK))
		return verdict_error("%s may not be written: run this as root", door->path(door));
	return scenario->run(trial);
}

/* All scenarios; in a child, so that the parent can put the memory back whatever happens. */
static int run_scenarios(void *context)
{
	struct call *call = context;
	struct report *report = call->report;
	struct door door;
	struct trial trial = { .door = &door, .report = report, .before = call->before,
			       .cycles = call->plan.cycles, .domain = call->plan.domain,
			       .settle_ms = (uint64_t)call->plan.settle_seconds * 1000,
			       .watch_ms = WATCH_MS, .hold_ms = HOLD_MS,
			       .neighbour = call->plan.neighbour,
			       .neighbour_target = call->neighbour_target,
			       .save_file = call->plan.save_file };
	struct why why;

	if (plan_open_door(&call->plan, &door, &why)) {
		fprintf(stderr, "balloon: %s\n", why.text);
		return EXIT_ERROR;
	}
	plan_measure(&call->plan, &trial);
	random_seed(&trial.random, (uint64_t)call->plan.seed);
	report_note(report, "seed: %" PRId64, call->plan.seed);
	report_note(report, "interface: %s; floor %" PRIu64 " kB, step %" PRIu64 " kB", door.name,
		    trial.floor, trial.step);
	tell_view(report, &trial.before);
	for (const struct scenario *s = scenarios; s->name; s++) {
		struct verdict verdict;

		if (!wanted(call, s, door.place))
			continue;
		verdict = run_one(&trial, s);
		report_verdict(report, s->name, &verdict);
	}
	door.close(&door);
	return report_end(report);
}

static void not_put_back(struct call *call, const char *what, uint64_t target,
			 const struct why *why)
{
	fprintf(stderr, "balloon: %s could not be put back to %" PRIu64 " kB: %s\n", what, target,
		why->text);
	call->not_put_back = true;
}

/* In the parent or its keeper.  Its own failure must not hide behind a good status. */
static void put_back(void *context)
{
	struct call *call = context;
	struct why why;

	if (plan_put_back(&call->plan, &call->before, &why))
		not_put_back(call, "the memory", call->before.target, &why);
	if (plan_put_back_neighbour(&call->plan, *call->neighbour_target, &why))
		not_put_back(call, call->plan.neighbour, *call->neighbour_target, &why);
}

static int run(struct call *call)
{
	const struct supervised work = { .work = run_scenarios, .undo = put_back, .context = call,
					 .limit_ms = (uint64_t)call->limit_seconds * 1000 };
	struct supervised_result end;
	int status;

	call->report = report_new_shared();
	call->neighbour_target = mmap(NULL, sizeof(*call->neighbour_target), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!call->report || call->neighbour_target == MAP_FAILED) {
		fprintf(stderr, "balloon: no memory\n");
		return EXIT_ERROR;
	}
	report_begin(call->report, cases_form(&call->choice), stdout, "balloon", call->argv,
		     call->told.count);
	/* The supervisor must get its words out when the domain has no free page left. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	end = supervise(&work);
	status = cases_end("balloon", call->report, &call->told, end, work.limit_ms,
			   call->not_put_back ? "the old target could not be put back"
					      : "the old target was put back");
	return call->not_put_back ? EXIT_ERROR : status;
}

static int no_door(const struct call *call, const struct why *why)
{
	bool asked = call->plan.domain || call->plan.qmp || strcmp(call->plan.interface, "auto");
	struct verdict verdict = asked ? verdict_error("%s", why->text)
				       : verdict_skip("%s", why->text);

	return cases_none(&call->choice, call->argv, "balloon", "interface", &verdict);
}

/* The driver's files are there, so this is no machine without a balloon. */
static int unreadable(const struct call *call, const struct door *door, const struct why *why)
{
	struct verdict verdict = door_is_inside(door) ? verdict_fail("%s", why->text)
						      : verdict_error("%s", why->text);

	return cases_none(&call->choice, call->argv, "balloon", "interface", &verdict);
}

static int watch(struct call *call, struct door *door)
{
	struct why why;

	if (!publish(door, call->publish_seconds, &why))
		return EXIT_PASS;
	fprintf(stderr, "balloon: %s\n", why.text);
	return EXIT_ERROR;
}

static void parse(struct call *call, int argc, char **argv)
{
	struct plan *plan = &call->plan;
	const struct option_spec options[] = {
		{ .name = "interface", .argument = "NAME", .text = &plan->interface,
		  .choices = interfaces,
		  .help = "auto (default), proc, sysfs, virtio; with --domain: xl, virsh" },
		{ .name = "domain", .argument = "NAME", .text = &plan->domain,
		  .help = "move this domain from outside, with xl or virsh" },
		{ .name = "qmp", .argument = "SOCKET", .text = &plan->qmp,
		  .help = "move the guest behind this QEMU monitor (a unix socket)" },
		{ .name = "neighbour", .argument = "NAME", .text = &plan->neighbour,
		  .help = "another domain (with --qmp, its monitor) that grows at the same time" },
		{ .name = "publish", .argument = "SECONDS", .number = &call->publish_seconds,
		  .low = 1, .high = 86400,
		  .help = "only watch, and tell the control domain what this guest sees" },
		{ .name = "seed", .letter = 's', .argument = "SEED", .number = &plan->seed,
		  .low = 0, .high = 9e15, .help = "of the random values" },
		{ .name = "cycles", .argument = "N", .number = &plan->cycles, .low = 1,
		  .high = 1e6, .help = "down and up this often (200)" },
		{ .name = "settle", .argument = "SECONDS", .number = &plan->settle_seconds,
		  .low = 1, .high = 3600, .help = "the longest that one move may take (20)" },
		{ .name = "limit", .argument = "SECONDS", .number = &call->limit_seconds,
		  .low = 1, .high = 86400, .help = "the longest for all scenarios (600)" },
		{ .name = "floor", .argument = "SIZE", .size = &plan->floor,
		  .help = "never let the domain have less (default: what is in use and 32M)" },
		{ .name = "save-file", .argument = "FILE", .text = &plan->save_file,
		  .help = "where save-restore keeps the domain" },
		{ .name = "root", .argument = "DIR", .text = &plan->root,
		  .help = "look for /proc and /sys below this folder" },
		CASES_OPTIONS(&call->choice),
		{ .name = NULL },
	};
	const struct program_spec program = {
		.name = "balloon",
		.usage = "[options] [SCENARIO...]",
		.summary = "Tests the balloon of this domain, or of another one from outside.",
		.epilog = "Exit status: 0 pass, 1 fail, 2 usage, 77 skip, 99 error.\n"
			  "What was changed is put back, also when balloon is killed.",
		.options = options,
	};

	cases_parse(&cases, &call->choice, &program, argc, argv);
}

int main(int argc, char **argv)
{
	struct call call = {
		.plan = { .interface = "auto", .root = "", .floor = FLOOR_CHOSEN, .cycles = 200,
			  .settle_seconds = 20, .seed = -1,
			  .save_file = "/var/lib/balloon-saved-domain" },
		.limit_seconds = 600,
		.argv = argv,
	};
	struct door door;
	struct why why;
	int status = 0;

	parse(&call, argc, argv);
	if (call.choice.list)
		return cases_list(&cases);
	if (call.plan.seed < 0)
		call.plan.seed = (int64_t)seed_choose();
	if (plan_open_door(&call.plan, &door, &why))
		return no_door(&call, &why);
	if (door.view(&door, &call.before, &why))
		status = unreadable(&call, &door, &why);
	else if (call.publish_seconds)
		status = watch(&call, &door);
	else
		plan_verdicts(&call, door.place);
	door.close(&door);
	return status || call.publish_seconds ? status : run(&call);
}

/* A run from start to end. */
#include "exits.h"
#include "run.h"

static struct run the_run;

static void begin(struct run *run, struct door *door, const struct plan *plan)
{
	memset(run, 0, sizeof(*run));
	run->door = door;
	run->plan = *plan;
	if (!run->plan.block)
		run->plan.block = DEFAULT_BLOCK;
	if (run->plan.block > UINT32_MAX)
		run->plan.block = UINT32_MAX;
	run->outcome.seed = plan->seed;
	run->outcome.first_failed = UINT64_MAX;
	memset(door->arena, ARENA_BACKGROUND, ARENA_BYTES);
	memset(run->shadow, ARENA_BACKGROUND, ARENA_BYTES);
	if (!plan->show)
		tell_line(run, "Seed: %lu", plan->seed);
}

static void tell_machine(struct run *run)
{
	const struct machine *m = &run->machine;

	tell_line(run, "Xen %u.%u, domctl %x, sysctl %x, platform %x, as %s %s; %u operations",
		    m->release >> 16, m->release & 0xffff, m->domctl_version, m->sysctl_version,
		    m->platform_version, m->pv ? "PV" : "HVM",
		    m->control ? "control domain" : "guest", run->n_choices);
}

static int give_reason(struct run *run, int status, const char *reason)
{
	struct text t;

	text_begin(&t, run->outcome.reason, sizeof(run->outcome.reason));
	text_add(&t, reason);
	return status;
}

static int go(struct run *run)
{
	int status = probe(run);
	uint64_t start = run->door->now_ns(run->door);
	bool clean;

	if (status != EXIT_PASS)
		return status;
	run->outcome.release = run->machine.release;
	if (!choices_make(run))
		return give_reason(run, EXIT_USAGE, "no operation is left to choose from");
	if (!run->plan.show)
		tell_machine(run);
	clean = sequence_make(run);
	run->outcome.ns = run->door->now_ns(run->door) - start;
	if (run->outcome.failed || !clean)
		return EXIT_FAIL;
	if (!run->outcome.made)
		return give_reason(run, EXIT_ERROR, "not one call was made");
	return EXIT_PASS;
}

static void tell_end(struct run *run, int status)
{
	const struct outcome *o = &run->outcome;

	if (run->plan.dry_run)
		return;
	tell_line(run, "%lu calls, %lu passed, %lu failed; %lu hypercalls in %lu ms", o->made,
		    o->passed, o->failed, o->hypercalls, o->ns / 1000000);
	if (status != EXIT_PASS)
		tell_line(run, "xenfc: %s", o->reason);
}

int xenfc_main(struct door *door, const struct plan *plan, struct outcome *outcome)
{
	int status;

	begin(&the_run, door, plan);
	status = go(&the_run);
	tell_end(&the_run, status);
	if (outcome)
		*outcome = the_run.outcome;
	return status;
}

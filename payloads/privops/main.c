/*
 * privops: privileged operations, tried where they must work and where they must not.
 * A refusal where refusal is right is a pass that says why.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "checks.h"
#include "exits.h"
#include "role.h"
#include "supervisor.h"
#include "tries.h"

#define LIMIT_MS 300000

struct call {
	struct cases_choice choice;
	const char *role_text;
	const char *root;
	int64_t victim;
	char **argv;
	struct scene *scene;	/* shared with all children */
	struct report *report;	/* and so is this */
	struct cases_plan told;
};

static const struct cases cases = { "operation", checks, sizeof(checks[0]) };
static const char *const role_words[] = { "auto", "control", "pv-guest", "hvm-guest", "pvh-guest",
					  "kvm-guest", "kvm-host", NULL };

static enum role role_of(const struct call *call)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (!strcmp(call->role_text, role_words[i + 1]))
			return (enum role)i;
	return role_find(call->root);
}

/* Without names, all that exist in this role. */
static bool wanted(const struct call *call, const struct check *check)
{
	return cases_chosen(&call->choice, check->name,
			    check->must[call->scene->role] != MUST_NOT_APPLY);
}

static void plan_verdicts(struct call *call)
{
	for (const struct check *check = checks; check->name; check++)
		if (wanted(call, check))
			call->told.names[call->told.count++] = check->name;
}

/* In a child: the parent destroys the scratch domain whatever becomes of this. */
static int run_checks(void *context)
{
	struct call *call = context;
	struct report *report = call->report;

	if (call->scene->domain == DOMAIN_UNKNOWN)
		report_note(report, "role: %s", role_name(call->scene->role));
	else
		report_note(report, "role: %s, domain %" PRIu32, role_name(call->scene->role),
			    call->scene->domain);
	for (const struct check *check = checks; check->name; check++) {
		struct verdict verdict;

		if (!wanted(call, check))
			continue;
		verdict = check_run(check, call->scene);
		report_verdict(report, check->name, &verdict);
	}
	return report_end(report);
}

static void undo(void *context)
{
	struct call *call = context;

	destroy_scratch(call->scene);
	unpause_victim(call->scene);
}

static int run(struct call *call)
{
	const struct supervised work = { .work = run_checks, .undo = undo, .context = call,
					 .limit_ms = LIMIT_MS };

	struct supervised_result end;

	plan_verdicts(call);
	report_begin(call->report, cases_form(&call->choice), stdout, "privops", call->argv,
		     call->told.count);
	end = supervise(&work);
	return cases_end("privops", call->report, &call->told, end, LIMIT_MS,
			 "not all operations were tried");
}

static int no_role(const struct call *call)
{
	struct verdict verdict = verdict_skip("neither Xen nor KVM is below this system: there is "
					      "no privilege to test");

	return cases_none(&call->choice, call->argv, "privops", "role", &verdict);
}

static void parse(struct call *call, int argc, char **argv)
{
	const struct option_spec options[] = {
		{ .name = "role", .argument = "ROLE", .text = &call->role_text,
		  .choices = role_words,
		  .help = "whose rules hold: auto (default), control, pv-guest, hvm-guest, "
			  "pvh-guest, kvm-guest, kvm-host" },
		{ .name = "victim", .argument = "DOMID", .number = &call->victim, .low = 1,
		  .high = 32751, .help = "the other domain (default: the first that runs)" },
		{ .name = "root", .argument = "DIR", .text = &call->root,
		  .help = "find the role from /proc and /sys below this folder" },
		CASES_OPTIONS(&call->choice),
		{ .name = NULL },
	};
	const struct program_spec program = {
		.name = "privops",
		.usage = "[options] [OPERATION...]",
		.summary = "Tries privileged operations, and says whether each became what it must "
			   "in this kind of domain.",
		.epilog = "Exit status: 0 pass, 1 fail, 2 usage, 77 skip, 99 error.",
		.options = options,
	};

	cases_parse(&cases, &call->choice, &program, argc, argv);
}

int main(int argc, char **argv)
{
	struct call call = { .role_text = "auto", .root = "", .victim = -1, .argv = argv };
	enum role role;

	parse(&call, argc, argv);
	if (call.choice.list)
		return cases_list(&cases);
	role = role_of(&call);
	if (role == ROLE_NONE)
		return no_role(&call);
	call.scene = mmap(NULL, sizeof(*call.scene), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	call.report = report_new_shared();
	if (call.scene == MAP_FAILED || !call.report) {
		fprintf(stderr, "privops: no memory\n");
		return EXIT_ERROR;
	}
	call.scene->role = role;
	call.scene->root = call.root;
	call.scene->domain = role_domain(role);
	call.scene->victim = call.victim >= 0 ? call.victim : role_victim(call.scene->domain);
	return run(&call);
}

/*
 * privops: privileged operations, tried where they must work and where they must not.
 * A refusal where refusal is right is a pass that says why.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "checks.h"
#include "exits.h"
#include "options.h"
#include "report.h"
#include "role.h"
#include "supervisor.h"
#include "tries.h"

#define LIMIT_MS 300000

struct call {
	bool ktap, json, list;
	const char *role_text;
	const char *root;
	int64_t victim;
	char **argv;
	char *const *names;	/* of checks; empty: all */
	int names_count;
	struct scene *scene;	/* shared with all children */
};

static const char *const role_words[] = { "auto", "control", "pv-guest", "hvm-guest", "kvm-guest",
					  NULL };

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
	if (!call->names_count)
		return check->must[call->scene->role] != MUST_NOT_APPLY;
	for (int i = 0; i < call->names_count; i++)
		if (!strcmp(call->names[i], check->name))
			return true;
	return false;
}

static int planned(const struct call *call)
{
	int count = 0;

	for (const struct check *check = checks; check->name; check++)
		count += wanted(call, check);
	return count;
}

/* In a child: the parent destroys the scratch domain whatever becomes of this. */
static int run_checks(void *context)
{
	struct call *call = context;
	enum report_form form = call->json ? REPORT_JSON :
				call->ktap ? REPORT_KTAP : REPORT_PLAIN;
	struct report report;

	report_begin(&report, form, stdout, "privops", call->argv, planned(call));
	report_note(&report, "role: %s, domain %" PRIu32, role_name(call->scene->role),
		    call->scene->domain);
	for (const struct check *check = checks; check->name; check++) {
		struct verdict verdict;

		if (!wanted(call, check))
			continue;
		verdict = check_run(check, call->scene);
		report_verdict(&report, check->name, &verdict);
	}
	return report_end(&report);
}

static void undo(void *context)
{
	struct call *call = context;

	destroy_scratch(call->scene);
}

static int run(struct call *call)
{
	const struct supervised work = { .work = run_checks, .undo = undo, .context = call,
					 .limit_ms = LIMIT_MS };
	struct supervised_result end = supervise(&work);

	switch (end.end) {
	case SUPERVISED_EXITED:
		return end.status;
	case SUPERVISED_KILLED:
		fprintf(stderr, "privops: the checks were killed by signal %d (%s); not all were "
			"made\n", end.status, strsignal(end.status));
		break;
	case SUPERVISED_TIMED_OUT:
		fprintf(stderr, "privops: not done after %d s; not all checks were made\n",
			LIMIT_MS / 1000);
		break;
	case SUPERVISED_INTERRUPTED:
		fprintf(stderr, "privops: interrupted; not all checks were made\n");
		break;
	case SUPERVISED_FAILED:
		fprintf(stderr, "privops: cannot start a child: %s\n", strerror(end.status));
		break;
	}
	return EXIT_ERROR;
}

static int no_role(const struct call *call)
{
	struct verdict verdict = verdict_skip("neither Xen nor KVM is below this system: there is "
					      "no privilege to test");
	struct report report;

	report_begin(&report, call->json ? REPORT_JSON : call->ktap ? REPORT_KTAP : REPORT_PLAIN,
		     stdout, "privops", call->argv, 1);
	report_verdict(&report, "role", &verdict);
	return report_end(&report);
}

static void check_names(const struct program_spec *program, const struct call *call)
{
	const char *known[64];
	size_t count = 0;

	for (const struct check *check = checks; check->name; check++)
		known[count++] = check->name;
	known[count] = NULL;
	for (int i = 0; i < call->names_count; i++) {
		const char *near = nearest_name(call->names[i], known);
		bool found = false;

		for (size_t k = 0; k < count; k++)
			found |= !strcmp(call->names[i], known[k]);
		if (!found)
			options_error(program, "there is no operation '%s'%s%s; see --list",
				      call->names[i], near ? "; did you mean " : "",
				      near ? near : "");
	}
}

static int list_checks(void)
{
	for (const struct check *check = checks; check->name; check++)
		printf("%-18s %s\n", check->name, check->what);
	return EXIT_PASS;
}

static void parse(struct call *call, int argc, char **argv)
{
	const struct option_spec options[] = {
		{ .name = "role", .argument = "ROLE", .text = &call->role_text,
		  .choices = role_words,
		  .help = "whose rules hold: auto (default), control, pv-guest, hvm-guest, "
			  "kvm-guest" },
		{ .name = "victim", .argument = "DOMID", .number = &call->victim, .low = 1,
		  .high = 32751, .help = "the other domain (default: the first that runs)" },
		{ .name = "root", .argument = "DIR", .text = &call->root,
		  .help = "find the role from /proc and /sys below this folder" },
		{ .name = "list", .flag = &call->list, .help = "name the operations" },
		{ .name = "ktap", .flag = &call->ktap, .help = "verdicts as KTAP" },
		{ .name = "json", .flag = &call->json, .help = "a JSON object a line" },
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
	int first = options_parse(&program, argc, argv);

	call->names = argv + first;
	call->names_count = argc - first;
	check_names(&program, call);
	if (call->ktap && call->json)
		options_error(&program, "--ktap and --json exclude each other; choose one");
}

int main(int argc, char **argv)
{
	struct call call = { .role_text = "auto", .root = "", .victim = -1, .argv = argv };
	enum role role;

	parse(&call, argc, argv);
	if (call.list)
		return list_checks();
	role = role_of(&call);
	if (role == ROLE_NONE)
		return no_role(&call);
	call.scene = mmap(NULL, sizeof(*call.scene), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (call.scene == MAP_FAILED) {
		fprintf(stderr, "privops: no memory\n");
		return EXIT_ERROR;
	}
	call.scene->role = role;
	call.scene->domain = role_domain();
	call.scene->victim = call.victim >= 0 ? call.victim : role_victim(call.scene->domain);
	return run(&call);
}

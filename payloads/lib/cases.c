#include "cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exits.h"

struct row {
	const char *name;
	const char *what;
};

static const struct row *row_at(const struct cases *cases, size_t index)
{
	return (const void *)((const char *)cases->rows + index * cases->row_size);
}

static void check_name(const struct cases *cases, const struct program_spec *program,
		       const char *name)
{
	const char *known[CASES_MOST + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < CASES_MOST && row_at(cases, i)->name; i++) {
		known[i] = row_at(cases, i)->name;
		if (!strcmp(name, known[i]))
			return;
	}
	near = nearest_name(name, known);
	options_error(program, "there is no %s '%s'%s%s; see --list", cases->kind, name,
		      near ? "; did you mean " : "", near ? near : "");
}

void cases_parse(const struct cases *cases, struct cases_choice *choice,
		 const struct program_spec *program, int argc, char **argv)
{
	int first = options_parse(program, argc, argv);

	choice->names = argv + first;
	choice->names_count = argc - first;
	for (int i = 0; i < choice->names_count; i++)
		check_name(cases, program, choice->names[i]);
	if (choice->ktap && choice->json)
		options_error(program, "--ktap and --json exclude each other; choose one");
}

int cases_list(const struct cases *cases)
{
	for (size_t i = 0; row_at(cases, i)->name; i++)
		printf("%-18s %s\n", row_at(cases, i)->name, row_at(cases, i)->what);
	return EXIT_PASS;
}

bool cases_chosen(const struct cases_choice *choice, const char *name, bool fits)
{
	if (!choice->names_count)
		return fits;
	for (int i = 0; i < choice->names_count; i++)
		if (!strcmp(choice->names[i], name))
			return true;
	return false;
}

enum report_form cases_form(const struct cases_choice *choice)
{
	return choice->json ? REPORT_JSON : choice->ktap ? REPORT_KTAP : REPORT_PLAIN;
}

int cases_none(const struct cases_choice *choice, char *const argv[], const char *program,
	       const char *name, const struct verdict *verdict)
{
	return report_only(cases_form(choice), program, argv, name, *verdict);
}

static struct verdict why_it_ended(struct supervised_result end, uint64_t limit_ms)
{
	switch (end.end) {
	case SUPERVISED_KILLED:
		return verdict_error("killed by signal %d (%s)", end.status, strsignal(end.status));
	case SUPERVISED_TIMED_OUT:
		return verdict_error("not done after %" PRIu64 " s", limit_ms / 1000);
	case SUPERVISED_INTERRUPTED:
		return verdict_error("interrupted");
	case SUPERVISED_FAILED:
		return verdict_error("cannot start a child: %s", strerror(end.status));
	case SUPERVISED_EXITED:
		break;
	}
	return verdict_error("the run ended without a verdict, with status %d", end.status);
}

int cases_end(const char *program, struct report *report, const struct cases_plan *plan,
	      struct supervised_result end, uint64_t limit_ms, const char *after)
{
	struct verdict verdict = why_it_ended(end, limit_ms);
	int told = report_told(report);

	if (end.end == SUPERVISED_EXITED && told == plan->count)
		return end.status;
	fprintf(stderr, "%s: %s; %s\n", program, verdict.reason, after);
	for (; told < plan->count; told++) {
		report_verdict(report, plan->names[told], &verdict);
		verdict = verdict_error("not tried: the run had ended");
	}
	report_end(report);
	return EXIT_ERROR;
}

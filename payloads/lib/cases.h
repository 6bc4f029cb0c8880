/*
 * The cases of a test payload on its command line: words choose some of them, --list names
 * them all, --ktap and --json choose how verdicts are told.
 */
#ifndef XENTEST_CASES_H
#define XENTEST_CASES_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "report.h"
#include "supervisor.h"

/* A table of cases: each row begins with two strings, the name and what it is. */
struct cases {
	const char *kind;	/* "scenario" */
	const void *rows;	/* end with one whose name is NULL */
	size_t row_size;
};

struct cases_choice {
	bool ktap, json, list;
	char *const *names;	/* chosen; none: all that fit */
	int names_count;
};

#define CASES_MOST 64

/* What a run will tell a verdict of, in its order. */
struct cases_plan {
	const char *names[CASES_MOST];
	int count;
};

/* For the program's table of options. */
#define CASES_OPTIONS(choice) \
	{ .name = "list", .flag = &(choice)->list, .help = "say what can be named" }, \
	{ .name = "ktap", .flag = &(choice)->ktap, .help = "verdicts as KTAP" }, \
	{ .name = "json", .flag = &(choice)->json, .help = "a JSON object a line" }

/* Parse the command line, its words as names; what is wrong ends the program. */
void cases_parse(const struct cases *cases, struct cases_choice *choice,
		 const struct program_spec *program, int argc, char **argv);

/* For --list; the exit status. */
int cases_list(const struct cases *cases);

/* Is this case chosen, if it is one of those that fit? */
bool cases_chosen(const struct cases_choice *choice, const char *name, bool fits);

enum report_form cases_form(const struct cases_choice *choice);

/* A report of one verdict only, where no case can be run; the exit status. */
int cases_none(const struct cases_choice *choice, char *const argv[], const char *program,
	       const char *name, const struct verdict *verdict);

/*
 * The exit status of cases that ran under a supervisor, where the child told verdicts in the
 * shared report.  Should it not have ended by itself, why goes to standard error, with what that
 * means in `after`; and whatever it left untold is an error in the report.
 */
int cases_end(const char *program, struct report *report, const struct cases_plan *plan,
	      struct supervised_result end, uint64_t limit_ms, const char *after);

#endif

/*
 * Command lines: a table of options gives parsing, --help and errors with the
 * nearest known name.  Options may be given as --name=value, --name value or -n value.
 */
#ifndef XENTEST_OPTIONS_H
#define XENTEST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_spec {
	const char *name;	/* long name, without dashes */
	char letter;		/* 0: none */
	const char *argument;	/* its placeholder in --help; NULL: takes none */
	const char *help;
	/* Set exactly one of these; where the value goes. */
	bool *flag;
	const char **text;
	int64_t *number;	/* decimal or 0x; checked against low and high */
	double *real;		/* likewise */
	int64_t *size;		/* a number with K, M or G (1024) behind it */
	const char *const *choices;	/* with `text`: ends with NULL */
	double low, high;	/* bounds of number, real, size; both 0: none */
	/* Or an own reader: NULL when all is well, else what is wrong with the value. */
	const char *(*parse)(const char *value, void *into);
	void *into;
};

struct program_spec {
	const char *name;
	const char *usage;	/* what follows the name: "[options] PORT" */
	const char *summary;	/* a sentence or two */
	const char *epilog;	/* after the options; may be NULL */
	const struct option_spec *options;	/* ends with an entry without name */
};

/*
 * Parse; the index of the first word that is no option (options may follow words
 * unless "--" stands before them; words are moved to the end of argv).
 * --help and --version print and exit 0.  Standard output is watched over from here on
 * (output_begin()).  What is wrong is said on standard error
 * as "NAME: what; what to write instead" and ends the program with EXIT_USAGE.
 */
int options_parse(const struct program_spec *program, int argc, char **argv);

/* Print "NAME: message" and end with EXIT_USAGE. */
_Noreturn void options_error(const struct program_spec *program, const char *message, ...)
	__attribute__((format(printf, 2, 3)));

/* The one of `names` (ends with NULL) nearest to `word`, or NULL when none is near. */
const char *nearest_name(const char *word, const char *const *names);

#endif

#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "exits.h"
#include "output.h"

#define LINE_WIDTH 80
#define HELP_COLUMN 28
#define LONGEST_NAME 63

void options_error(const struct program_spec *program, const char *message, ...)
{
	va_list words;

	fprintf(stderr, "%s: ", program->name);
	va_start(words, message);
	vfprintf(stderr, message, words);
	va_end(words);
	fputc('\n', stderr);
	exit(EXIT_USAGE);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, change, swap neighbours) that make one word of the other. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LONGEST_NAME + 1];
	size_t *before = rows[0], *previous = rows[1], *row = rows[2];
	size_t length_b = strlen(b);

	if (strlen(a) > LONGEST_NAME || length_b > LONGEST_NAME)
		return LONGEST_NAME;
	for (size_t j = 0; j <= length_b; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		before = previous;
		previous = row;
		row = oldest;
		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			row[j] = smaller(previous[j - 1] + (a[i - 1] != b[j - 1]),
					 smaller(previous[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
	}
	return row[length_b];
}

const char *nearest_name(const char *word, const char *const *names)
{
	const char *nearest = NULL;
	size_t least = strlen(word) / 3 + 2;

	for (; *names; names++) {
		size_t edits = distance(word, *names);
		bool begins = word[0] && !strncmp(word, *names, strlen(word));

		if (begins)
			edits = smaller(edits, 1);
		if (edits < least) {
			least = edits;
			nearest = *names;
		}
	}
	return nearest;
}

_Noreturn static void unknown_option(const struct program_spec *program, const char *word)
{
	const char *names[128] = {"help", "version"};
	size_t n = 2;
	char name[LONGEST_NAME + 1];
	const char *nearest;

	for (const struct option_spec *o = program->options; o->name && n < 127; o++)
		names[n++] = o->name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	nearest = word[1] == '-' ? nearest_name(name, names) : NULL;
	if (nearest)
		options_error(program, "there is no option %s; write --%s", word, nearest);
	options_error(program, "there is no option %s; '%s --help' lists them all", word,
		      program->name);
}

_Noreturn static void bad_choice(const struct program_spec *program, const struct option_spec *o,
				 const char *value)
{
	const char *nearest = nearest_name(value, o->choices);
	char list[256] = "";
	size_t used = 0;

	if (nearest)
		options_error(program, "--%s cannot be '%s'; write %s", o->name, value, nearest);
	for (const char *const *choice = o->choices; *choice && used < sizeof(list); choice++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
				 *choice);
	options_error(program, "--%s cannot be '%s'; write one of %s", o->name, value, list);
}

static void check_bounds(const struct program_spec *program, const struct option_spec *o,
			 const char *text, double value)
{
	if (o->low == 0 && o->high == 0)
		return;
	/* Not "value < low": a NaN is outside as well. */
	if (!(value >= o->low && value <= o->high))
		options_error(program, "--%s cannot be %s; write a number from %.15g to %.15g",
			      o->name, text, o->low, o->high);
}

/* The whole number at the start of `text`; what follows it goes to `rest`. */
static int64_t whole_number(const struct program_spec *program, const struct option_spec *o,
			    const char *text, char **rest)
{
	const char *digits = text + strspn(text, "+-");
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	int64_t value;

	errno = 0;
	value = strtoll(text, rest, hex ? 16 : 10);
	if (errno == ERANGE)
		options_error(program, "--%s: %s is too large; write at most %lld", o->name, text,
			      (long long)INT64_MAX);
	if (*rest == text || digits > text + 1 || text[0] == ' ')
		options_error(program, "--%s needs a whole number, not '%s'; write it in digits",
			      o->name, text);
	return value;
}

static void read_number(const struct program_spec *program, const struct option_spec *o,
			const char *text)
{
	char *rest;
	int64_t value = whole_number(program, o, text, &rest);

	if (*rest)
		options_error(program, "--%s needs a whole number, not '%s'; write only digits",
			      o->name, text);
	check_bounds(program, o, text, (double)value);
	*o->number = value;
}

static void read_size(const struct program_spec *program, const struct option_spec *o,
		      const char *text)
{
	static const char units[] = "KMG";
	char *rest;
	int64_t value = whole_number(program, o, text, &rest);

	if (*rest) {
		char upper = *rest & ~0x20;
		const char *unit = upper ? strchr(units, upper) : NULL;

		if (!unit || rest[1])
			options_error(program, "--%s cannot be '%s'; write a number with K, M, G or "
				      "nothing behind it", o->name, text);
		if (__builtin_mul_overflow(value, 1ll << 10 * (unit - units + 1), &value))
			options_error(program, "--%s: %s is too large; write less", o->name, text);
	}
	if (value < 0)
		options_error(program, "--%s cannot be negative; write a size", o->name);
	check_bounds(program, o, text, (double)value);
	*o->size = value;
}

static void read_real(const struct program_spec *program, const struct option_spec *o,
		      const char *text)
{
	char *rest;
	double value = strtod(text, &rest);

	if (rest == text || *rest)
		options_error(program, "--%s needs a number, not '%s'; write it in digits",
			      o->name, text);
	check_bounds(program, o, text, value);
	*o->real = value;
}

static void read_text(const struct program_spec *program, const struct option_spec *o,
		      const char *text)
{
	if (o->choices) {
		const char *const *choice = o->choices;

		while (*choice && strcmp(*choice, text))
			choice++;
		if (!*choice)
			bad_choice(program, o, text);
	}
	*o->text = text;
}

static void take_value(const struct program_spec *program, const struct option_spec *o,
		       const char *value)
{
	if (o->flag) {
		*o->flag = true;
	} else if (o->text) {
		read_text(program, o, value);
	} else if (o->number) {
		read_number(program, o, value);
	} else if (o->real) {
		read_real(program, o, value);
	} else if (o->size) {
		read_size(program, o, value);
	} else {
		const char *wrong = o->parse(value, o->into);

		if (wrong)
			options_error(program, "--%s %s: %s", o->name, value ? value : "", wrong);
	}
}

/* Write `text` from `column` on, broken between words, indented to HELP_COLUMN. */
static void print_wrapped(const char *text, int column)
{
	while (*text) {
		int length = (int)strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + length > LINE_WIDTH) {
			printf("\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			putchar(' ');
			column++;
		}
		printf("%.*s", length, text);
		column += length;
		text += length;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_option(const struct option_spec *o)
{
	int column = o->letter ? printf("  -%c, --%s", o->letter, o->name)
			       : printf("      --%s", o->name);

	if (o->argument)
		column += printf("=%s", o->argument);
	if (column > HELP_COLUMN - 2) {
		putchar('\n');
		column = 0;
	}
	printf("%*s", HELP_COLUMN - column, "");
	print_wrapped(o->help, HELP_COLUMN);
}

_Noreturn static void print_help(const struct program_spec *program)
{
	static const struct option_spec common[] = {
		{.name = "help", .letter = 'h', .help = "print this text"},
		{.name = "version", .help = "print the version"},
	};
	bool letter_free = true;

	printf("Usage: %s %s\n\n%s\n\n", program->name, program->usage, program->summary);
	for (const struct option_spec *o = program->options; o->name; o++) {
		print_option(o);
		letter_free = letter_free && o->letter != 'h';
	}
	if (letter_free) {
		print_option(&common[0]);
	} else {
		struct option_spec help = common[0];

		help.letter = 0;
		print_option(&help);
	}
	print_option(&common[1]);
	if (program->epilog)
		printf("\n%s\n", program->epilog);
	exit(EXIT_PASS);
}

_Noreturn static void print_version(const struct program_spec *program)
{
	printf("%s %s\n", program->name, PAYLOADS_VERSION);
	exit(EXIT_PASS);
}

/* `word` is --name, --name=value: the arguments used, this one included. */
static int take_long(const struct program_spec *program, char *word, char *next)
{
	const char *name = word + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] ? name + length + 1 : NULL;
	const struct option_spec *o = program->options;

	if (!strcmp(name, "help"))
		print_help(program);
	if (!strcmp(name, "version"))
		print_version(program);
	while (o->name && (strncmp(o->name, name, length) || o->name[length]))
		o++;
	if (!o->name)
		unknown_option(program, word);
	if (!o->argument && value)
		options_error(program, "--%s takes no value; write it without =%s", o->name, value);
	if (o->argument && !value && !next)
		options_error(program, "--%s needs a value; write --%s=%s", o->name, o->name,
			      o->argument);
	take_value(program, o, value ? value : next);
	return o->argument && !value ? 2 : 1;
}

/* `word` is -n, -nvalue or several flags in one: the arguments used. */
static int take_letters(const struct program_spec *program, const char *word, char *next)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct option_spec *o = program->options;

		while (o->name && o->letter != *letter)
			o++;
		if (!o->name && *letter == 'h')
			print_help(program);
		if (!o->name)
			unknown_option(program, word);
		if (!o->argument) {
			take_value(program, o, NULL);
			continue;
		}
		if (!letter[1] && !next)
			options_error(program, "-%c needs a value; write -%c %s", o->letter,
				      o->letter, o->argument);
		take_value(program, o, letter[1] ? letter + 1 : next);
		return letter[1] ? 1 : 2;
	}
	return 1;
}

int options_parse(const struct program_spec *program, int argc, char **argv)
{
	char **words = calloc(argc + 1, sizeof(*words));
	int n_words = 0, used = 1, at = 1;

	output_begin(program->name);
	if (!words)
		options_error(program, "no memory for %d words", argc);
	while (at < argc) {
		int taken;

		if (!strcmp(argv[at], "--")) {
			argv[used++] = argv[at++];
			break;
		}
		if (argv[at][0] != '-' || !argv[at][1]) {
			words[n_words++] = argv[at++];
			continue;
		}
		taken = argv[at][1] == '-' ? take_long(program, argv[at], argv[at + 1])
					   : take_letters(program, argv[at], argv[at + 1]);
		while (taken--)
			argv[used++] = argv[at++];
	}
	while (at < argc)
		words[n_words++] = argv[at++];
	memcpy(argv + used, words, n_words * sizeof(*words));
	free(words);
	return used;
}

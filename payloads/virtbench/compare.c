/* virtbench compare: which benchmarks take longer than before. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "environment.h"
#include "exits.h"
#include "json.h"
#include "options.h"
#include "output.h"
#include "settings.h"
#include "summary.h"

#define PLOT_WIDTH 33

static struct {
	double fail_over;	/* per cent; negative: never */
	const char *svg;
	bool json;
} given = { .fail_over = -1 };

static const char *read_per_cent(const char *text, void *into)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%")) || !(value >= 0 && value < 1000))
		return "write a percentage such as 5%";
	*(double *)into = value;
	return NULL;
}

static const struct option_spec options[] = {
	{ .name = "fail-over", .argument = "PERCENT", .parse = read_per_cent,
	  .into = &given.fail_over,
	  .help = "status 1 when a benchmark is slower and by more than that, 77 when that "
		  "cannot be told of one" },
	{ .name = "svg", .argument = "FILE", .text = &given.svg, .help = "draw the ratios" },
	{ .name = "json", .flag = &given.json, .help = "one JSON object a line" },
	{ 0 },
};

static const struct program_spec program = {
	.name = "virtbench compare",
	.usage = "[options] A B",
	.summary = "Compares two files that virtbench --csv or --json wrote, each with three runs "
		   "at least: for each benchmark the time in B to that in A.",
	.options = options,
};

static struct sample_file read_file(const char *path)
{
	struct sample_file file;
	struct why why;

	if (samples_read(&file, path, &why) < 0)
		options_error(&program, "%s", why.text);
	return file;
}

/* "   --+--  |  ": from half to twice as long, 1 in the middle. */
static const char *plot(const struct comparison *c, char line[PLOT_WIDTH + 1])
{
	const double points[] = { c->interval.low, c->interval.high, c->ratio };
	int columns[3];

	memset(line, ' ', PLOT_WIDTH);
	line[PLOT_WIDTH] = 0;
	line[PLOT_WIDTH / 2] = '|';
	for (int i = 0; i < 3; i++) {
		double part = (log2(fmin(fmax(points[i], 0.5), 2)) + 1) / 2;

		if (isnan(points[i]))
			return line;
		columns[i] = (int)lround(part * (PLOT_WIDTH - 1));
	}
	memset(line + columns[0], '-', (size_t)(columns[1] - columns[0] + 1));
	line[columns[2]] = 'o';
	return line;
}

static void write_text(const struct comparison *c)
{
	char a[32], b[32], line[PLOT_WIDTH + 1];

	printf("%-18s %12s %12s %7.3f [%.3f - %.3f] %-11s %s\n", c->name,
	       format_ns(c->a, a, sizeof(a)), format_ns(c->b, b, sizeof(b)), c->ratio,
	       c->interval.low, c->interval.high, comparison_name(c->verdict), plot(c, line));
}

static void write_json(const struct comparison *c)
{
	struct json j;

	json_begin_line(&j, stdout);
	json_string(&j, "type", "comparison");
	json_string(&j, "name", c->name);
	json_double(&j, "a", c->a);
	json_double(&j, "b", c->b);
	json_double(&j, "ratio", c->ratio);
	json_double(&j, "interval_low", c->interval.low);
	json_double(&j, "interval_high", c->interval.high);
	json_string(&j, "verdict", comparison_name(c->verdict));
	json_end_line(&j);
}

/* How many are in one file only. */
static int say_missing(const struct sample_file *in, const struct sample_file *other,
		       const char *path)
{
	int missing = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (samples_of(other, in->all[i].name))
			continue;
		fprintf(stderr, "virtbench compare: %s is only in %s\n", in->all[i].name, path);
		missing++;
	}
	return missing;
}

static FILE *open_svg(void)
{
	FILE *out = given.svg ? fopen(given.svg, "we") : NULL;

	if (given.svg && !out)
		options_error(&program, "cannot write %s: %s", given.svg, strerror(errno));
	return out;
}

/* `status`, or that the picture could not be written. */
static int finish(FILE *svg, int status)
{
	if (!svg || !output_close(svg))
		return status;
	fprintf(stderr, "virtbench compare: the picture %s could not be written: %s\n",
		given.svg, strerror(errno));
	return EXIT_ERROR;
}

/* Those that both files have; how many. */
static size_t compare_all(const struct sample_file *a, const struct sample_file *b,
			  struct comparison *all)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct samples *other = samples_of(b, a->all[i].name);

		if (other)
			all[n++] = compare_samples(&a->all[i], other);
	}
	return n;
}

static void write_all(const struct comparison *all, size_t n)
{
	if (!given.json)
		printf("%-18s %12s %12s %7s %-15s %-11s 1/2%*s1%*s2\n", "benchmark", "A ns", "B ns",
		       "ratio", "95 % interval", "B is", PLOT_WIDTH / 2 - 3, "",
		       PLOT_WIDTH / 2 - 1, "");
	for (size_t i = 0; i < n; i++) {
		if (given.json)
			write_json(&all[i]);
		else
			write_text(&all[i]);
	}
}

/* One run says nothing about how far it differs from the next. */
static void say_too_few(const struct comparison *all, size_t n)
{
	int too_few = 0;

	for (size_t i = 0; i < n; i++)
		too_few += !all[i].known;
	if (!too_few)
		return;
	fflush(stdout);
	fprintf(stderr, "virtbench compare: no verdict for %d benchmarks that were not measured in "
		"%d runs of virtbench a side; append more to both files, in turns\n", too_few,
		FEWEST_RUNS);
}

/* What --fail-over asks for; a benchmark that one file lacks cannot be judged either. */
static int judge(const struct comparison *all, size_t n, int missing)
{
	double limit = 1 + given.fail_over / 100;
	int slower = 0, unknown = missing;

	if (given.fail_over < 0)
		return EXIT_PASS;
	fflush(stdout);
	for (size_t i = 0; i < n; i++) {
		enum slowdown s = slowdown(&all[i], limit);

		if (s == SLOWDOWN_SEEN)
			fprintf(stderr, "virtbench compare: %s takes %.1f %% longer\n",
				all[i].name, (all[i].ratio - 1) * 100);
		slower += s == SLOWDOWN_SEEN;
		unknown += s == SLOWDOWN_UNKNOWN;
	}
	if (slower)
		return EXIT_FAIL;
	if (!unknown)
		return EXIT_PASS;
	fprintf(stderr, "virtbench compare: of %d benchmarks it cannot be told whether they take "
		"more than %g %% longer; measure more runs\n", unknown,
		given.fail_over);
	return EXIT_SKIP;
}

int compare_main(int argc, char **argv)
{
	int first = options_parse(&program, argc, argv), missing, status;
	struct sample_file a, b;
	struct comparison *all;
	FILE *svg;
	size_t n;

	if (argc - first != 2)
		options_error(&program, "needs two files, A and B; see --help");
	a = read_file(argv[first]);
	b = read_file(argv[first + 1]);
	all = calloc(a.n, sizeof(*all));
	n = all ? compare_all(&a, &b, all) : 0;
	if (!n)
		options_error(&program, "%s and %s have no benchmark in common", argv[first],
			      argv[first + 1]);
	svg = open_svg();
	if (given.json)
		environment_write(stdout, "virtbench", argv);
	missing = say_missing(&a, &b, argv[first]) + say_missing(&b, &a, argv[first + 1]);
	write_all(all, n);
	say_too_few(all, n);
	status = judge(all, n, missing);
	if (svg)
		svg_write_comparisons(svg, all, n);
	status = finish(svg, status);
	free(all);
	samples_free(&b);
	samples_free(&a);
	return status;
}

#include "samples.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statistics.h"

/* A hundred days. */
#define LONGEST_NS 1e16
/* Nothing that a terminal or a picture takes for more than a name. */
#define NAME_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*"
#define RUN_BEGINS "{\"type\":\"environment\""
#define NO_NAME "no name of a benchmark"

const struct samples *samples_of(const struct sample_file *file, const char *name)
{
	for (size_t i = 0; i < file->n; i++)
		if (!strcmp(file->all[i].name, name))
			return &file->all[i];
	return NULL;
}

static struct samples *find_or_add(struct sample_file *file, const char *name, size_t length)
{
	struct samples *all;
	char copy[sizeof(all->name)];

	if (!length || length >= sizeof(copy) || strspn(name, NAME_CHARACTERS) < length)
		return NULL;
	memcpy(copy, name, length);
	copy[length] = 0;
	if (samples_of(file, copy))
		return (struct samples *)samples_of(file, copy);
	all = realloc(file->all, (file->n + 1) * sizeof(*all));
	if (!all)
		return NULL;
	file->all = all;
	all[file->n] = (struct samples){ .n = 0 };
	memcpy(all[file->n].name, copy, length + 1);
	return &all[file->n++];
}

static const char *add_median(struct samples *samples)
{
	double *medians = realloc(samples->medians, (samples->n_lines + 1) * sizeof(*medians));

	if (!medians)
		return "no memory";
	samples->medians = medians;
	medians[samples->n_lines++] = stats_median(samples->values + samples->run_begin,
						   samples->n - samples->run_begin);
	return NULL;
}

/* Numbers between commas up to `last`; those of a benchmark that ran twice in a run are of one. */
static const char *add_values(struct samples *samples, const char *text, char last, int run)
{
	if (samples->n_lines && samples->run == run)
		samples->n_lines--;
	else
		samples->run_begin = samples->n;
	samples->run = run;
	for (;;) {
		double *values, value;
		char *end;

		value = strtod(text, &end);
		if (end == text || !isfinite(value))
			return "a sample is no number";
		if (value < 0 || value > LONGEST_NS)
			return "a sample is no time in ns";
		values = realloc(samples->values, (samples->n + 1) * sizeof(*values));
		if (!values)
			return "no memory";
		samples->values = values;
		values[samples->n++] = value;
		if (*end == last)
			return add_median(samples);
		if (*end != ',')
			return "samples must be numbers with commas between them";
		text = end + 1;
	}
}

/* One of virtbench's own JSON lines; those that hold no samples say nothing here. */
static const char *add_json(struct sample_file *file, const char *line)
{
	const char *name = strstr(line, "\"name\":\""), *values = strstr(line, "\"samples\":[");
	struct samples *samples;

	if (!strncmp(line, RUN_BEGINS, strlen(RUN_BEGINS)))
		file->run++;
	if (!name || !values)
		return NULL;
	name += strlen("\"name\":\"");
	samples = find_or_add(file, name, strcspn(name, "\""));
	return samples ? add_values(samples, values + strlen("\"samples\":["), ']', file->run)
		       : NO_NAME;
}

static const char *add_csv(struct sample_file *file, const char *line)
{
	size_t length = strcspn(line, ",");
	struct samples *samples;

	if (!line[length])
		return "no comma: a line is a name and its samples";
	samples = find_or_add(file, line, length);
	return samples ? add_values(samples, line + length + 1, '\n', ++file->run) : NO_NAME;
}

static const char *add_line(struct sample_file *file, const char *line, size_t length)
{
	if (*line == '\n')
		return NULL;
	if (strlen(line) != length)
		return "a zero byte";
	/* Half a number is a number, too. */
	if (line[length - 1] != '\n')
		return "the line breaks off";
	return *line == '{' ? add_json(file, line) : add_csv(file, line);
}

static int read_lines(struct sample_file *file, FILE *in, const char *path, struct why *why)
{
	char *line = NULL;
	const char *wrong = NULL;
	size_t size = 0;
	ssize_t length;
	int number = 0;

	while (!wrong && (length = getline(&line, &size, in)) > 0) {
		number++;
		wrong = add_line(file, line, (size_t)length);
	}
	free(line);
	if (wrong)
		why_set(why, "%s:%d: %s; give a file that virtbench --csv or --json wrote", path,
			number, wrong);
	else if (ferror(in))
		why_errno(why, errno, "%s", path);
	else if (!file->n)
		why_set(why, "%s holds no results; give a file that virtbench --csv or --json "
			"wrote", path);
	else
		return 0;
	return -1;
}

int samples_read(struct sample_file *file, const char *path, struct why *why)
{
	FILE *in = fopen(path, "re");
	int result;

	*file = (struct sample_file){ .n = 0 };
	if (!in) {
		why_errno(why, errno, "%s cannot be read", path);
		return -1;
	}
	result = read_lines(file, in, path, why);
	fclose(in);
	return result;
}

void samples_free(struct sample_file *file)
{
	for (size_t i = 0; i < file->n; i++) {
		free(file->all[i].values);
		free(file->all[i].medians);
	}
	free(file->all);
}

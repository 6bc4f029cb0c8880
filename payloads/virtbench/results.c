#include "results.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "summary.h"

#define RECORDED_NAME 64

static void write_text(const struct results_form *form, const struct result *result)
{
	const struct benchmark *benchmark = result->benchmark;
	const struct estimate *e = result->estimate;
	char text[2048], low[32], high[32];

	if (result->kind == RESULT_DISABLED) {
		printf("DISABLED %s: %s\n", benchmark->name, result->reason);
		return;
	}
	if (result->kind == RESULT_FAILED) {
		printf("FAILED %s: %s\n", benchmark->name, result->reason);
		return;
	}
	if (form->forced_runs)
		printf("%s (x %u): ", benchmark->pretty_name, form->forced_runs);
	else
		printf("%s: ", benchmark->pretty_name);
	if (form->distribution) {
		printf("%s\n", distribution_summary(e, text, sizeof(text)));
		return;
	}
	printf("%s [%s - %s]%s\n", quick_summary(e, text, sizeof(text)),
	       format_ns(e->interval.low, low, sizeof(low)),
	       format_ns(e->interval.high, high, sizeof(high)),
	       e->too_small ? " too small to tell from the overhead" : "");
}

/* The estimate's part of a JSON result. */
static void write_estimate(struct json *j, const struct estimate *e)
{
	json_double(j, "median", e->median);
	json_double(j, "min", e->min);
	json_double(j, "max", e->max);
	json_double(j, "interval_low", e->interval.low);
	json_double(j, "interval_high", e->interval.high);
	json_uint(j, "runs", e->runs);
	json_double(j, "overhead", e->overhead);
	json_double(j, "overhead_spread", e->overhead_spread);
	json_bool(j, "limited", e->limited);
	json_bool(j, "too_small", e->too_small);
	json_begin_array(j, "peaks");
	for (size_t i = 0; i < e->n_peaks; i++) {
		json_begin_object(j, NULL);
		json_double(j, "low", e->peaks[i].low);
		json_double(j, "high", e->peaks[i].high);
		json_uint(j, "count", e->peaks[i].count);
		json_end_object(j);
	}
	json_end_array(j);
	json_begin_array(j, "samples");
	for (size_t i = 0; i < e->samples; i++)
		json_double(j, NULL, e->values[i]);
	json_end_array(j);
}

/* Totals of --runs are not the times that go under the benchmark's own name. */
static const char *recorded_name(const struct results_form *form, const struct result *result,
				 char text[RECORDED_NAME])
{
	if (!form->forced_runs)
		return result->benchmark->name;
	snprintf(text, RECORDED_NAME, "%s*%u", result->benchmark->name, form->forced_runs);
	return text;
}

static void write_json(const struct results_form *form, const struct result *result)
{
	static const char *const statuses[] = { "pass", "skip", "fail" };
	char text[RECORDED_NAME];
	const char *name = recorded_name(form, result, text);
	struct json j;

	json_begin_line(&j, stdout);
	json_string(&j, "type", "result");
	json_string(&j, "name", name);
	json_string(&j, "status", statuses[result->kind]);
	json_string(&j, "reason", result->reason);
	json_string(&j, "pretty_name", result->benchmark->pretty_name);
	json_begin_array(&j, "machines");
	for (int i = 0; i < result->chosen.n; i++)
		json_int(&j, NULL, result->chosen.machine[i]);
	json_end_array(&j);
	if (result->estimate)
		write_estimate(&j, result->estimate);
	json_end_line(&j);
	/* What cannot be told from nothing is no point of a history. */
	if (result->estimate && !result->estimate->too_small)
		json_figure(stdout, name, result->estimate->median, "ns", "lower");
}

/* The name, then what each run took in each sample, in ns. */
static bool write_csv(const struct results_form *form, const struct result *result)
{
	char text[RECORDED_NAME];
	FILE *csv = form->csv;

	fputs(recorded_name(form, result, text), csv);
	for (size_t i = 0; i < result->estimate->samples; i++)
		fprintf(csv, ",%.6g", result->estimate->values[i]);
	fputc('\n', csv);
	if (fflush(csv) == 0 && !ferror(csv))
		return true;
	fprintf(stderr, "virtbench: the CSV file lacks %s: %s\n", result->benchmark->name,
		strerror(errno));
	clearerr(csv);
	return false;
}

static bool write_svg(const char *folder, const struct result *result)
{
	char path[PATH_MAX];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.svg", folder, result->benchmark->name);
	out = fopen(path, "we");
	if (out)
		svg_write_distribution(out, result->benchmark->pretty_name, result->estimate);
	if (out && !output_close(out))
		return true;
	fprintf(stderr, "virtbench: no picture %s: %s\n", path, strerror(errno));
	return false;
}

static bool write_screen(const struct results_form *form, const struct result *result)
{
	if (form->json)
		write_json(form, result);
	else
		write_text(form, result);
	/* Lines of JSON were flushed one by one. */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	fprintf(stderr, "virtbench: the result of %s could not be written: %s\n",
		result->benchmark->name, strerror(errno));
	clearerr(stdout);
	return false;
}

bool results_write(const struct results_form *form, const struct result *result)
{
	bool written = write_screen(form, result);

	if (result->kind != RESULT_MEASURED)
		return written;
	if (form->csv)
		written &= write_csv(form, result);
	if (form->svg_folder)
		written &= write_svg(form->svg_folder, result);
	return written;
}

#include "summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "statistics.h"

#define LONGEST_NS (3600 * NS_PER_S)
#define HISTOGRAM_DIGITS 3

static bool names(const struct percentiles *p, double percent)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i] == percent)
			return true;
	return false;
}

const char *percentiles_parse(const char *list, void *into)
{
	struct percentiles *p = into;

	p->n = 0;
	for (const char *at = list;; at++) {
		char *end;
		double percent = strtod(at, &end);

		if (end == at || !(percent >= 0 && percent <= 100))
			return "write numbers from 0 to 100 with commas between them";
		if (p->n == MOST_PERCENTILES)
			return "write at most 16 of them";
		if (names(p, percent))
			return "write each of them once";
		p->at[p->n++] = percent;
		at = end;
		if (!*at)
			return NULL;
		if (*at != ',')
			return "write numbers from 0 to 100 with commas between them";
	}
}

int summary_make(struct summary *s, const struct stamp_clock *clock, const double *latencies,
		 size_t n)
{
	*s = (struct summary){.first = latencies[0], .values = latencies + 1, .n = n - 1};
	s->nanoseconds = histogram_new(LONGEST_NS, HISTOGRAM_DIGITS);
	if (!s->nanoseconds)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		double ns = tsc_to_ns(&clock->rate, s->values[i]);

		histogram_record(s->nanoseconds, ns > 0 ? (uint64_t)llround(ns) : 0);
	}
	s->min = stats_min(s->values, s->n);
	s->max = stats_max(s->values, s->n);
	s->median = stats_median(s->values, s->n);
	s->mean = stats_mean(s->values, s->n);
	s->stddev = stats_stddev(s->values, s->n);
	return 0;
}

void summary_free(struct summary *s)
{
	histogram_free(s->nanoseconds);
	s->nanoseconds = NULL;
}

void summary_print_stamps(const struct summary *s, FILE *out, size_t last)
{
	for (size_t i = last < s->n ? s->n - last : 0; i < s->n; i++)
		fprintf(out, "%4zu: %.0f\n", i + 1, s->values[i]);
	fprintf(out, "Initial connection/send: %.0f\nmin: %.0f\nmax: %.0f\nmedian: %.0f\n",
		s->first, s->min, s->max, s->median);
	fprintf(out, "avg: %f\nstddev: %f\n", s->mean, s->stddev);
}

void summary_print_time(const struct summary *s, FILE *out, const char *name,
			const struct stamp_clock *clock, const struct percentiles *p)
{
	fprintf(out, "%s in microseconds: first %.1f, min %.1f, median %.1f, avg %.1f, "
		"stddev %.1f, max %.1f\n", name, stamp_to_us(clock, s->first),
		stamp_to_us(clock, s->min), stamp_to_us(clock, s->median),
		stamp_to_us(clock, s->mean), stamp_to_us(clock, s->stddev),
		stamp_to_us(clock, s->max));
	if (!p->n)
		return;
	fprintf(out, "%s percentiles:", name);
	for (size_t i = 0; i < p->n; i++)
		fprintf(out, "%s %.15g %% %.1f", i ? "," : "", p->at[i],
			(double)histogram_percentile(s->nanoseconds, p->at[i]) / 1000);
	fputc('\n', out);
}

static void write_buckets(struct json *j, const struct histogram *h)
{
	uint64_t low, high, count;
	uint32_t cursor = 0;

	json_begin_array(j, "buckets_ns");
	while (histogram_next(h, &cursor, &low, &high, &count)) {
		json_begin_array(j, NULL);
		json_uint(j, NULL, low);
		json_uint(j, NULL, high);
		json_uint(j, NULL, count);
		json_end_array(j);
	}
	json_end_array(j);
}

static void write_figure(FILE *out, const char *transport, const char *name, const char *what,
			 double us)
{
	char text[128];

	snprintf(text, sizeof(text), "%s-%s-%s", transport, name, what);
	for (char *blank = text; (blank = strchr(blank, ' '));)
		*blank = '-';
	json_figure(out, text, us, "us", "lower");
}

void summary_write_json(const struct summary *s, FILE *out, const char *transport,
			const char *name, const struct stamp_clock *clock,
			const struct percentiles *p)
{
	struct json j;
	char key[32];

	json_begin_line(&j, out);
	json_string(&j, "type", "latency");
	json_string(&j, "transport", transport);
	json_string(&j, "name", name);
	json_string(&j, "unit", "us");
	json_uint(&j, "count", s->n);
	json_double(&j, "first", stamp_to_us(clock, s->first));
	json_double(&j, "min", stamp_to_us(clock, s->min));
	json_double(&j, "median", stamp_to_us(clock, s->median));
	json_double(&j, "mean", stamp_to_us(clock, s->mean));
	json_double(&j, "stddev", stamp_to_us(clock, s->stddev));
	json_double(&j, "max", stamp_to_us(clock, s->max));
	json_begin_object(&j, "percentiles");
	for (size_t i = 0; i < p->n; i++) {
		snprintf(key, sizeof(key), "%.15g", p->at[i]);
		json_double(&j, key,
			    (double)histogram_percentile(s->nanoseconds, p->at[i]) / 1000);
	}
	json_end_object(&j);
	write_buckets(&j, s->nanoseconds);
	json_end_line(&j);
	write_figure(out, transport, name, "median", stamp_to_us(clock, s->median));
	write_figure(out, transport, name, "p99",
		     (double)histogram_percentile(s->nanoseconds, 99) / 1000);
}

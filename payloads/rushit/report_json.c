#include "figures.h"
#include "json.h"
#include "report.h"

static const double usual_percentiles[] = {50, 90, 99, 99.9, 99.99};

static void write_latency(const struct test *t, struct json *j)
{
	const struct settings *s = t->settings;
	const struct histogram *h = t->latency;
	const double *wanted = s->percentile_count ? s->percentiles : usual_percentiles;
	int count = s->percentile_count ? s->percentile_count
		    : (int)(sizeof(usual_percentiles) / sizeof(usual_percentiles[0]));

	if (!h || !histogram_count(h))
		return;
	json_begin_object(j, "latency_ns");
	json_uint(j, "count", histogram_count(h));
	json_uint(j, "min", histogram_min(h));
	json_double(j, "mean", histogram_mean(h));
	json_uint(j, "max", histogram_max(h));
	json_double(j, "stddev", histogram_stddev(h));
	for (int i = 0; i < count; i++) {
		char key[32];

		snprintf(key, sizeof(key), "p%.15g", wanted[i]);
		json_uint(j, key, histogram_percentile(h, wanted[i]));
	}
	json_end_object(j);
}

static void write_end(struct json *j, const char *key, const struct tally *tally)
{
	double seconds = (double)tally->elapsed_ns / NS_PER_S;

	json_begin_object(j, key);
	json_double(j, "seconds", seconds);
	json_uint(j, "transactions", tally->transactions);
	json_uint(j, "bytes_read", tally->bytes_read);
	json_uint(j, "bytes_written", tally->bytes_written);
	json_double(j, "per_second", per_second(tally->transactions, seconds));
	json_double(j, "read_Mbps", megabits(tally->bytes_read, seconds));
	json_double(j, "write_Mbps", megabits(tally->bytes_written, seconds));
	json_double(j, "cpu_seconds", (double)tally->cpu_ns / NS_PER_S);
	json_end_object(j);
}

static void write_result(const struct test *t, FILE *out)
{
	const struct series *series = &t->window.series;
	struct totals done = window_done(&t->window);
	struct tally here = window_tally(&t->window);
	struct json j;

	json_begin_line(&j, out);
	json_string(&j, "type", "result");
	json_string(&j, "program", t->settings->program);
	json_string(&j, "role", t->settings->client ? "client" : "server");
	json_int(&j, "status", t->status);
	json_string(&j, "problem", t->problem.text[0] ? t->problem.text : NULL);
	json_bool(&j, "interrupted", t->interrupted);
	json_uint(&j, "invalid_secret_count", t->seen.invalid_secret_count);
	if (t->measured) {
		write_end(&j, "local", &here);
		if (t->peer_known)
			write_end(&j, "remote", &t->peer);
		json_double(&j, "correlation", series_correlation(series));
		json_double(&j, "uncertainty", series_uncertainty(series));
		json_uint(&j, "lost", done.lost);
		json_uint(&j, "send_errors", done.send_errors);
		if (t->settings->rate > 0)
			json_uint(&j, "unanswered", t->unanswered);
		write_latency(t, &j);
	}
	json_end_line(&j);
}

static void write_figure(const struct test *t, FILE *out, const char *name, double value,
			 const char *unit, const char *better)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", t->settings->program, name);
	json_figure(out, full, value, unit, better);
}

static void write_throughput(const struct test *t, FILE *out)
{
	const struct settings *s = t->settings;
	struct totals done = window_done(&t->window);
	double seconds = window_seconds(&t->window);
	char unit[32];

	if (settings_unit(s)) {
		snprintf(unit, sizeof(unit), "%s/s", settings_unit(s));
		write_figure(t, out, "throughput", per_second(done.transactions, seconds), unit,
			     "higher");
	} else {
		uint64_t bytes = payload_bytes(s, done.bytes_read, done.bytes_written);

		write_figure(t, out, "throughput", megabits(bytes, seconds), "Mbit/s", "higher");
	}
}

static void write_figures(const struct test *t, FILE *out)
{
	struct totals done = window_done(&t->window);
	double cpu = (double)t->window.cpu_ns;
	const struct histogram *h = t->latency;

	write_throughput(t, out);
	if (settings_unit(t->settings))
		write_figure(t, out, "cpu_per_transaction",
			     cpu / (double)done.transactions / NS_PER_US, "us", "lower");
	else
		write_figure(t, out, "cpu_per_byte",
			     cpu / (double)(done.bytes_read + done.bytes_written), "ns", "lower");
	if (!h || !histogram_count(h))
		return;
	write_figure(t, out, "latency_p50", (double)histogram_percentile(h, 50) / NS_PER_US, "us",
		     "lower");
	write_figure(t, out, "latency_p99", (double)histogram_percentile(h, 99) / NS_PER_US, "us",
		     "lower");
}

void report_json(const struct test *t, FILE *out)
{
	write_result(t, out);
	/* A run that went wrong is no point of a history. */
	if (t->measured && !t->status && !t->interrupted)
		write_figures(t, out);
	fflush(out);
}

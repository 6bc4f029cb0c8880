#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "perf.h"
#include "statistics.h"

#define MIB (1024 * 1024)

enum better {
	LOWER,
	HIGHER,
};

static const struct {
	const char *printed, *key;
	unsigned int percent;
} ranks[] = {
	{"Min", "min", 0},
	{"25th percentile", "p_25th", 25},
	{"50th percentile", "p_50th", 50},
	{"75th percentile", "p_75th", 75},
	{"99th percentile", "p_99th", 99},
	{"Max", "max", 100},
};

#define RANKS (sizeof(ranks) / sizeof(*ranks))

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(struct series *s)
{
	qsort(s->values, s->n, sizeof(double), ascending);
}

double perf_percentile(const double *sorted, size_t n, unsigned int percent)
{
	return sorted[percent * (n - 1) / 100];
}

/* "128 MiB", or in bytes when it is not whole. */
static const char *size_text(int64_t bytes, char *text, size_t size)
{
	if (bytes % MIB)
		snprintf(text, size, "%lld bytes", (long long)bytes);
	else
		snprintf(text, size, "%lld MiB", (long long)bytes / MIB);
	return text;
}

static void print_rates(FILE *out, const char *title, const char *amount, struct series *s)
{
	fprintf(out, "* %s throughput of %s:", title, amount);
	if (!s->n) {
		fputs(" NOT RUN\n", out);
		return;
	}
	fputc('\n', out);
	sort(s);
	for (size_t i = 0; i < RANKS; i++)
		fprintf(out, "\t%s: %.2fMiB/s\n", ranks[i].printed,
			perf_percentile(s->values, s->n, ranks[i].percent));
}

static void print_latency(FILE *out, struct series *s)
{
	fprintf(out, "* Round trip latency of %d bytes:", BENCHMARK_PAGE);
	if (!s->n) {
		fputs(" NOT RUN\n", out);
		return;
	}
	fputc('\n', out);
	sort(s);
	for (size_t i = 0; i < RANKS; i++) {
		double ns = perf_percentile(s->values, s->n, ranks[i].percent);

		fprintf(out, "\t%s: %.0fns (%.3fms)\n", ranks[i].printed, ns, ns / 1e6);
	}
}

static const char *corruption_word(const struct perf_results *r)
{
	if (r->corrupted)
		return "FAILED";
	return r->corruption_checked ? "PASSED" : "NOT RUN";
}

void perf_print(FILE *out, struct perf_results *r, const struct volume *v)
{
	char amount[40];

	size_text(v->bytes, amount, sizeof(amount));
	fputs("Microbenchmark Results\n", out);
	fprintf(out, "* Data corruption check: %s\n", corruption_word(r));
	print_latency(out, &r->latency);
	print_rates(out, "TX (guest -> host, unreliable)", amount, &r->tx);
	print_rates(out, "RX (host -> guest, unreliable)", amount, &r->rx);
	print_rates(out, "Single stream unidirectional round trip", amount, &r->single);
	print_rates(out, "Multistream (5 connections) unidirectional round trip", amount,
		    &r->multi);
	/* What the ancestor did not tell: at the receivers, and all five streams together. */
	print_rates(out, "Host -> guest, until the guest had all,", amount, &r->to_guest);
	print_rates(out, "Guest -> host, at the receiver,", amount, &r->to_host);
	print_rates(out, "Sum of the 5 streams, round trip", amount, &r->multi_sum);
	if (r->single.n)
		fprintf(out, "* CPU time of the host's half, single stream: %.3fns a byte\n",
			r->cpu_ns_per_byte);
}

static void write_record(struct json *j, const char *key, struct series *s, const char *unit)
{
	static const double more[] = {1, 5, 10, 90, 95, 99.9, 99.99};
	char name[32];

	json_begin_object(j, key);
	json_string(j, "unit", unit);
	json_uint(j, "count", s->n);
	if (s->n) {
		sort(s);
		for (size_t i = 0; i < RANKS; i++)
			json_double(j, ranks[i].key,
				    perf_percentile(s->values, s->n, ranks[i].percent));
		json_double(j, "mean", stats_mean(s->values, s->n));
		for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
			snprintf(name, sizeof(name), "p_%gth", more[i]);
			json_double(j, name, stats_percentile(s->values, s->n, more[i]));
		}
	}
	json_end_object(j);
}

static void write_figure(FILE *out, const char *name, const struct series *s, const char *unit,
			 enum better better)
{
	if (s->n)
		json_figure(out, name, perf_percentile(s->values, s->n, 50), unit,
			    better == LOWER ? "lower" : "higher");
}

void perf_write_json(FILE *out, struct perf_results *r, const struct volume *v)
{
	struct json j;

	json_begin_line(&j, out);
	json_string(&j, "type", "vsock-perf");
	json_string(&j, "data_corruption", corruption_word(r));
	json_int(&j, "transfer_bytes", v->bytes);
	json_int(&j, "segment_bytes", v->segment);
	json_int(&j, "buffer_bytes", v->buffer);
	write_record(&j, "round_trip_page", &r->latency, "ns");
	write_record(&j, "tx_throughput", &r->tx, "MiB/s");
	write_record(&j, "rx_throughput", &r->rx, "MiB/s");
	write_record(&j, "single_stream_unidirectional", &r->single, "MiB/s");
	write_record(&j, "multi_stream_unidirectional", &r->multi, "MiB/s");
	write_record(&j, "host_to_guest", &r->to_guest, "MiB/s");
	write_record(&j, "guest_to_host", &r->to_host, "MiB/s");
	write_record(&j, "multi_stream_sum", &r->multi_sum, "MiB/s");
	json_double(&j, "cpu_ns_per_byte", r->single.n ? r->cpu_ns_per_byte : NAN);
	json_end_line(&j);
	write_figure(out, "round-trip-page", &r->latency, "ns", LOWER);
	write_figure(out, "single-stream", &r->single, "MiB/s", HIGHER);
	write_figure(out, "host-to-guest", &r->to_guest, "MiB/s", HIGHER);
	write_figure(out, "guest-to-host", &r->to_host, "MiB/s", HIGHER);
	write_figure(out, "multi-stream-sum", &r->multi_sum, "MiB/s", HIGHER);
	if (r->single.n)
		json_figure(out, "cpu-per-byte", r->cpu_ns_per_byte, "ns", "lower");
}

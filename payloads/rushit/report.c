#include "report.h"

#include <errno.h>
#include <string.h>

#include "exits.h"
#include "figures.h"
#include "output.h"

static double ns_to_s(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

static void print_time(FILE *out, const char *key, uint64_t ns)
{
	fprintf(out, "%s=%llu.%09llu\n", key, (unsigned long long)(ns / NS_PER_S),
		(unsigned long long)(ns % NS_PER_S));
}

static void print_timeval(FILE *out, const char *key, const struct timeval *before,
			  const struct timeval *after)
{
	fprintf(out, "%s_start=%ld.%06ld\n", key, before->tv_sec, before->tv_usec);
	fprintf(out, "%s_end=%ld.%06ld\n", key, after->tv_sec, after->tv_usec);
}

static void print_long(FILE *out, const char *key, long before, long after)
{
	fprintf(out, "%s_start=%ld\n%s_end=%ld\n", key, before, key, after);
}

static void print_usage(FILE *out, const struct rusage *before, const struct rusage *after)
{
	print_timeval(out, "utime", &before->ru_utime, &after->ru_utime);
	print_timeval(out, "stime", &before->ru_stime, &after->ru_stime);
	print_long(out, "maxrss", before->ru_maxrss, after->ru_maxrss);
	print_long(out, "minflt", before->ru_minflt, after->ru_minflt);
	print_long(out, "majflt", before->ru_majflt, after->ru_majflt);
	print_long(out, "nvcsw", before->ru_nvcsw, after->ru_nvcsw);
	print_long(out, "nivcsw", before->ru_nivcsw, after->ru_nivcsw);
}

static void print_latency(const struct test *t, FILE *out)
{
	const struct settings *s = t->settings;
	const struct histogram *h = t->latency;

	if (!h || !histogram_count(h))
		return;
	fprintf(out, "latency_min=%.9f\n", ns_to_s(histogram_min(h)));
	fprintf(out, "latency_mean=%.9f\n", histogram_mean(h) / NS_PER_S);
	fprintf(out, "latency_max=%.9f\n", ns_to_s(histogram_max(h)));
	fprintf(out, "latency_stddev=%.9f\n", histogram_stddev(h) / NS_PER_S);
	for (int i = 0; i < s->percentile_count; i++)
		fprintf(out, "latency_p%.15g=%.9f\n", s->percentiles[i],
			ns_to_s(histogram_percentile(h, s->percentiles[i])));
	fprintf(out, "latency_samples=%llu\n", (unsigned long long)histogram_count(h));
	if (s->rate > 0)
		fprintf(out, "unanswered=%llu\n", (unsigned long long)t->unanswered);
}

static void print_cost(const struct test *t, const struct totals *done, FILE *out)
{
	uint64_t bytes = done->bytes_read + done->bytes_written;

	if (settings_unit(t->settings) && done->transactions)
		fprintf(out, "cpu_us_per_transaction=%.3f\n",
			(double)t->window.cpu_ns / (double)done->transactions / NS_PER_US);
	if (bytes)
		fprintf(out, "cpu_ns_per_byte=%.4f\n", (double)t->window.cpu_ns / (double)bytes);
}

static void print_losses(const struct test *t, const struct totals *done, FILE *out)
{
	const struct settings *s = t->settings;

	if (s->kind == KIND_PACKET_RR && s->client)
		fprintf(out, "lost=%llu\n", (unsigned long long)done->lost);
	if (s->socket_type == SOCK_DGRAM)
		fprintf(out, "send_errors=%llu\n", (unsigned long long)done->send_errors);
	if (s->zerocopy)
		fprintf(out, "zerocopy_copied=%llu\n", (unsigned long long)done->copied);
}

/* The same run as the other end counted it. */
static void print_peer(const struct test *t, FILE *out)
{
	const struct tally *p = &t->peer;
	double seconds = ns_to_s(p->elapsed_ns);

	if (!t->peer_known)
		return;
	fprintf(out, "remote_elapsed=%.6f\n", seconds);
	fprintf(out, "remote_num_%s=%llu\n", settings_counted(t->settings),
		(unsigned long long)p->transactions);
	if (settings_unit(t->settings))
		fprintf(out, "remote_throughput=%.2f\n", per_second(p->transactions, seconds));
	fprintf(out, "remote_read_Mbps=%.2f\n", megabits(p->bytes_read, seconds));
	fprintf(out, "remote_write_Mbps=%.2f\n", megabits(p->bytes_written, seconds));
	fprintf(out, "remote_cpu=%.6f\n", ns_to_s(p->cpu_ns));
}

static void print_throughput(const struct test *t, const struct totals *done, FILE *out)
{
	const struct settings *s = t->settings;
	const struct window *window = &t->window;
	double seconds = window_seconds(window);

	if (settings_unit(s))
		fprintf(out, "throughput=%.2f\n", per_second(done->transactions, seconds));
	if (s->kind != KIND_STREAM && s->kind != KIND_PACKETS)
		return;
	fprintf(out, "throughput_Mbps=%.2f\n",
		megabits(payload_bytes(s, done->bytes_read, done->bytes_written), seconds));
	for (int i = 0; i < window->count; i++)
		fprintf(out, "throughput_Mbps[%d]=%.2f\n", i,
			megabits(window->bytes_end[i] - window->bytes_begin[i], seconds));
	fprintf(out, "read_Mbps=%.2f\n", megabits(done->bytes_read, seconds));
	fprintf(out, "write_Mbps=%.2f\n", megabits(done->bytes_written, seconds));
}

static void print_measured(const struct test *t, FILE *out)
{
	const struct window *window = &t->window;
	struct totals done = window_done(window);
	double uncertainty = series_uncertainty(&window->series);
	/* Rows that could not be written have been told of. */
	uint64_t samples = !t->settings->all_samples ? window->flow_samples :
			   t->sample_rows > 0	     ? (uint64_t)t->sample_rows : 0;

	fprintf(out, "num_%s=%llu\n", settings_counted(t->settings),
		(unsigned long long)done.transactions);
	fprintf(out, "start_index=0\nend_index=%llu\nnum_samples=%llu\n",
		(unsigned long long)(samples ? samples - 1 : 0), (unsigned long long)samples);
	print_throughput(t, &done, out);
	fprintf(out, "correlation_coefficient=%.2f\n", series_correlation(&window->series));
	if (window->series.intervals > 1)
		fprintf(out, "uncertainty_percent=%.3f\n", 100 * uncertainty);
	print_latency(t, out);
	print_cost(t, &done, out);
	print_losses(t, &done, out);
	print_peer(t, out);
	fprintf(out, "interrupted=%d\n", t->interrupted);
	print_time(out, "time_end", window->end.ns);
}

void report_keys(const struct test *t, FILE *out)
{
	fprintf(out, "invalid_secret_count=%llu\n",
		(unsigned long long)t->seen.invalid_secret_count);
	print_time(out, "time_start", t->window.begin.ns);
	print_usage(out, &t->window.before, &t->window.after);
	if (t->measured)
		print_measured(t, out);
	else
		fputs("no samples collected\n", stderr);
	fflush(out);
}

void report_hgrm(struct test *t)
{
	FILE *out = fopen(t->settings->hgrm, "w");

	if (out)
		histogram_write_hgrm(t->latency, out, NS_PER_US);
	if (out && !output_close(out))
		return;
	fprintf(stderr, "%s: cannot write %s: %s\n", t->settings->program, t->settings->hgrm,
		strerror(errno));
	test_fail(t, EXIT_ERROR, "cannot write %s: %s", t->settings->hgrm, strerror(errno));
}

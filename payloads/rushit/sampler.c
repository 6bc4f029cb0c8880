#include "sampler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "clock.h"
#include "output.h"

#define ROW_SIZE 2048
/* For each flow one histogram: less precise than the run's, and small. */
#define FLOW_LATENCY_HIGHEST (100 * NS_PER_S)
#define FLOW_LATENCY_DIGITS 2

struct sampler {
	const struct settings *settings;
	int thread;
	FILE *rows;
	unsigned int tick_seen;
	/* While merging: the next row, and when it was taken. */
	char row[ROW_SIZE];
	double time;
	bool done;
};

struct sampler *sampler_new(const struct settings *s, int thread, struct why *why)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return NULL;
	sampler->settings = s;
	sampler->thread = thread;
	sampler->rows = tmpfile();
	if (sampler->rows)
		return sampler;
	why_errno(why, errno, "cannot make a temporary file for samples");
	free(sampler);
	return NULL;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	fclose(sampler->rows);
	free(sampler);
}

bool sampler_adopt(struct sampler *sampler, struct flow *flow)
{
	if (!settings_has_latency(sampler->settings))
		return true;
	flow->latency = histogram_new(FLOW_LATENCY_HIGHEST, FLOW_LATENCY_DIGITS);
	return flow->latency;
}

static double seconds(double ns)
{
	return ns / (double)NS_PER_S;
}

/* Where nothing was measured the fields stay empty: 0 would be a very good latency. */
static void write_latency(struct sampler *sampler, struct flow *flow)
{
	const struct settings *s = sampler->settings;
	struct histogram *h = flow->latency;

	if (!h || !histogram_count(h)) {
		for (int i = 0; i < 4 + s->percentile_count; i++)
			fputc(',', sampler->rows);
		return;
	}
	fprintf(sampler->rows, ",%.6f,%.6f,%.6f,%.6f", seconds((double)histogram_min(h)),
		seconds(histogram_mean(h)), seconds((double)histogram_max(h)),
		seconds(histogram_stddev(h)));
	for (int i = 0; i < s->percentile_count; i++)
		fprintf(sampler->rows, ",%.6f",
			seconds((double)histogram_percentile(h, s->percentiles[i])));
	histogram_reset(h);
}

static void write_row(struct sampler *sampler, struct flow *flow, uint64_t now_ns,
		      const struct rusage *used)
{
	fprintf(sampler->rows, "%.9f,%d,%u,%llu,%llu", seconds((double)now_ns), sampler->thread,
		flow->id, (unsigned long long)flow->bytes_read,
		(unsigned long long)flow->transactions);
	write_latency(sampler, flow);
	fprintf(sampler->rows, ",%ld.%06ld,%ld.%06ld,%ld,%ld,%ld,%ld,%ld,%llu\n",
		used->ru_utime.tv_sec, used->ru_utime.tv_usec, used->ru_stime.tv_sec,
		used->ru_stime.tv_usec, used->ru_maxrss, used->ru_minflt, used->ru_majflt,
		used->ru_nvcsw, used->ru_nivcsw, (unsigned long long)flow->bytes_written);
}

void sampler_take(struct sampler *sampler, struct worker *w)
{
	uint64_t now = clock_ns();
	struct rusage used;

	getrusage(RUSAGE_THREAD, &used);
	for (uint32_t i = 0; i < w->flow_count; i++)
		if (w->flows[i] != w->listener)
			write_row(sampler, w->flows[i], now, &used);
}

void sampler_look(struct sampler *sampler, struct worker *w)
{
	unsigned int tick = atomic_load_explicit(&w->run->tick, memory_order_relaxed);

	if (tick == sampler->tick_seen)
		return;
	sampler->tick_seen = tick;
	sampler_take(sampler, w);
}

static void read_row(struct sampler *sampler)
{
	sampler->done = !fgets(sampler->row, sizeof(sampler->row), sampler->rows);
	if (!sampler->done)
		sampler->time = strtod(sampler->row, NULL);
}

static void write_header(const struct settings *s, FILE *out)
{
	fputs("time,tid,flow_id,bytes_read,transactions,latency_min,latency_mean,latency_max,"
	      "latency_stddev", out);
	for (int i = 0; i < s->percentile_count; i++)
		fprintf(out, ",latency_p%.15g", s->percentiles[i]);
	fputs(",utime,stime,maxrss,minflt,majflt,nvcsw,nivcsw,bytes_written\n", out);
}

static struct sampler *earliest(struct sampler *const *samplers, int count)
{
	struct sampler *first = NULL;

	for (int i = 0; i < count; i++)
		if (!samplers[i]->done && (!first || samplers[i]->time < first->time))
			first = samplers[i];
	return first;
}

long sampler_merge(const struct settings *s, struct sampler *const *samplers, int count,
		   struct why *why)
{
	FILE *out = fopen(s->all_samples, "w");
	struct sampler *next;
	bool failed = false;
	long rows = 0;

	if (!out) {
		why_errno(why, errno, "cannot write the samples to %s", s->all_samples);
		return -1;
	}
	write_header(s, out);
	for (int i = 0; i < count; i++) {
		/* On a disk that may be full while that of `out` is not. */
		failed |= fflush(samplers[i]->rows) || ferror(samplers[i]->rows);
		rewind(samplers[i]->rows);
		read_row(samplers[i]);
	}
	while ((next = earliest(samplers, count))) {
		fputs(next->row, out);
		read_row(next);
		rows++;
	}
	if (output_close(out))
		why_errno(why, errno, "cannot write all samples to %s", s->all_samples);
	else if (failed)
		why_set(why, "samples are missing in %s: there was no room in " P_tmpdir
			", where they wait for the end", s->all_samples);
	else
		return rows;
	return -1;
}

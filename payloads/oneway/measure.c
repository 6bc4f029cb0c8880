#include "measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exits.h"
#include "json.h"
#include "output.h"

int complain(const char *text, ...)
{
	va_list words;

	fflush(stdout);
	fputs("oneway: ", stderr);
	va_start(words, text);
	vfprintf(stderr, text, words);
	va_end(words);
	fputc('\n', stderr);
	return EXIT_ERROR;
}

void write_clock(FILE *out, const struct stamp_clock *clock)
{
	struct json j;

	json_begin_line(&j, out);
	json_string(&j, "type", "clock");
	json_string(&j, "stamps", clock->counter ? "tsc" : "monotonic");
	json_double(&j, "hz", clock->rate.hz);
	json_string(&j, "method", clock->rate.method);
	json_double(&j, "error_ppm", clock->rate.error_ppm);
	json_bool(&j, "invariant", clock->rate.invariant);
	json_end_line(&j);
}

static void print_clock(const struct stamp_clock *clock)
{
	if (clock->counter)
		printf("time stamp counter: %.6f MHz (%s)%s\n", clock->rate.hz / 1e6,
		       clock->rate.method,
		       clock->rate.invariant ? "" : ", not invariant: trusted as asked");
	else
		printf("stamps: monotonic clock, in nanoseconds\n");
}

static int write_hgrm(const char *path, const struct summary *s)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return complain("%s cannot be written: %s", path, strerror(errno));
	histogram_write_hgrm(s->nanoseconds, file, 1000);
	if (output_close(file))
		return complain("%s could not be written whole: %s", path, strerror(errno));
	return EXIT_PASS;
}

void measure_tell_placement(const struct measure *m, const struct exchange *e)
{
	struct json j;

	if (!m->json) {
		if (e->migrations)
			printf("moved to another CPU %zu times; --cpu=N holds it on one\n",
			       e->migrations);
		return;
	}
	json_begin_line(&j, stdout);
	json_string(&j, "type", "placement");
	json_uint(&j, "migrations", e->migrations);
	json_end_line(&j);
}

int measure_tell(const struct measure *m, const char *name, const double *latencies, size_t n,
		 bool main)
{
	struct summary s;
	int status = EXIT_PASS;

	if (summary_make(&s, &m->clock, latencies, n))
		return complain("no memory for a histogram");
	if (m->json) {
		summary_write_json(&s, stdout, m->transport, name, &m->clock, &m->percentiles);
	} else {
		if (main)
			print_clock(&m->clock);
		summary_print_time(&s, stdout, name, &m->clock, &m->percentiles);
		/* Last: who was used to the ancestor looks at its end, through tail. */
		if (main)
			summary_print_stamps(&s, stdout, m->last);
	}
	if (main && m->hgrm)
		status = write_hgrm(m->hgrm, &s);
	summary_free(&s);
	return status;
}

/* Latencies of the client: from the stamps, and in an open loop from the intended moments. */
static int tell_round_trips(const struct measure *m, const struct exchange *e)
{
	double *values = calloc(e->done, sizeof(*values));
	int status = EXIT_PASS;

	if (!values)
		return complain("no memory for the results; ask for fewer messages with -n");
	if (m->plan.rate > 0) {
		for (size_t i = 0; i < e->done; i++)
			values[i] = (double)(int64_t)(e->received[i] - e->intended[i]);
		status = measure_tell(m, "response", values, e->done, false);
	}
	for (size_t i = 0; i < e->done; i++)
		values[i] = (double)(int64_t)(e->received[i] - e->sent[i]);
	if (status == EXIT_PASS)
		status = measure_tell(m, "round-trip", values, e->done, true);
	free(values);
	return status;
}

int measure_ask(const struct measure *m)
{
	struct exchange e;
	struct why why;
	int fd, status;
	char byte;

	if (exchange_new(&e, m->plan.count, &why))
		return complain("%s", why.text);
	fd = transport_connect_patiently(&m->address, NULL, SOCK_STREAM,
					 deadline_in_ms(m->patience_ms), &why);
	if (fd < 0) {
		exchange_free(&e);
		return complain("%s; is the server (-s) running there?", why.text);
	}
	status = exchange_ask(fd, &m->plan, &e, &why);
	if (!status && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		why_set(&why, "more came than the last answer");
		status = -1;
	}
	close(fd);
	measure_tell_placement(m, &e);
	if (status)
		status = complain("at message %zu of %zu: %s; client and server need the same -n and "
				  "--size", e.done + 1, m->plan.count, why.text);
	else
		status = tell_round_trips(m, &e);
	exchange_free(&e);
	return status;
}

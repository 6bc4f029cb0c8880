#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "settings_table.h"

static bool is_among(double value, const double *values, int count)
{
	while (count--)
		if (values[count] == value)
			return true;
	return false;
}

int percentiles_parse(const char *text, double *values, int most)
{
	int count = 0;

	while (*text) {
		char *end;

		if (!strchr("0123456789.", *text)) {
			if (*text == '-' || *text == '+')
				return -1;
			text++;
			continue;
		}
		if (count == most)
			return -1;
		values[count] = strtod(text, &end);
		if (end == text || values[count] > 100 || is_among(values[count], values, count))
			return -1;
		count++;
		text = end;
	}
	return count;
}

const char *rate_parse(const char *text, int64_t *bytes)
{
	static const struct {
		const char *name;
		double bytes;
	} units[] = {
		{"", 1}, {"b", 1 / 8.0}, {"B", 1},
		{"kb", 1e3 / 8}, {"Kib", 1024 / 8.0}, {"kB", 1e3}, {"KiB", 1024},
		{"Mb", 1e6 / 8}, {"Mib", 1048576 / 8.0}, {"MB", 1e6}, {"MiB", 1048576},
		{"Gb", 1e9 / 8}, {"Gib", 1073741824 / 8.0}, {"GB", 1e9}, {"GiB", 1073741824},
	};
	char *unit;
	double value = strtod(text, &unit);

	if (unit == text || !(value >= 0))
		return "write a number, and a unit as kb, KiB or MB if it is not bytes";
	unit += strspn(unit, " ");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name))
			continue;
		value *= units[i].bytes;
		/* 0 is no limit at all. */
		if (value > 0 && value < 1)
			return "that is less than a byte a second; write at least 1";
		if (value > UINT32_MAX)
			return "that is above what the kernel takes; write at most 4294967295 "
			       "bytes";
		*bytes = (int64_t)value;
		return NULL;
	}
	return "the unit is not known; write b, B, kb, Kib, kB, KiB, Mb, Mib, MB, MiB, Gb, Gib, "
	       "GB or GiB";
}

static void check_percentiles(struct settings *s, const struct program_spec *program)
{
	int count;

	if (!s->percentiles_text)
		return;
	count = percentiles_parse(s->percentiles_text, s->percentiles, MAX_PERCENTILES);
	if (count < 1)
		options_error(program, "--percentiles cannot be '%s'; write up to %d different numbers from "
			      "0 to 100, as 50,99,99.9", s->percentiles_text, MAX_PERCENTILES);
	s->percentile_count = count;
}

static void check_until(struct settings *s, const struct program_spec *program)
{
	char *end;

	if (!s->until_text)
		return;
	s->until = strtod(s->until_text, &end) / 100;
	if (end == s->until_text || (*end && strcmp(end, "%")) || !(s->until > 0) || s->until > 1)
		options_error(program, "--until cannot be '%s'; write a percentage as 1%%",
			      s->until_text);
}

static void check_backlog(const struct settings *s, const struct program_spec *program)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
	long most;

	if (file && fscanf(file, "%ld", &most) == 1 && s->listen_backlog > most)
		options_error(program, "--listen-backlog cannot be %lld; the kernel "
			      "(net.core.somaxconn) allows %ld",
			      (long long)s->listen_backlog, most);
	if (file)
		fclose(file);
}

static void check_transport(const struct settings *s, const struct program_spec *program)
{
	if (s->transport == TRANSPORT_INET)
		return;
	if (s->ipv4 || s->ipv6)
		options_error(program, "--ipv4 and --ipv6 mean nothing over %s; leave them out",
			      s->transport_text);
	if (s->congestion_control || s->max_pacing_rate || s->min_rto)
		options_error(program, "--congestion-control, --max-pacing-rate and --min-rto "
			      "belong to TCP, not to %s; leave them out", s->transport_text);
}

/* The C library would take 70000 for 4464 in silence. */
static void check_port(const struct settings *s, const struct program_spec *program,
		       const char *option, const char *port)
{
	bool inet = s->transport == TRANSPORT_INET;
	long long most = inet ? 65535 : UINT32_MAX - 1;
	char *end;
	long long number = strtoll(port, &end, 10);
	bool digits = end > port && !*end;

	if (digits ? number < 1 || number > most : !inet || !getservbyname(port, NULL))
		options_error(program, "--%s cannot be '%s'; write a number from 1 to %lld%s",
			      option, port, most, inet ? ", or a service's name" : "");
}

/* Better now than after an hour of measuring. */
static void check_file(const struct settings *s, const struct program_spec *program,
		       const char *option, const char *path)
{
	FILE *file = path && !s->dry_run ? fopen(path, "a") : NULL;

	if (path && !s->dry_run && !file)
		options_error(program, "--%s cannot be '%s': %s; name a file that can be written",
			      option, path, strerror(errno));
	if (file)
		fclose(file);
}

static void check_client(const struct settings *s, const struct program_spec *program)
{
	if (s->client && s->num_flows < s->num_threads)
		options_error(program, "%lld flows are too few for %lld threads; give a client at "
			      "least one flow a thread", (long long)s->num_flows,
			      (long long)s->num_threads);
	if (!s->client && s->local_host)
		options_error(program, "--local-host is for the client; a server binds to --host");
	if (!s->client && (s->rate > 0 || s->until > 0 || s->warmup > 0))
		options_error(program, "--rate, --until and --warmup are for the client; the "
			      "server follows it");
	if (!s->client && s->hgrm)
		options_error(program, "--hgrm is for the client; a server measures no latency");
}

void settings_check(struct settings *s, const struct program_spec *program)
{
	check_percentiles(s, program);
	check_until(s, program);
	check_backlog(s, program);
	check_transport(s, program);
	check_port(s, program, "control-port", s->control_port);
	check_port(s, program, "port", s->port);
	check_client(s, program);
	check_file(s, program, "all-samples", s->all_samples);
	check_file(s, program, "hgrm", s->hgrm);
	if (s->pin_cpu && s->pin_numa)
		options_error(program, "--pin-cpu and --pin-numa exclude each other; give one");
	if (s->kind == KIND_PACKETS && s->transport == TRANSPORT_INET && s->buffer_size > 65507)
		options_error(program, "--buffer-size cannot be %lld; a UDP datagram holds at "
			      "most 65507 bytes", (long long)s->buffer_size);
	if (s->kind == KIND_PACKET_RR && (s->request_size > s->buffer_size ||
					  s->response_size > s->buffer_size))
		options_error(program, "a datagram is one write: --request-size and "
			      "--response-size must not be above --buffer-size (%lld)",
			      (long long)s->buffer_size);
}

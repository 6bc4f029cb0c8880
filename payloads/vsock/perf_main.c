/* vsock-perf: the host's half, which measures what vsock-util micro_benchmark answers in a guest. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "endpoint.h"
#include "environment.h"
#include "exits.h"
#include "options.h"
#include "perf.h"

static const char *listen_on = "any", *console_path;
static const char *command = "vsock-util micro_benchmark";
static bool json;
static int64_t connect_s = 15, magic_s = 5, transfer_s = 10, packet_ms = 100;
static struct perf_run run = {.volume = VOLUME_UNSET};
static const struct option_spec options[] = {
	VOLUME_OPTIONS(run.volume),
	{.name = "packets", .argument = "N", .number = &run.volume.packets, .low = 1, .high = 1e8,
	 .help = "of the latency test (10000)"},
	{.name = "listen", .argument = "WHERE", .text = &listen_on,
	 .help = "any (all vsock, the default), a CID of ours, or an IP address where there is no "
		 "vsock"},
	{.name = "console", .argument = "PATH", .text = &console_path,
	 .help = "start the guest's half through this terminal (or unix:PATH)"},
	{.name = "command", .argument = "TEXT", .text = &command,
	 .help = "what to type there (vsock-util micro_benchmark, with the same scale)"},
	{.name = "timeout", .argument = "S", .number = &connect_s, .low = 1, .high = 86400,
	 .help = "for the guest's connections (15)"},
	{.name = "magic-timeout", .argument = "S", .number = &magic_s, .low = 1, .high = 86400,
	 .help = "for the guest to begin a test (5)"},
	{.name = "transfer-timeout", .argument = "S", .number = &transfer_s, .low = 1,
	 .high = 86400, .help = "for one transfer in one direction (10)"},
	{.name = "packet-timeout", .argument = "MS", .number = &packet_ms, .low = 1,
	 .high = 1e7, .help = "for one packet there and back, in milliseconds (100)"},
	{.name = "json", .flag = &json, .help = "one JSON object a line"},
	{0},
};
static const struct program_spec program = {
	.name = "vsock-perf", .usage = "[options]", .options = options,
	.summary = "Measures latency and throughput to vsock-util in a guest.",
	.epilog = "The full run moves over 100 GiB; --scale, --repeats and --bytes make it less.\n"
		  "Exit status: 0 measured, 1 data came back changed, 77 no vsock here, 99 it did not "
		  "work.",
};

static int complain(const char *what)
{
	fprintf(stderr, "vsock-perf: %s\n", what);
	return EXIT_ERROR;
}

/* The guest's connections, once its half was started. */
static int meet_guest(const struct address *where, struct why *why)
{
	struct address a = endpoint_at(where, BENCHMARK_HOST_PORT);
	int console = -1, status = -1, listener = transport_listen(&a, SOCK_STREAM, SOCKETS, why);

	if (listener < 0)
		return -1;
	if (console_path) {
		console = console_open(console_path, why);
		if (console < 0 || console_type(console, command, why))
			goto out;
	}
	status = perf_accept(listener, run.fds, deadline_in_ms(connect_s * 1000), why);
out:
	/* The console stays open: a pty whose last reader leaves ends what runs on it. */
	close(listener);
	return status;
}

int main(int argc, char **argv)
{
	struct perf_results results;
	struct address where;
	struct why why;
	int status;

	if (options_parse(&program, argc, argv) != argc)
		options_error(&program, "it takes no words; '%s --help' lists the options",
			      program.name);
	if (endpoint_parse(&where, listen_on, &why))
		options_error(&program, "%s", why.text);
	status = endpoint_require(&where, program.name);
	if (status)
		return status;
	volume_complete(&run.volume);
	run.packet_limit_ms = packet_ms;
	run.magic_limit_ms = magic_s * 1000;
	run.transfer_limit_ms = transfer_s * 1000;
	run.progress = !json && isatty(STDERR_FILENO);
	memset(run.fds, -1, sizeof(run.fds));
	if (json)
		environment_write(stdout, program.name, argv);
	if (perf_results_new(&results, &run.volume))
		return complain("no memory for the results; ask for fewer repetitions");
	status = meet_guest(&where, &why) || perf_measure(&run, &results, &why);
	/* Also what was measured before a test failed. */
	if (json)
		perf_write_json(stdout, &results, &run.volume);
	else
		perf_print(stdout, &results, &run.volume);
	if (results.corrupted)
		complain("data came back from the guest changed");
	if (status)
		complain(why.text);
	status = results.corrupted ? EXIT_FAIL : status ? EXIT_ERROR : EXIT_PASS;
	perf_results_free(&results);
	return status;
}

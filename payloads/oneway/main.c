/*
 * One-way and round-trip latency of vsock, unix and inet sockets.
 *   oneway -m MODE -s OFFSET     the half that measures one way
 *   oneway -m MODE -c ADDRESS    the half that measures the round trip
 *   oneway serve                 for comparisons from another machine
 *   oneway compare               all transports in one run
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vm_sockets.h>

#include "batch.h"
#include "compare.h"
#include "environment.h"
#include "exits.h"
#include "measure.h"
#include "options.h"
#include "placement.h"

#define DEFAULT_PORT 12345
#define DEFAULT_PATH "/tmp/vsock-oneway-latency-benchmark.sock"

/* What all three forms know. */
static struct {
	const char *mode, *clock;
	int64_t port, size, cpu, limit_s;
	bool no_idle, trust, json;
	struct percentiles percentiles;
} common = {
	.clock = "tsc",
	.port = DEFAULT_PORT,
	.size = SMALLEST_MESSAGE,
	.cpu = -1,
	.limit_s = 10,
	.percentiles = {{50, 90, 99, 99.9, 99.99}, 5},
};

static const char *const modes[] = {"vsock", "unix", "inet", NULL};
static const char *const clocks[] = {"tsc", "monotonic", NULL};

#define OPTION_MODE                                                                                \
	{.name = "mode", .letter = 'm', .argument = "MODE", .text = &common.mode,                  \
	 .choices = modes, .help = "vsock, unix or inet"}
#define OPTION_CLOCK                                                                               \
	{.name = "clock", .argument = "CLOCK", .text = &common.clock, .choices = clocks,           \
	 .help = "tsc, or monotonic where the counter is not invariant; the same on both sides"}
#define OPTION_TRUST                                                                               \
	{.name = "trust-tsc", .flag = &common.trust,                                               \
	 .help = "use the counter although the processor does not call it invariant"}
#define OPTION_PORT                                                                                \
	{.name = "port", .letter = 'p', .argument = "PORT", .number = &common.port, .low = 1,      \
	 .high = 4294967294, .help = "of vsock and inet (12345)"}
#define OPTION_SIZE                                                                                \
	{.name = "size", .letter = 'b', .argument = "BYTES", .size = &common.size,                 \
	 .low = SMALLEST_MESSAGE, .high = LARGEST_MESSAGE,                                         \
	 .help = "of a message (8; with --rate at least 16); the same on both sides"}
#define OPTION_CPU                                                                                 \
	{.name = "cpu", .argument = "N", .number = &common.cpu, .low = 0, .high = 1023,            \
	 .help = "run on this CPU only"}
#define OPTION_NO_IDLE                                                                             \
	{.name = "no-idle", .flag = &common.no_idle,                                               \
	 .help = "hold the processors off their idle states meanwhile"}
#define OPTION_TIMEOUT                                                                             \
	{.name = "timeout", .argument = "S", .number = &common.limit_s, .low = 1, .high = 86400,   \
	 .help = "for the connection, and for each message (10)"}
#define OPTION_PERCENTILES                                                                         \
	{.name = "percentiles", .argument = "LIST", .parse = percentiles_parse,                    \
	 .into = &common.percentiles, .help = "to tell (50,90,99,99.9,99.99)"}
#define OPTION_JSON {.name = "json", .flag = &common.json, .help = "one JSON object a line"}

static void prepare(const struct program_spec *program)
{
	struct why why;

	if (placement_pin(common.cpu, &why))
		options_error(program, "%s", why.text);
	if (common.no_idle && placement_hold_awake(&why))
		exit(complain("%s", why.text));
}

static void choose_clock(struct stamp_clock *clock)
{
	struct why why;

	if (stamp_clock_choose(clock, common.clock, common.trust, &why)) {
		complain("skipped: %s", why.text);
		exit(EXIT_SKIP);
	}
}

static void check_no_words(const struct program_spec *program, int argc, char **argv, int at)
{
	if (at < argc)
		options_error(program, "what is '%s'? '%s --help' shows how to call it", argv[at],
			      program->name);
}

/* The address for `mode`; `host` is a CID, an IP address or a path, NULL: to listen on. */
static int make_address(struct address *a, const char *host, const char *path, struct why *why)
{
	char text[256];

	if (!strcmp(common.mode, "unix"))
		return address_unix(a, host ? host : path, why);
	if (!strcmp(common.mode, "vsock"))
		snprintf(text, sizeof(text), "vsock:%s:%lld", host ? host : "any",
			 (long long)common.port);
	else
		snprintf(text, sizeof(text), host && strchr(host, ':') ? "[%s]:%lld" : "%s:%lld",
			 host ? host : "0.0.0.0", (long long)common.port);
	return address_parse(a, text, why);
}

/* Better now than after an hour of measuring. */
static void need_file(const struct program_spec *program, const char *option, const char *path)
{
	FILE *file = path ? fopen(path, "ae") : NULL;

	if (path && !file)
		options_error(program, "--%s cannot be '%s': %s; name a file that can be written",
			      option, path, strerror(errno));
	if (file)
		fclose(file);
}

/* A transport that is not here is no error of anybody: skip, and say so. */
static void need_transport(const struct address *a)
{
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&a->storage;
	struct why why;

	if (a->family == AF_VSOCK && !vsock_usable(vm->svm_cid, &why)) {
		complain("skipped: %s", why.text);
		exit(EXIT_SKIP);
	}
}

static const char *server_offset, *client_address, *path = DEFAULT_PATH;
static int64_t count = 1000000, last = 4;
static struct measure measure = {.kvm_folder = "/sys/kernel/debug/kvm", .vcpu = -1};

/* "RATIO/BITS", as KVM's debugfs has them. */
static const char *parse_scaling(const char *value, void *into)
{
	struct offset *o = into;
	char *slash, *end;
	unsigned long bits;

	o->ratio = strtoull(value, &slash, 0);
	if (slash == value || *slash != '/' || !o->ratio)
		return "write RATIO/BITS, as in tsc-scaling-ratio and tsc-scaling-ratio-frac-bits";
	bits = strtoul(slash + 1, &end, 10);
	if (end == slash + 1 || *end || bits > 63)
		return "the fraction has 0 to 63 bits";
	o->fraction_bits = bits;
	return NULL;
}

static const struct option_spec measure_options[] = {
	OPTION_MODE,
	{.name = "server", .letter = 's', .argument = "OFFSET", .text = &server_offset,
	 .help = "measure one way; OFFSET is the client's counter minus ours (0 on one machine, may "
		 "be negative), 'auto' from KVM's debugfs, or 'estimate'"},
	{.name = "client", .letter = 'c', .argument = "ADDRESS", .text = &client_address,
	 .help = "send to the server at this CID, IP address or path"},
	{.name = "count", .letter = 'n', .argument = "N", .number = &count, .low = 2, .high = 1e8,
	 .help = "messages (1000000); the same on both sides"},
	OPTION_SIZE,
	OPTION_PORT,
	{.name = "path", .argument = "PATH", .text = &path,
	 .help = "of the server's Unix socket (" DEFAULT_PATH ")"},
	{.name = "rate", .argument = "HZ", .real = &measure.plan.rate, .low = 0.001, .high = 1e7,
	 .help = "client: send on schedule, answered or not; latency also from the intended moment"},
	OPTION_CLOCK,
	OPTION_TRUST,
	{.name = "scaling", .argument = "RATIO/BITS", .parse = parse_scaling,
	 .into = &measure.offset, .help = "of the client's counter, with a number as OFFSET"},
	{.name = "vm", .argument = "PID", .number = &measure.vm, .low = 1, .high = 1e9,
	 .help = "-s auto: the guest's process, when there are several"},
	{.name = "vcpu", .argument = "N", .number = &measure.vcpu, .low = 0, .high = 4095,
	 .help = "-s auto: the client runs on this vCPU"},
	{.name = "kvm-folder", .argument = "FOLDER", .text = &measure.kvm_folder,
	 .help = "-s auto: where debugfs shows KVM (/sys/kernel/debug/kvm)"},
	OPTION_CPU,
	OPTION_NO_IDLE,
	OPTION_TIMEOUT,
	{.name = "last", .argument = "N", .number = &last, .low = 0, .high = 1e8,
	 .help = "samples to print (4)"},
	OPTION_PERCENTILES,
	{.name = "hgrm", .argument = "FILE", .text = &measure.hgrm,
	 .help = "write the distribution there, in HdrHistogram's text form"},
	OPTION_JSON,
	{0},
};

static const struct program_spec measure_program = {
	.name = "oneway",
	.usage = "-m MODE <-s OFFSET | -c ADDRESS> [options]\n"
		 "       oneway serve|compare [options]",
	.summary = "Measures one-way (server, -s) and round-trip latency (client, -c) of sockets.",
	.epilog = "Exit status: 0 measured, 2 wrong command line, 77 no such transport or no "
		  "invariant counter here, 99 it did not work.",
	.options = measure_options,
};

static void choose_source(void)
{
	char *end;

	if (!strcmp(server_offset, "auto")) {
		measure.source = OFFSET_FROM_KVM;
	} else if (!strcmp(server_offset, "estimate")) {
		measure.source = OFFSET_ESTIMATED;
	} else {
		errno = 0;
		measure.offset.ticks = strtoll(server_offset, &end, 0);
		if (errno || end == server_offset || *end)
			options_error(&measure_program, "-s cannot be '%s'; write a number of ticks, "
				      "auto or estimate; a client names its server with -c",
				      server_offset);
	}
	if (measure.offset.ratio && measure.source != OFFSET_GIVEN)
		options_error(&measure_program, "--scaling needs a number behind -s");
	if (measure.source == OFFSET_FROM_KVM && strcmp(common.clock, "tsc"))
		options_error(&measure_program, "-s auto is about the counter; write -s estimate "
			      "with --clock=monotonic");
}

static int run_measure(int argc, char **argv)
{
	struct why why;

	check_no_words(&measure_program, argc, argv, options_parse(&measure_program, argc, argv));
	if (!common.mode)
		options_error(&measure_program, "which transport? write -m vsock, unix or inet");
	if (!server_offset == !client_address)
		options_error(&measure_program, "write either -s OFFSET (server) or -c ADDRESS "
			      "(client)");
	if (measure.plan.rate > 0 && server_offset)
		options_error(&measure_program, "--rate is for the client");
	if (measure.plan.rate > 0 && common.size < SMALLEST_OPEN_MESSAGE)
		options_error(&measure_program, "--rate needs messages that hold the intended "
			      "moment; write --size=16 on both sides");
	if (server_offset)
		choose_source();
	if (make_address(&measure.address, client_address, path, &why))
		options_error(&measure_program, "%s", why.text);
	need_file(&measure_program, "hgrm", measure.hgrm);
	need_transport(&measure.address);
	prepare(&measure_program);
	choose_clock(&measure.clock);
	measure.transport = common.mode;
	measure.plan.clock = &measure.clock;
	measure.plan.count = count;
	measure.plan.size = common.size;
	measure.plan.limit_ms = measure.patience_ms = common.limit_s * 1000;
	measure.last = last;
	measure.percentiles = common.percentiles;
	measure.json = common.json;
	if (common.json) {
		environment_write(stdout, "oneway", argv);
		write_clock(stdout, &measure.clock);
	}
	return server_offset ? measure_serve(&measure) : measure_ask(&measure);
}

static int run_serve(int argc, char **argv)
{
	static int64_t idle_s = 60;
	static const struct option_spec options[] = {
		OPTION_MODE, OPTION_PORT, OPTION_CPU, OPTION_NO_IDLE, OPTION_TRUST,
		{.name = "idle", .argument = "S", .number = &idle_s, .low = 1, .high = 1e6,
		 .help = "end when nobody connected for so long (60)"},
		{0},
	};
	static const struct program_spec program = {
		.name = "oneway serve", .usage = "-m vsock|inet [options]", .options = options,
		.summary = "The other machine's half of 'oneway compare'.",
	};
	struct address a;
	struct why why;
	int listener;

	check_no_words(&program, argc, argv, options_parse(&program, argc, argv));
	if (!common.mode || !strcmp(common.mode, "unix"))
		options_error(&program, "which transport? write -m vsock or -m inet");
	if (make_address(&a, NULL, NULL, &why))
		options_error(&program, "%s", why.text);
	need_transport(&a);
	prepare(&program);
	listener = transport_listen(&a, SOCK_STREAM, 4, &why);
	if (listener < 0 || batch_serve(listener, idle_s * 1000, common.trust, &why))
		return complain("%s", why.text);
	return EXIT_PASS;
}

static const char *compared_cid = "local";
static struct compare compare = {.count = 100000, .rounds = 10, .server_cpu = -1};
static const struct option_spec compare_options[] = {
	{.name = "vsock", .argument = "CID", .text = &compared_cid,
	 .help = "whose 'oneway serve -m vsock' to ask; local (the default): our own"},
	{.name = "remote", .argument = "IP", .text = &compare.remote,
	 .help = "where 'oneway serve -m inet' runs, for inet remote"},
	OPTION_PORT,
	{.name = "count", .letter = 'n', .argument = "N", .number = &compare.count, .low = 2,
	 .high = 1e8, .help = "messages of each transport (100000)"},
	{.name = "rounds", .argument = "N", .number = &compare.rounds, .low = 1, .high = 1e5,
	 .help = "in which all transports take turns (10)"},
	OPTION_SIZE, OPTION_CLOCK, OPTION_TRUST, OPTION_CPU,
	{.name = "server-cpu", .argument = "N", .number = &compare.server_cpu, .low = 0,
	 .high = 1023, .help = "where our own servers run"},
	OPTION_NO_IDLE, OPTION_TIMEOUT,
	{.name = "svg", .argument = "FILE", .text = &compare.svg,
	 .help = "write a picture of the distributions there"},
	OPTION_PERCENTILES, OPTION_JSON,
	{0},
};
static const struct program_spec compare_program = {
	.name = "oneway compare", .usage = "[options]", .options = compare_options,
	.summary = "Latency of vsock, unix and inet sockets, in turns, in one run.",
};

static int run_compare(int argc, char **argv)
{
	struct address a;
	struct why why;
	char text[128];

	check_no_words(&compare_program, argc, argv, options_parse(&compare_program, argc, argv));
	if (compare.count / compare.rounds < 2)
		options_error(&compare_program, "%lld messages are too few for %lld rounds; write "
			      "-n %lld", (long long)compare.count, (long long)compare.rounds,
			      (long long)compare.rounds * 2);
	snprintf(text, sizeof(text), "vsock:%s:1", compared_cid);
	if (address_parse(&a, text, &why))
		options_error(&compare_program, "%s", why.text);
	compare.vsock_cid = ((const struct sockaddr_vm *)&a.storage)->svm_cid;
	need_file(&compare_program, "svg", compare.svg);
	prepare(&compare_program);
	choose_clock(&compare.clock);
	compare.trust = common.trust;
	compare.port = common.port;
	compare.size = common.size;
	compare.limit_ms = common.limit_s * 1000;
	compare.json = common.json;
	compare.percentiles = common.percentiles;
	return compare_run(&compare, "oneway", argv);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "serve"))
		return run_serve(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "compare"))
		return run_compare(argc - 1, argv + 1);
	return run_measure(argc, argv);
}

#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "exits.h"
#include "options.h"
#include "program.h"
#include "settings_table.h"

struct settings settings_values = {
	.control_port = "12866",
	.port = "12867",
	.magic = 42,
	.num_clients = 1,
	.patience = -1,
	.num_flows = 1,
	.num_threads = 1,
	.test_length = 10,
	.buffer_size = 16384,
	.request_size = 1,
	.response_size = 1,
	.maxevents = 1000,
	.listen_backlog = 128,
	.interval = 1,
};

/* An option of the ancestor whose value may be left out is rewritten with it. */
static char *with_default_value(char *word)
{
	static char most[] = "--all-samples=samples.csv";
	char *written;

	if (!strcmp(word, "-v"))
		return "--version";
	if (!strcmp(word, "-A") || !strcmp(word, "--all-samples"))
		return most;
	if (strncmp(word, "-A", 2))
		return word;
	written = malloc(strlen(word) + sizeof("--all-samples="));
	if (!written) {
		fputs("rushit: no memory\n", stderr);
		exit(EXIT_ERROR);
	}
	sprintf(written, "--all-samples=%s", word + 2);
	return written;
}

static void apply_role(struct settings *s)
{
	if (s->patience < 0)
		s->patience = s->client ? 30 : 3600;
	if (s->kind == KIND_STREAM && s->client)
		s->enable_write = true;
	else if (s->kind == KIND_STREAM)
		s->enable_read = true;
}

static enum transport transport_named(const char *name)
{
	if (!strcmp(name, "unix"))
		return TRANSPORT_UNIX;
	return strcmp(name, "vsock") ? TRANSPORT_INET : TRANSPORT_VSOCK;
}

static const char *const transport_names[] = {"inet", "unix", "vsock"};

/* By the program's own name, or else by the first word, which is taken away then. */
static const struct program_name *take_name(int *argc, char ***argv)
{
	const char *slash = strrchr(**argv, '/');
	const struct program_name *name = program_find(slash ? slash + 1 : **argv);

	if (name)
		return name;
	if (*argc > 1)
		name = program_find((*argv)[1]);
	if (!name) {
		fprintf(stderr, "rushit: which workload?  Call it by one of its names, or write "
			"the name first: rushit tcp_rr.  It knows %s.\n", program_names());
		exit(EXIT_USAGE);
	}
	++*argv;
	--*argc;
	return name;
}

const struct settings *settings_parse(int argc, char **argv)
{
	const struct program_name *name = take_name(&argc, &argv);
	struct program_spec program = {
		.usage = "[options]",
		.epilog = "Without -c it is the server.  Exit status: 0 done, 1 a script or the\n"
			  "traffic failed, 2 usage, 77 cannot run here, 99 the test broke.",
	};
	int words;

	program.name = settings_values.program = name->name;
	program.summary = name->summary;
	settings_values.transport = name->transport;
	settings_values.transport_text = transport_names[name->transport];
	if (name->kind == KIND_RR || name->kind == KIND_CRR || name->kind == KIND_PACKET_RR)
		settings_values.buffer_size = 65536;
	program.options = settings_options(name->kind);
	for (int i = 1; i < argc; i++)
		argv[i] = with_default_value(argv[i]);
	words = options_parse(&program, argc, argv);
	if (words < argc && !strcmp(argv[words], "--"))
		words++;
	if (words < argc)
		options_error(&program, "'%s' is no option; '%s --help' lists them all",
			      argv[words], program.name);
	settings_values.transport = transport_named(settings_values.transport_text);
	settings_values.kind = program_kind(name->kind, settings_values.transport);
	settings_values.socket_type = program_socket_type(name->kind, settings_values.transport);
	apply_role(&settings_values);
	settings_check(&settings_values, &program);
	return &settings_values;
}

double settings_total_run_time(const struct settings *s)
{
	return s->warmup + (double)s->test_length;
}

bool settings_sends_packets(const struct settings *s)
{
	return s->kind == KIND_PACKETS ||
	       (s->kind == KIND_STREAM && s->socket_type == SOCK_SEQPACKET);
}

const char *settings_counted(const struct settings *s)
{
	return settings_sends_packets(s) ? "packets" : "transactions";
}

const char *settings_unit(const struct settings *s)
{
	return s->kind == KIND_STREAM && s->socket_type == SOCK_STREAM ? NULL : settings_counted(s);
}

bool settings_has_latency(const struct settings *s)
{
	return s->client && s->kind != KIND_STREAM && s->kind != KIND_PACKETS;
}

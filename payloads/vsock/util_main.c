/* vsock-util: the guest's half of vsock-integration and vsock-perf. */
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "exits.h"
#include "guest.h"
#include "options.h"

static const char *peer = "host";
static int64_t limit_s = 15;
static struct volume volume = VOLUME_UNSET;
static const struct option_spec options[] = {
	{.name = "peer", .letter = 'p', .argument = "WHO", .text = &peer,
	 .help = "where the host's half is: a CID, host (the default), local, or an IP "
		 "address where there is no vsock"},
	{.name = "timeout", .argument = "S", .number = &limit_s, .low = 1, .high = 86400,
	 .help = "for each step (15)"},
	VOLUME_OPTIONS(volume),
	{0},
};
static const char *const modes[] = {"integration_test", "micro_benchmark", NULL};
static const struct program_spec program = {
	.name = "vsock-util", .usage = "integration_test | micro_benchmark [options]",
	.summary = "Runs in a guest and answers vsock-integration or vsock-perf on its host.",
	.epilog = "integration_test prints PASS.  Exit status: 0 all well, 1 a step failed "
		  "(it is named), 77 no vsock here.",
	.options = options,
};

int main(int argc, char **argv)
{
	int first = options_parse(&program, argc, argv), status;
	struct address host;
	struct why why;

	if (argc - first != 1)
		options_error(&program, "write one of integration_test and micro_benchmark");
	if (strcmp(argv[first], modes[0]) && strcmp(argv[first], modes[1]))
		options_error(&program, "there is no mode '%s'; write %s", argv[first],
			      nearest_name(argv[first], modes) ? nearest_name(argv[first], modes)
							       : "integration_test or micro_benchmark");
	if (endpoint_parse(&host, peer, &why))
		options_error(&program, "%s", why.text);
	volume_complete(&volume);
	status = endpoint_require(&host, program.name);
	if (status)
		return status;
	if (!strcmp(argv[first], modes[0])) {
		if (!guest_integration_test(&host, limit_s * 1000, &why)) {
			puts("PASS");
			return EXIT_PASS;
		}
	} else if (!guest_micro_benchmark(&host, &volume, limit_s * 1000, &why)) {
		return EXIT_PASS;
	}
	fprintf(stderr, "vsock-util: %s\n", why.text);
	return EXIT_FAIL;
}

/* All benchmarks, one after another, on machines that this starts. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exits.h"
#include "settings.h"

/* Machines and strangers that call while the last machines are started. */
#define CALLERS_MAX 1024

struct tally {
	int measured, disabled, failed;
	int unwritten;
};

static int address_of(const char *interface, char *address, size_t size, struct why *why)
{
	struct ifaddrs *all, *a;
	int result = -1;

	if (getifaddrs(&all) < 0) {
		why_errno(why, errno, "the interfaces' addresses");
		return -1;
	}
	for (a = all; a && result < 0; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET ||
		    strcmp(a->ifa_name, interface))
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)a->ifa_addr)->sin_addr, address, size);
		result = 0;
	}
	freeifaddrs(all);
	if (result < 0)
		why_set(why, "interface %s has no IPv4 address; choose another with --ifname",
			interface);
	return result;
}

static int listen_at(const char *address, struct why *why)
{
	struct address a;
	char text[300];

	snprintf(text, sizeof(text), "inet:%s:0", address);
	if (address_parse(&a, text, why) < 0)
		return -1;
	return transport_listen(&a, SOCK_STREAM, CALLERS_MAX, why);
}

static int bring_up(struct settings *settings, struct fleet *fleet, struct partner *partner,
		    struct why *why)
{
	char address[256];
	int status = backend_start(&settings->backend, address, sizeof(address), why), listener;

	if (status != EXIT_PASS)
		return status;
	if (!address[0])
		snprintf(address, sizeof(address), "127.0.0.1");
	if (settings->interface &&
	    address_of(settings->interface, address, sizeof(address), why) < 0)
		return EXIT_ERROR;
	listener = listen_at(address, why);
	if (listener < 0 || partner_start(partner, address, why) < 0)
		return EXIT_ERROR;
	fprintf(stderr, "Bringing up machines");
	status = fleet_start(fleet, &settings->backend, settings->machines, listener, address,
			     why);
	fputc('\n', stderr);
	return status;
}

static bool show_profile(const struct benchmark *benchmark)
{
	if (system(SHOW_PROFILE " >&2") == 0)
		return true;
	fprintf(stderr, "virtbench: '" SHOW_PROFILE "' failed; there is no profile of %s\n",
		benchmark->name);
	return false;
}

/* Samples until the estimator has enough. */
static enum sample_end sample(const struct settings *settings, struct fleet *fleet,
			      const struct partner *partner, const struct result *result,
			      struct estimator *estimator, struct why *why)
{
	uint64_t begin = clock_ns();
	uint32_t runs, runs_before = UINT32_MAX;
	double ns;

	while (estimator_next(estimator, clock_ns() - begin, &runs)) {
		enum sample_end end;

		if (runs != runs_before && settings->progress)
			fprintf(stderr, "\n%u runs:", runs);
		if (runs != runs_before && settings->profile && system(RESET_PROFILE) != 0) {
			why_set(why, "no profile can be begun: '" RESET_PROFILE "' failed");
			return SAMPLE_FAILED;
		}
		runs_before = runs;
		end = take_sample(fleet, &result->chosen, partner, result->benchmark, runs, &ns,
				  why);
		if (end != SAMPLE_TAKEN)
			return end;
		if (settings->progress)
			fputc('.', stderr);
		estimator_add(estimator, ns);
	}
	return SAMPLE_TAKEN;
}

static enum result_kind measure(const struct settings *settings, struct fleet *fleet,
				const struct partner *partner, struct random *random,
				struct result *result, struct estimator *estimator,
				struct why *why)
{
	enum sample_end end;

	if (fleet->n < 2 && result->benchmark->kind != ON_ONE) {
		why_set(why, "needs two machines, and -n 1 was asked for");
		return RESULT_DISABLED;
	}
	if (choose_machines(&result->chosen, fleet, result->benchmark->kind, random, why) < 0)
		return RESULT_FAILED;
	if (settings->progress)
		fprintf(stderr, "Running benchmark %s", result->benchmark->name);
	end = sample(settings, fleet, partner, result, estimator, why);
	if (settings->progress)
		fputc('\n', stderr);
	return end == SAMPLE_TAKEN   ? RESULT_MEASURED :
	       end == SAMPLE_SKIPPED ? RESULT_DISABLED :
				       RESULT_FAILED;
}

static void run_one(const struct settings *settings, struct fleet *fleet,
		    const struct partner *partner, struct random *random,
		    const struct benchmark *benchmark, struct tally *tally)
{
	struct estimator *estimator = estimator_new(&settings->rules);
	struct result result = { .benchmark = benchmark };
	struct estimate estimate;
	struct why why = { "no memory" };

	result.kind = RESULT_FAILED;
	if (estimator)
		result.kind = measure(settings, fleet, partner, random, &result, estimator, &why);
	if (result.kind == RESULT_MEASURED) {
		estimate = estimator_result(estimator);
		result.estimate = &estimate;
		tally->measured++;
		tally->unwritten += settings->profile && !show_profile(benchmark);
	} else {
		result.reason = why.text;
		if (result.kind == RESULT_DISABLED)
			tally->disabled++;
		else
			tally->failed++;
	}
	tally->unwritten += !results_write(&settings->form, &result);
	estimator_free(estimator);
}

int run_benchmarks(struct settings *settings)
{
	struct tally tally = { 0 };
	struct partner partner;
	struct random random;
	struct fleet fleet;
	struct why why;
	int status = bring_up(settings, &fleet, &partner, &why);

	if (status != EXIT_PASS) {
		fprintf(stderr, "virtbench: %s\n", why.text);
		return status;
	}
	random_seed(&random, settings->seed);
	for (size_t i = 0; i < settings->n_benchmarks; i++)
		run_one(settings, &fleet, &partner, &random, settings->benchmarks[i], &tally);
	fleet_disconnect(&fleet);
	fprintf(stderr, "%d measured, %d disabled, %d failed\n", tally.measured, tally.disabled,
		tally.failed);
	if (tally.unwritten)
		fprintf(stderr, "virtbench: results of %d benchmarks were not all written; make "
			"room for them and measure again\n", tally.unwritten);
	if (tally.unwritten)
		return EXIT_ERROR;
	if (tally.failed)
		return EXIT_FAIL;
	return tally.measured ? EXIT_PASS : EXIT_SKIP;
}

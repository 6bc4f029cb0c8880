/*
 * xenfc.elf: the fuzzer as a PV kernel, in the place of dom0's or as a guest's.
 *
 * Command line: the words of plan.h; `calls=3,7-9` makes only these calls; `bare` measures
 * hypercalls with nothing around them, before and after, and how fast the run's own would be
 * alone; `coverage` tells what the hypervisor counted during the run.  With `guest` (or `guest=coverage`) as the first word, the rest is done by
 * an unprivileged guest that is built of the same kernel.  Ends with KTAP, a "Test result:" line and a shutdown.
 */
#include <stdbool.h>

#include <xen/vcpu.h>
#include <xen/xen.h>

#include "../freestanding.h"
#include "../plan.h"
#include "../timed.h"
#include "bare.h"
#include "clock.h"
#include "console.h"
#include "coverage.h"
#include "door_ring0.h"
#include "guest.h"
#include "hypercall.h"
#include "memory.h"
#include "shutdown.h"
#include "traps.h"
#include "words.h"

#define MOST_WORDS 64
#define CALLS "calls="

void kernel_main(const struct start_info *info);

/* A whole page: what else were in it would vanish under the page that Xen shares. */
static union {
	struct shared_info info;
	uint8_t page[PAGE_SIZE];
} shared __attribute__((aligned(4096)));

/* Where Xen keeps what it tells our processor: moved here once, which cannot be undone. */
static union {
	struct vcpu_info info;
	uint8_t page[PAGE_SIZE];
} processor __attribute__((aligned(4096)));
static char command_line[MAX_GUEST_CMDLINE + 1];

static void say_figure(const char *name, uint64_t value, const char *unit, const char *better)
{
	char buffer[200];
	struct text line;

	text_begin(&line, buffer, sizeof(buffer));
	text_format(&line, "{\"type\":\"figure\",\"name\":\"%s\",\"value\":%lu,", name, value);
	text_format(&line, "\"unit\":\"%s\",\"better\":\"%s\"}\n", unit, better);
	console_say(buffer);
}

static void find_console(const struct start_info *info)
{
	if (!(info->flags & SIF_INITDOMAIN) && info->console.domU.mfn)
		console_use_ring(page_of_frame(info->console.domU.mfn),
				 info->console.domU.evtchn);
}

static void share_with_xen(const struct start_info *info)
{
	struct vcpu_register_vcpu_info place = { .mfn = machine_frame(&processor) };

	if (page_map(&shared, info->shared_info))
		shutdown_with(EXIT_ERROR, "Xen does not let us map the shared information page");
	shared.info.vcpu_info[0].evtchn_upcall_mask = 1;
	if (hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, (unsigned long)&place))
		shutdown_with(EXIT_ERROR, "Xen does not tell our processor where we want it to");
	clock_use(&processor.info.time);
	if (traps_begin(&processor.info))
		shutdown_with(EXIT_ERROR, "Xen does not take the table of exceptions");
}

/* Words of our own. */
struct extras {
	bool bare, coverage;
};

static const char *take_calls(struct plan *plan, const char *list)
{
	static struct call_span spans[MAX_GUEST_CMDLINE / 2];	/* a number and a comma each */

	plan->spans = spans;
	return spans_of(list, spans, sizeof(spans) / sizeof(spans[0]), &plan->n_spans);
}

static const char *take_word(struct plan *plan, struct extras *extras, const char *word)
{
	if (text_equal(word, "bare"))
		extras->bare = true;
	else if (text_equal(word, "coverage"))
		extras->coverage = true;
	else if (memcmp(word, CALLS, strlen(CALLS)) == 0)
		return take_calls(plan, word + strlen(CALLS));
	else
		return plan_word(plan, word);
	return NULL;
}

static void read_words(const struct start_info *info, struct plan *plan, struct extras *extras)
{
	const char *words[MOST_WORDS];
	size_t count;

	memcpy(command_line, info->cmd_line, MAX_GUEST_CMDLINE);
	count = words_of(command_line, words, MOST_WORDS);
	if (count > MOST_WORDS)
		shutdown_with(EXIT_ERROR, "the command line has more than 64 words");
	for (size_t i = 0; i < count; i++) {
		const char *wrong = take_word(plan, extras, words[i]);

		if (wrong) {
			console_say("xenfc: ");
			console_say(words[i]);
			console_say(": ");
			console_say(wrong);
			console_say("\n");
			shutdown_with(EXIT_ERROR, "a word of the command line is wrong");
		}
	}
}

/* Who made this domain knows what it is. */
static enum role role_of(const struct start_info *info)
{
	return info->flags & SIF_PRIVILEGED ? ROLE_CONTROL : ROLE_GUEST;
}

static uint64_t measured_bare_rate(void)
{
	uint64_t rate = bare_rate();

	if (!rate)
		shutdown_with(EXIT_ERROR, "xen_version does not get through");
	return rate;
}

/* What else the machine does changes within seconds: bare ones count before and after the run. */
static void say_bare_rates(const struct outcome *outcome, uint64_t before)
{
	say_figure("xenfc ring-0 hypercalls alone", timed_rate(outcome), "calls/s", "higher");
	say_figure("bare ring-0 hypercalls", (before + measured_bare_rate()) / 2, "calls/s",
		   "higher");
}

static void say_rate(const struct outcome *outcome)
{
	if (outcome->ns == 0)
		return;
	say_figure("xenfc ring-0 calls", outcome->made * 1000000000ULL / outcome->ns, "calls/s",
		   "higher");
	say_figure("xenfc ring-0 hypercalls", outcome->hypercalls * 1000000000ULL / outcome->ns,
		   "calls/s", "higher");
}

static void must(const char *wrong)
{
	if (wrong)
		shutdown_with(EXIT_ERROR, wrong);
}

static void fuzz(const struct start_info *info)
{
	struct outcome outcome = { 0 };
	struct extras extras = { 0 };
	struct door door;
	struct plan plan;
	enum exit_status status;
	uint64_t bare = 0;

	plan_default(&plan);
	read_words(info, &plan, &extras);
	if (plan.role == ROLE_ASK && !plan.dry_run)
		plan.role = role_of(info);
	if (extras.bare)
		bare = measured_bare_rate();
	must(door_ring0_open(&door));
	door.shared = &shared.info;
	door.processor = &processor.info;
	if (extras.coverage)
		must(coverage_reset());
	if (extras.bare)
		timed_begin(&door);
	status = xenfc_main(&door, &plan, &outcome);
	say_rate(&outcome);
	if (extras.bare)
		say_bare_rates(&outcome, bare);
	if (extras.coverage)
		must(coverage_tell());
	shutdown_with(status, outcome.reason);
}

/* What follows `word` on the command line when it is the first one; else NULL. */
static const char *words_after(const struct start_info *info, const char *word)
{
	const char *line = (const char *)info->cmd_line;

	if (memcmp(line, word, strlen(word)) || line[strlen(word)] != ' ')
		return NULL;
	return line + strlen(word) + 1;
}

static void fuzz_in_guest(const char *words, bool coverage)
{
	if (coverage)
		must(coverage_reset());
	must(guest_run(words));
	if (coverage)
		must(coverage_tell());
	shutdown_silently();
}

void kernel_main(const struct start_info *info)
{
	const char *words = words_after(info, "guest");
	const char *words_with_coverage = words_after(info, "guest=coverage");

	guest_keep_data();
	memory_begin(info);
	find_console(info);
	if (!words && !words_with_coverage)
		console_say("KTAP version 1\n1..1\n");
	share_with_xen(info);
	if (words)
		fuzz_in_guest(words, false);
	if (words_with_coverage)
		fuzz_in_guest(words_with_coverage, true);
	fuzz(info);
}

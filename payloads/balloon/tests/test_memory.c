/* Scenarios with memory in use: what a bad balloon would do to the load is done to it. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_door.h"
#include "scenarios.h"

#define LOAD_KB (20u << 10)	/* what is left of 60 MiB: see the margins of the scenarios */

static const struct manners today = { 0 };

struct stage {
	struct fake fake;
	struct door door;
	struct report report;
	struct trial trial;
};

static int setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	report_begin(&stage->report, REPORT_KTAP, fopen("/dev/null", "w"), "balloon",
		     (char *const[]){ "balloon", NULL }, -1);
	fake_door_init(&stage->fake, &stage->door, &today);
	stage->fake.available = 60 << 10;
	fake_trial_init(&stage->trial, &stage->door, &stage->report);
	stage->trial.step = (8 << 10) + 4;	/* its half is no whole page */
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	fclose(stage->report.out);
	free(stage);
	return 0;
}

/* The load, our only child. */
static pid_t load_child(void)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

static void kill_load(int signal_number)
{
	pid_t child = load_child();

	if (child > 0)
		kill(child, signal_number);
}

/* Any signal but SIGKILL; cmocka has a handler for SIGBUS, which the load would inherit. */
static void take_a_page(void)
{
	kill_load(SIGTRAP);
}

static void act_as_oom_killer(void)
{
	kill_load(SIGKILL);
}

/* Write over the last page of the load's mapping: what another owner of the page would do. */
static void write_into_the_load(void)
{
	char path[64], line[256];
	uint64_t from, to, hit = 0;
	pid_t child = load_child();
	char zeros[4096] = { 0 };
	FILE *maps;
	int fd;

	if (child <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	maps = fopen(path, "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2 &&
		    to - from >= LOAD_KB * 1024 && to - from < 2 * 36 * 1024 * 1024 &&
		    strstr(line, "rw-p") && !strchr(line, '/') && !strchr(line, '['))
			hit = from;
	fclose(maps);
	assert_true(hit);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)hit), sizeof(zeros));
	close(fd);
}

static void expect(struct verdict verdict, enum outcome outcome, const char *words)
{
	if (verdict.outcome != outcome || !strstr(verdict.reason, words))
		fail_msg("%s: '%s' instead of %s with '%s'", outcome_name(verdict.outcome),
			 verdict.reason, outcome_name(outcome), words);
}

static void test_good_balloon(void **state)
{
	struct stage *stage = *state;

	expect(scenario_pages_back(&stage->trial), OUTCOME_PASS, "held its pattern");
	expect(scenario_fill(&stage->trial), OUTCOME_PASS, "held its pattern");
	expect(scenario_pressure(&stage->trial), OUTCOME_PASS, "20 moves down and up under load; "
	       "every page held its pattern");
	assert_int_equal(stage->fake.current, stage->trial.before.current);
}

static void test_page_that_is_taken_away(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = take_a_page;
	expect(scenario_fill(&stage->trial), OUTCOME_FAIL, "taken away under it");
	expect(scenario_pressure(&stage->trial), OUTCOME_FAIL, "taken away under it");
}

static void test_page_that_changes(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = write_into_the_load;
	expect(scenario_fill(&stage->trial), OUTCOME_FAIL, "lost its pattern");
}

static void test_oom_killer_is_told(void **state)
{
	struct stage *stage = *state;

	stage->fake.on_set = act_as_oom_killer;
	expect(scenario_fill(&stage->trial), OUTCOME_PASS, "OOM killer took the load");
}

static void test_no_memory_to_fill(void **state)
{
	struct stage *stage = *state;

	stage->fake.available = 30 << 10;
	expect(scenario_fill(&stage->trial), OUTCOME_ERROR, "only 30720 kB are available");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_good_balloon), T(test_page_that_is_taken_away), T(test_page_that_changes),
		T(test_oom_killer_is_told), T(test_no_memory_to_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

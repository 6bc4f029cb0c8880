/*
 * Every scenario of the table passes with an honest driver and fails with a fault that it
 * is there to find.  A new scenario without a row here fails this test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"

typedef void (*spoiler)(struct stage *stage);

static void counts_more_than_it_has(struct stage *stage)
{
	stage->fake.guest_gap = (uint64_t)-4;
}

static void lets_others_write(struct stage *stage)
{
	stage->fake.lets_others_write = true;
}

static void is_deaf(struct stage *stage)
{
	stage->fake.deaf = true;
}

static void is_deaf_with_little_room(struct stage *stage)
{
	stage_with_little_room(stage);
	stage->fake.deaf = true;
}

static void never_grows(struct stage *stage)
{
	stage->fake.never_grows = true;
}

static void forgets_the_last_target(struct stage *stage)
{
	stage->fake.forgets_target = true;
}

static void loses_a_page(struct stage *stage)
{
	stage->fake.leak = 4;
	stage->door.slack = 1024;	/* too little for one move to notice */
}

static void takes_a_page_in_use(struct stage *stage)
{
	stage_with_little_room(stage);
	stage->fake.on_set = take_a_page;
}

static void ignores_the_ceiling(struct stage *stage)
{
	stage->fake.ignores_limit = true;
}

static void refuses_everything(struct stage *stage)
{
	stage->fake.refuses = true;
}

static void refuses_every_write(struct stage *stage)
{
	stage->fake.refuses = true;
	stage->fake.write_answer = EINVAL;
}

static void boasts_of_memory(struct stage *stage)
{
	stage->fake.boasts = true;
}

static void goes_above_its_ceiling(struct stage *stage)
{
	stage->fake.ignores_limit = true;
	stage->trial.watch_ms = stage->trial.settle_ms;
}

static void takes_no_ceiling(struct stage *stage)
{
	stage->fake.ignores_ceiling = true;
}

static void starves_the_neighbour(struct stage *stage)
{
	stage->fake.starves_neighbour = true;
	stage->trial.settle_ms = 300;
}

static void cannot_restore(struct stage *stage)
{
	(void)stage;
	setenv("FAKE_RESTORE_STATUS", "1", 1);
}

static void drifts(struct stage *stage)
{
	stage->fake.drifts = true;
}

static void loses_the_last_write(struct stage *stage)
{
	stage->fake.loses_writes = true;
}

static void gives_no_page_to_the_kernel(struct stage *stage)
{
	stage_with_little_room(stage);
	stage->fake.guest_never_grows = true;
}

static void refuses_and_obeys(struct stage *stage)
{
	stage->fake.refusals_count = true;
}

static void refuses_a_byte_and_obeys(struct stage *stage)
{
	stage->fake.refusals_count = true;
	stage->fake.write_answer = EINVAL;
}

static void swallows_text(struct stage *stage)
{
	stage->fake.swallows_text = true;
}

static void cuts_writes_short(struct stage *stage)
{
	stage->fake.rude = true;
}

static const struct {
	const char *scenario;
	spoiler spoil;
	const char *words;
} proofs[] = {
	{ "read", counts_more_than_it_has, "the kernel manages" },
	{ "not-root", lets_others_write, "could write the target" },
	{ "not-root", refuses_and_obeys, "and yet the target went from" },
	{ "lower", is_deaf, "did not follow" },
	{ "lower", drifts, "did not stay" },
	{ "raise", never_grows, "did not follow" },
	{ "pages-back", never_grows, "did not come back" },
	{ "pages-back", gives_no_page_to_the_kernel, "MemTotal by" },
	{ "random", forgets_the_last_target, "the target reads" },
	{ "random", loses_the_last_write, "the target reads" },
	{ "cycles", loses_a_page, "after 5 cycles" },
	{ "pressure", takes_a_page_in_use, "taken away under it" },
	{ "fill", takes_a_page_in_use, "taken away under it" },
	{ "fill", is_deaf_with_little_room, "gave nothing back" },
	{ "limit", goes_above_its_ceiling, "with a hard limit of" },
	{ "limit", takes_no_ceiling, "left the hard limit" },
	{ "neighbour", starves_the_neighbour, "" },
	{ "save-restore", cannot_restore, "fake restore" },
	{ "long-write", cuts_writes_short, "cut short" },
	{ "long-write", swallows_text, "the target reads" },
	{ "one-byte", refuses_a_byte_and_obeys, "and yet the target went from" },
	{ "one-byte", never_grows, "did not come back" },
	{ "tiny", never_grows, "did not come back" },
	{ "beyond", ignores_the_ceiling, "above the hard limit" },
	{ "beyond", boasts_of_memory, "but the kernel manages" },
	{ "beyond", refuses_everything, "was refused" },
	{ "tiny", refuses_everything, "was refused" },
	{ "one-byte", refuses_every_write, "was refused" },
	{ "long-write", refuses_every_write, "was refused" },
};

static struct verdict run(struct stage *stage, const char *name)
{
	const struct scenario *s = scenarios;

	while (s->name && strcmp(s->name, name))
		s++;
	assert_non_null(s->name);
	return s->run(&stage->trial);
}

static bool needs_load(const char *name)
{
	return !strcmp(name, "fill") || !strcmp(name, "pressure") || !strcmp(name, "pages-back");
}

static bool can_be_tried(const char *name)
{
	return strcmp(name, "not-root") || !geteuid();
}

static void test_every_scenario_is_proved(void **state)
{
	(void)state;
	for (const struct scenario *s = scenarios; s->name; s++) {
		bool found = false;

		for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
			found |= !strcmp(proofs[i].scenario, s->name);
		if (!found)
			fail_msg("nothing shows that %s can fail", s->name);
	}
}

static void test_honest_driver(void **state)
{
	struct stage *stage = *state;

	for (const struct scenario *s = scenarios; s->name; s++) {
		if (!can_be_tried(s->name))
			continue;
		stage_teardown(state);
		stage_setup(state);
		stage = *state;
		if (needs_load(s->name))
			stage_with_little_room(stage);
		print_message("%s\n", s->name);
		expect_verdict(run(stage, s->name), OUTCOME_PASS, "");
		assert_int_equal(stage->fake.target, stage->trial.before.target);
		assert_int_equal(stage->fake.current, stage->trial.before.current);
	}
}

static void test_each_fault_is_found(void **state)
{
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		if (!can_be_tried(proofs[i].scenario))
			continue;
		stage_teardown(state);
		stage_setup(state);
		print_message("%s: %s\n", proofs[i].scenario, proofs[i].words);
		proofs[i].spoil(*state);
		expect_verdict(run(*state, proofs[i].scenario), OUTCOME_FAIL, proofs[i].words);
	}
}

static char folder[] = "/tmp/balloon-test-XXXXXX";

/* The fake's toolstack: a program that saves and, unless it shall not, restores. */
static int with_tool(void **state)
{
	char path[64];
	FILE *tool;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fake", folder);
	tool = fopen(path, "w");
	assert_non_null(tool);
	fputs("#!/bin/sh\n[ \"$1\" = save ] || exit ${FAKE_RESTORE_STATUS:-0}\n", tool);
	fclose(tool);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	return setenv("PATH", path, 1);
}

static int without_tool(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_scenario_is_proved), T(test_honest_driver),
		T(test_each_fault_is_found),
	};

	return cmocka_run_group_tests(tests, with_tool, without_tool);
}

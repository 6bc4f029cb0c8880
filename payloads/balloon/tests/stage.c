#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LOAD_KB (20u << 10)	/* what is left of 60 MiB: see the margins of the scenarios */

static const struct manners today = { EACCES, 0, 0 };
static struct stage *current;

/* What open_other() of the fake door opens. */
static int open_neighbour(struct door *other, const char *name, struct why *why)
{
	(void)name;
	(void)why;
	fake_door_init(&current->neighbour, other, &today);
	current->neighbour.never_grows = current->fake.starves_neighbour;
	return 0;
}

int stage_setup(void **state)
{
	/* Shared with children, which may change the driver's state as others do a kernel's. */
	struct stage *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	report_begin(&stage->report, REPORT_KTAP, fopen("/dev/null", "w"), "balloon",
		     (char *const[]){ "balloon", NULL }, -1);
	fake_door_init(&stage->fake, &stage->door, &today);
	stage->door.open_other = open_neighbour;
	fake_trial_init(&stage->trial, &stage->door, &stage->report);
	stage->trial.neighbour = "neighbour";
	stage->trial.neighbour_target = &stage->neighbour_target;
	stage->trial.save_file = "no-such-file";
	current = stage;
	*state = stage;
	return 0;
}

int stage_teardown(void **state)
{
	struct stage *stage = *state;

	fclose(stage->report.out);
	munmap(stage, sizeof(*stage));
	return 0;
}

void stage_with_little_room(struct stage *stage)
{
	stage->fake.available = 60 << 10;
	stage->trial.step = (8 << 10) + 4;	/* its half is no whole page */
}

void expect_verdict(struct verdict verdict, enum outcome outcome, const char *words)
{
	if (verdict.outcome != outcome || !strstr(verdict.reason, words))
		fail_msg("%s: '%s' instead of %s with '%s'", outcome_name(verdict.outcome),
			 verdict.reason, outcome_name(outcome), words);
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
void take_a_page(void)
{
	kill_load(SIGTRAP);
}

void act_as_oom_killer(void)
{
	kill_load(SIGKILL);
}

/* Write over the last page of the load's mapping: what another owner of the page would do. */
void write_into_the_load(void)
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

/* What was changed is put back, however the work ends. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "supervisor.h"

#define PATIENT_MS 60000	/* for what shall go well */

struct shared {
	volatile pid_t worker;
	volatile pid_t grandchild;
	volatile pid_t supervisor;
	volatile int undone;
	volatile bool group_ended;
	volatile enum supervised_end end;
	volatile int status;
};

static struct shared *shared;

static int setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	return shared == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(shared, sizeof(*shared));
}

static int exit_with_7(void *context)
{
	(void)context;
	return 7;
}

static int crash(void *context)
{
	(void)context;
	raise(SIGKILL);
	return 0;
}

static int sleep_long(void *context)
{
	(void)context;
	shared->worker = getpid();
	sleep(600);
	return 0;
}

/* Leaves a child behind that ignores every polite signal. */
static int leave_child(void *context)
{
	pid_t child = fork();

	(void)context;
	if (!child) {
		signal(SIGTERM, SIG_IGN);
		shared->grandchild = getpid();
		sleep(600);
		_exit(0);
	}
	while (!shared->grandchild)
		usleep(1000);
	return 0;
}

static void undo(void *context)
{
	(void)context;
	shared->undone++;
	shared->group_ended = !shared->grandchild || kill(shared->grandchild, 0) != 0;
}

static struct supervised_result run(int (*work)(void *), uint64_t limit_ms)
{
	return supervise(&(struct supervised){work, undo, NULL, limit_ms});
}

static void test_exit_and_death_are_told(void **state)
{
	struct supervised_result result = run(exit_with_7, PATIENT_MS);

	(void)state;
	assert_int_equal(result.end, SUPERVISED_EXITED);
	assert_int_equal(result.status, 7);
	result = run(crash, PATIENT_MS);
	assert_int_equal(result.end, SUPERVISED_KILLED);
	assert_int_equal(result.status, SIGKILL);
	assert_int_equal(shared->undone, 2);
}

static void test_time_limit_ends_the_work(void **state)
{
	uint64_t begin = clock_ns();
	struct supervised_result result = run(sleep_long, 100);

	(void)state;
	assert_int_equal(result.end, SUPERVISED_TIMED_OUT);
	assert_in_range(clock_ns() - begin, 100 * NS_PER_MS, 60 * NS_PER_S);
	assert_int_equal(shared->undone, 1);
}

static void test_undo_comes_after_the_whole_group(void **state)
{
	(void)state;
	run(leave_child, PATIENT_MS);
	assert_int_equal(shared->undone, 1);
	assert_true(shared->grandchild);
	assert_true(shared->group_ended);
}

/* A supervisor of its own, to be sent signals. */
static pid_t fork_supervisor(void)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child)
		return child;
	struct supervised_result result = run(sleep_long, 10 * PATIENT_MS);

	shared->end = result.end;
	shared->status = result.status;
	_exit(0);
}

static void test_interrupt_undoes_and_is_told(void **state)
{
	pid_t supervisor = fork_supervisor();

	(void)state;
	while (!shared->worker)
		usleep(1000);
	kill(supervisor, SIGTERM);
	waitpid(supervisor, NULL, 0);
	assert_int_equal(shared->end, SUPERVISED_INTERRUPTED);
	assert_int_equal(shared->status, SIGTERM);
	assert_int_equal(shared->undone, 1);
	assert_int_not_equal(kill(shared->worker, 0), 0);
}

static void wait_until(bool (*come)(void))
{
	uint64_t limit = deadline_in_ms(PATIENT_MS);

	while (!come() && !deadline_passed(limit))
		usleep(1000);
	assert_true(come());
}

/* It may wait for whoever adopts orphans here to take note. */
static bool worker_ended(void)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", shared->worker);
	file = fopen(path, "r");
	if (!file)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z' || state == 'X';
}

static bool undone(void)
{
	return shared->undone;
}

/* What the supervisor had no time for, its keeper does. */
static void test_killed_supervisor(void **state)
{
	pid_t supervisor = fork_supervisor();

	(void)state;
	while (!shared->worker)
		usleep(1000);
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	wait_until(undone);
	wait_until(worker_ended);
	assert_int_equal(shared->undone, 1);
}

/* The whole session, as a runner ends a test that has run out of time. */
static void test_killed_group(void **state)
{
	pid_t supervisor = fork_supervisor();

	(void)state;
	while (!shared->worker)
		usleep(1000);
	assert_int_equal(setpgid(supervisor, supervisor), 0);
	kill(-supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	wait_until(undone);
}

static void test_ignored_hangup_stays_ignored(void **state)
{
	(void)state;
	signal(SIGHUP, SIG_IGN);
	pid_t supervisor = fork_supervisor();

	while (!shared->worker)
		usleep(1000);
	kill(supervisor, SIGHUP);
	kill(supervisor, SIGINT);
	waitpid(supervisor, NULL, 0);
	signal(SIGHUP, SIG_DFL);
	assert_int_equal(shared->status, SIGINT);
}

static void test_programs_run_without_a_shell(void **state)
{
	char *echo[] = {"echo", "a  $HOME", NULL}, *absent[] = {"/no/such", NULL};
	char *talk[] = {"sh", "-c", "echo said; sleep 600", NULL};
	char output[16], little[3];
	struct supervised_result result = run_program(echo, output, sizeof(output), PATIENT_MS);

	(void)state;
	assert_int_equal(result.end, SUPERVISED_EXITED);
	assert_int_equal(result.status, 0);
	assert_string_equal(output, "a  $HOME\n");
	run_program(echo, little, sizeof(little), PATIENT_MS);
	assert_string_equal(little, "a ");
	result = run_program(absent, output, sizeof(output), PATIENT_MS);
	assert_int_equal(result.end, SUPERVISED_FAILED);
	assert_int_equal(result.status, ENOENT);
	/* On a busy machine it may take longer until something is said. */
	output[0] = '\0';
	for (uint64_t limit_ms = 250; limit_ms <= PATIENT_MS && !output[0]; limit_ms *= 2) {
		result = run_program(talk, output, sizeof(output), limit_ms);
		assert_int_equal(result.end, SUPERVISED_TIMED_OUT);
	}
	assert_string_equal(output, "said\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exit_and_death_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_limit_ends_the_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undo_comes_after_the_whole_group, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_interrupt_undoes_and_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_supervisor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignored_hangup_stays_ignored, setup, teardown),
		cmocka_unit_test(test_programs_run_without_a_shell),
	};

	return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}

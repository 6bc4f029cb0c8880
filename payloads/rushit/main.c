/* One program, many workloads: see program.c for its names. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "environment.h"
#include "exits.h"
#include "interrupt.h"
#include "log.h"
#include "report.h"

static void on_timeout(int number)
{
	static const char text[] = "timeout handler\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)number;
	(void)written;
	_exit(EXIT_ERROR);
}

/* Whatever hangs, the program does not outlive this. */
static void limit_life(int64_t seconds)
{
	struct sigaction action = {.sa_handler = on_timeout};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct itimerspec limit = {.it_value.tv_sec = seconds};
	timer_t timer;

	if (!seconds)
		return;
	sigaction(SIGRTMIN, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &limit, NULL)) {
		perror("cannot set the timer of --suicide-length");
		exit(EXIT_ERROR);
	}
}

static void print_options(const struct settings *s, char **argv)
{
	struct json j;

	if (!s->json) {
		settings_print(s, stdout);
		return;
	}
	environment_write(stdout, s->program, argv);
	json_begin_line(&j, stdout);
	json_string(&j, "type", "options");
	settings_write_json(s, &j);
	json_end_line(&j);
}

static int play(struct test *t)
{
	const struct settings *s = t->settings;
	struct script_engine engine = {
		.program = s->program,
		.client = s->client,
		.threads = (int)s->num_threads,
		.run = test_run,
		.context = t,
	};

	return s->script ? script_play(s->script, &engine) : test_run(t, NULL);
}

int main(int argc, char **argv)
{
	struct test test = {.settings = settings_parse(argc, argv)};
	const struct settings *s = test.settings;
	int status;

	log_enable(s->logtostderr);
	limit_life(s->suicide_length);
	print_options(s, argv);
	if (s->dry_run)
		return EXIT_PASS;
	interrupt_install();
	status = play(&test);
	/* The script's own errors, before and after the run; it has told them. */
	if (status && !test.status)
		test_fail(&test, status, "the script %s failed", s->script);
	if (s->hgrm && test.latency)
		report_hgrm(&test);
	if (s->json)
		report_json(&test, stdout);
	else if (test.measured || !test.status)
		report_keys(&test, stdout);
	status = test.status;
	test_free(&test);
	return status;
}

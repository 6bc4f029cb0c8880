/* virtbench: how long small things take in machines of any hypervisor. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "console.h"
#include "environment.h"
#include "exits.h"
#include "json.h"
#include "settings.h"
#include "supervisor.h"

/* A whole run on slow machines takes minutes; one that takes longer hangs. */
#define RUN_LIMIT_MS (4 * 3600 * 1000ull)

static struct settings settings;
static bool stop_failed;

static int work(void *context)
{
	(void)context;
	return run_benchmarks(&settings);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Whoever calls it: us, or who is left when we are killed. */
static void undo(void *context)
{
	(void)context;
	stop_failed = backend_stop(&settings.backend) < 0;
	nftw(settings.backend.work, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_work_folder(void)
{
	const char *place = getenv("TMPDIR");
	char number[16];

	snprintf(settings.backend.work, sizeof(settings.backend.work), "%s/virtbench.XXXXXX",
		 place && *place ? place : "/tmp");
	if (!mkdtemp(settings.backend.work)) {
		fprintf(stderr, "virtbench: no working folder %s: %s; set TMPDIR\n",
			settings.backend.work, strerror(errno));
		exit(EXIT_ERROR);
	}
	setenv("VIRTBENCH_WORK", settings.backend.work, 1);
	snprintf(number, sizeof(number), "%d", settings.machines);
	setenv("VIRTBENCH_MACHINES", number, 1);
}

static int exit_status(struct supervised_result result)
{
	switch (result.end) {
	case SUPERVISED_EXITED:
		return stop_failed ? EXIT_ERROR : result.status;
	case SUPERVISED_INTERRUPTED:
		fprintf(stderr, "virtbench: interrupted; what was started is stopped\n");
		return 128 + result.status;
	case SUPERVISED_TIMED_OUT:
		fprintf(stderr, "virtbench: the run did not end within 4 hours\n");
		return EXIT_ERROR;
	case SUPERVISED_KILLED:
		fprintf(stderr, "virtbench: the run was ended by signal %d (%s)\n", result.status,
			strsignal(result.status));
		return EXIT_ERROR;
	default:
		fprintf(stderr, "virtbench: fork: %s\n", strerror(result.status));
		return EXIT_ERROR;
	}
}

static void say_seed(char *const argv[])
{
	struct json j;

	if (!settings.form.json) {
		printf("Seed %llu\n", (unsigned long long)settings.seed);
		return;
	}
	environment_write(stdout, "virtbench", argv);
	json_begin_line(&j, stdout);
	json_string(&j, "type", "seed");
	json_uint(&j, "seed", settings.seed);
	json_end_line(&j);
}

int main(int argc, char **argv)
{
	const struct supervised run = { work, undo, NULL, RUN_LIMIT_MS };

	if (argc > 1 && !strcmp(argv[1], "compare"))
		return compare_main(argc - 1, argv + 1);
	settings_parse(&settings, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	settings.backend.started = mmap(NULL, sizeof(struct started), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (settings.backend.started == MAP_FAILED) {
		fprintf(stderr, "virtbench: no memory\n");
		return EXIT_ERROR;
	}
	make_work_folder();
	console_begin();
	say_seed(argv);
	return exit_status(supervise(&run));
}

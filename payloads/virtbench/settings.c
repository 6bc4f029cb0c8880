#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "seed.h"

#define DEFAULT_MACHINES 4
#define DEFAULT_BOOT_LIMIT_S 180
/* What one benchmark may take before its samples must do. */
#define LIMIT_NS 1200000000ull
#define ROUGH_LIMIT_NS 250000000ull
#define HELP_MAX 8192

static struct {
	bool rough, distribution, profile, progress, json;
	int64_t machines, boot_limit_s, runs, seed;
	const char *interface, *csv, *svg;
} given = { .machines = DEFAULT_MACHINES, .boot_limit_s = DEFAULT_BOOT_LIMIT_S, .seed = -1 };

static const struct option_spec options[] = {
	{ .name = "ifname", .argument = "IF", .text = &given.interface,
	  .help = "machines connect to this interface's address (default: what the backend says)" },
	{ .name = "rough", .flag = &given.rough, .help = "fewer samples: quicker, less exact" },
	{ .name = "distribution", .flag = &given.distribution,
	  .help = "show where results lie close together, and how many of them" },
	{ .name = "csv", .letter = 'c', .argument = "FILE", .text = &given.csv,
	  .help = "append the name and every sample of each benchmark, in ns" },
	{ .name = "json", .flag = &given.json, .help = "one JSON object a line" },
	{ .name = "svg", .argument = "FOLDER", .text = &given.svg,
	  .help = "draw each distribution as FOLDER/NAME.svg" },
	{ .name = "runs", .argument = "N", .number = &given.runs, .low = 1, .high = 1 << 30,
	  .help = "always N runs a sample; show the time of all N, nothing taken off" },
	{ .name = "profile", .flag = &given.profile,
	  .help = "show the kernel's profile (readprofile) of each benchmark" },
	{ .name = "progress", .letter = 'p', .flag = &given.progress,
	  .help = "say what is being done; a dot a sample" },
	{ .name = "machines", .letter = 'n', .argument = "N", .number = &given.machines,
	  .low = 1, .high = MACHINES_MAX, .help = "how many machines to start (default 4)" },
	{ .name = "boot-limit", .argument = "S", .number = &given.boot_limit_s,
	  .low = 1, .high = 86400, .help = "seconds until all must be connected (default 180)" },
	{ .name = "seed", .letter = 's', .argument = "SEED", .number = &given.seed,
	  .low = 0, .high = UINT32_MAX, .help = "chooses the machines (default: a new one)" },
	{ 0 },
};

static struct program_spec program = {
	.name = "virtbench",
	.usage = "[options] BACKEND [BENCHMARK...]\n       virtbench compare A B [--help]",
	.summary = "Starts machines with BACKEND (local, kvm, qemu, xen, libvirt, lguest, or the "
		   "path of a folder with its scripts) and measures in them how long small things "
		   "take: all benchmarks, or those named. Less is better.",
	.options = options,
};

static const char *list_of_benchmarks(void)
{
	static char text[HELP_MAX];
	const struct benchmark *const *all;
	size_t n = benchmarks_all(&all), used;

	used = (size_t)snprintf(text, sizeof(text), "Benchmarks are:\n");
	for (size_t i = 0; i < n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "  %-18s %s\n",
					 all[i]->name, all[i]->pretty_name);
	return text;
}

_Noreturn static void unknown_benchmark(const char *word)
{
	const struct benchmark *const *all;
	size_t n = benchmarks_all(&all), used = 0;
	const char **names = calloc(n + 1, sizeof(*names)), *nearest;
	char list[HELP_MAX];

	for (size_t i = 0; names && i < n && used < sizeof(list); i++) {
		names[i] = all[i]->name;
		used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", names[i]);
	}
	nearest = names ? nearest_name(word, names) : NULL;
	options_error(&program, "unknown benchmark '%s'%s%s%s; benchmarks are:%s", word,
		      nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
		      list);
}

static void choose_benchmarks(struct settings *settings, char **words, size_t n)
{
	const struct benchmark *const *all;
	size_t total = benchmarks_all(&all);

	settings->n_benchmarks = n ? n : total;
	settings->benchmarks = calloc(settings->n_benchmarks, sizeof(*settings->benchmarks));
	if (!settings->benchmarks)
		options_error(&program, "no memory");
	for (size_t i = 0; i < settings->n_benchmarks; i++) {
		settings->benchmarks[i] = n ? benchmark_by_name(words[i]) : all[i];
		if (!settings->benchmarks[i])
			unknown_benchmark(words[i]);
	}
}

/* Beside the program when it is installed, one up in a source tree. */
static void find_backend(struct settings *settings, const char *name)
{
	static char exe[PATH_MAX];
	char backends[PATH_MAX + 16], client[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct why why;
	char *folder;

	if (n < 0)
		options_error(&program, "/proc/self/exe: %s; mount /proc", strerror(errno));
	exe[n] = 0;
	folder = dirname(exe);
	snprintf(client, sizeof(client), "%s/virtclient", folder);
	snprintf(backends, sizeof(backends), "%s/backends", folder);
	if (access(backends, F_OK) < 0)
		snprintf(backends, sizeof(backends), "%s/../backends", folder);
	if (access(client, X_OK) < 0)
		options_error(&program, "%s: %s; it is built and installed beside virtbench",
			      client, strerror(errno));
	if (backend_find(&settings->backend, name, backends, &why) < 0)
		options_error(&program, "%s", why.text);
	setenv("VIRTBENCH_CLIENT", client, 1);
	setenv("VIRTBENCH_BACKENDS", backends, 1);
}

/* As a run leaves it when the disk becomes full. */
static bool ends_in_mid_line(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char last = '\n';

	if (size > 0 && pread(fd, &last, 1, size - 1) < 1)
		last = '\n';
	if (fd >= 0)
		close(fd);
	return last != '\n';
}

static FILE *open_csv(const char *path)
{
	FILE *csv = fopen(path, "ae");

	if (!csv)
		options_error(&program, "cannot write %s: %s; nothing was started", path,
			      strerror(errno));
	if (ends_in_mid_line(path))
		fputc('\n', csv);
	return csv;
}

static void check_folder(const char *path)
{
	struct stat status;

	if (access(path, W_OK) < 0 || stat(path, &status) < 0)
		options_error(&program, "cannot write to the folder %s: %s; nothing was started",
			      path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		options_error(&program, "%s is no folder, and --svg draws several pictures; nothing "
			      "was started", path);
}

static void open_outputs(struct settings *settings)
{
	if (given.csv)
		settings->form.csv = open_csv(given.csv);
	if (given.svg)
		check_folder(given.svg);
	settings->form.svg_folder = given.svg;
	if (given.profile && access("/proc/profile", R_OK | W_OK) < 0)
		options_error(&program, "--profile needs /proc/profile: %s; boot the kernel with "
			      "profile=2, and be root", strerror(errno));
	if (given.profile && system(SHOW_PROFILE " > /dev/null 2>&1") != 0)
		options_error(&program, "--profile: '" SHOW_PROFILE "' failed; is util-linux "
			      "installed?");
}

void settings_parse(struct settings *settings, int argc, char **argv)
{
	int first;

	program.epilog = list_of_benchmarks();
	first = options_parse(&program, argc, argv);
	if (first == argc)
		options_error(&program, "which BACKEND? 'local' needs no machines; see --help");
	choose_benchmarks(settings, argv + first + 1, (size_t)(argc - first - 1));
	find_backend(settings, argv[first]);
	open_outputs(settings);
	settings->interface = given.interface;
	settings->profile = given.profile;
	settings->progress = given.progress;
	settings->machines = (int)given.machines;
	settings->backend.limit_ms = (uint64_t)given.boot_limit_s * 1000;
	settings->seed = given.seed >= 0 ? (uint64_t)given.seed : seed_choose();
	settings->form.json = given.json;
	settings->form.distribution = given.distribution;
	settings->form.forced_runs = (uint32_t)given.runs;
	settings->rules.stop = given.runs	    ? STOP_FORCED :
			       given.rough	    ? STOP_ROUGH :
			       given.distribution ? STOP_AT_PEAKS :
						      STOP_PRECISE;
	settings->rules.forced_runs = (uint32_t)given.runs;
	settings->rules.limit_ns = given.rough ? ROUGH_LIMIT_NS : LIMIT_NS;
	settings->rules.seed = settings->seed;
}

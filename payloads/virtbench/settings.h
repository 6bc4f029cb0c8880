/* What the command line asks for. */
#ifndef VIRTBENCH_SETTINGS_H
#define VIRTBENCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "benchmark.h"
#include "estimator.h"
#include "machines.h"
#include "results.h"

/* The running kernel names its own functions: distributions ship System.map without them. */
#define SHOW_PROFILE "timeout 60 readprofile -m /proc/kallsyms"
#define RESET_PROFILE "timeout 60 readprofile -r"

struct settings {
	const char *interface;		/* NULL: the address that the backend prints */
	bool profile;
	bool progress;
	int machines;
	uint64_t seed;
	struct estimator_rules rules;
	struct results_form form;
	const struct benchmark **benchmarks;
	size_t n_benchmarks;
	struct backend backend;
};

/* Does not return when the command line is wrong. */
void settings_parse(struct settings *settings, int argc, char **argv);

/* Start the machines and run the benchmarks; an exit status.  Stops nothing. */
int run_benchmarks(struct settings *settings);

/* `virtbench compare A B`: its exit status. */
int compare_main(int argc, char **argv);

#endif

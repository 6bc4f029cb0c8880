/*
 * `paired NAME RUNS TURNS`: where two measurements that lie a second apart differ by more than what
 * is to be seen, they are taken side by side. Each turn is a benchmark of virtbench and the plain
 * loop of the same operation, RUNS times each, both in processes of their own, the one right after
 * the other, and the other first in the next turn. Nothing of virtbench but the benchmark itself is
 * in it. Prints the medians in ns, and the median of the turns' ratios with its quartiles.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "benchmark.h"
#include "statistics.h"

#define LIMIT_S 60
#define TURNS_MAX 10000

/* Stands in for virtclient's: it only looks at the clock. */
struct session {
	const struct machine *machine;
	double begun, took;
};

void session_begin(struct session *s)
{
	s->begun = now();
}

void session_end(struct session *s)
{
	s->took = now() - s->begun;
}

_Noreturn static void give_up(const char *reason, va_list words)
{
	vfprintf(stderr, reason, words);
	fputc('\n', stderr);
	exit(1);
}

_Noreturn void session_fail(struct session *s, const char *reason, ...)
{
	va_list words;

	(void)s;
	va_start(words, reason);
	give_up(reason, words);
}

_Noreturn void session_skip(struct session *s, const char *reason, ...)
{
	va_list words;

	(void)s;
	va_start(words, reason);
	give_up(reason, words);
}

_Noreturn void session_fail_errno(struct session *s, const char *what)
{
	session_fail(s, "%s: %s", what, strerror(errno));
}

const struct machine *session_machine(const struct session *s)
{
	return s->machine;
}

static double by_virtbench(const struct benchmark *benchmark, long runs)
{
	const struct machine machine = { .disk = NULL };
	struct session s = { .machine = &machine };
	const char *reason = benchmark->should_not_run ? benchmark->should_not_run(&machine) : NULL;

	if (reason)
		session_skip(&s, "%s: %s", benchmark->name, reason);
	benchmark->run(&s, (uint32_t)runs);
	return s.took;
}

/* ns a run, in a process of its own: by the benchmark, or by the plain loop when it is NULL. */
static double measure(const struct benchmark *benchmark, const struct operation *operation,
		      long runs)
{
	int ends[2], status = 1;
	double took;
	pid_t child;

	must(!pipe(ends), "pipe");
	child = fork();
	if (!child) {
		alarm(LIMIT_S);
		took = benchmark ? by_virtbench(benchmark, runs) : operation->measure(runs);
		_exit(write(ends[1], &took, sizeof(took)) != sizeof(took));
	}
	must(child > 0 && waitpid(child, &status, 0) == child, "fork");
	if (status || read(ends[0], &took, sizeof(took)) != sizeof(took))
		exit(1);
	close(ends[0]);
	close(ends[1]);
	return took / (double)runs;
}

int main(int argc, char **argv)
{
	static double ours[TURNS_MAX], theirs[TURNS_MAX], ratios[TURNS_MAX];
	const struct benchmark *benchmark = argc == 4 ? benchmark_by_name(argv[1]) : NULL;
	const struct operation *operation = benchmark ? operation_by_name(argv[1]) : NULL;
	long runs = operation ? atol(argv[2]) : 0, turns = operation ? atol(argv[3]) : 0;
	size_t n;

	if (runs < 1 || turns < 1 || turns > TURNS_MAX || benchmark->kind != ON_ONE) {
		fprintf(stderr, "paired NAME RUNS TURNS\n");
		return 2;
	}
	for (long i = 0; i < turns; i++) {
		if (i % 2)
			theirs[i] = measure(NULL, operation, runs);
		ours[i] = measure(benchmark, operation, runs);
		if (!(i % 2))
			theirs[i] = measure(NULL, operation, runs);
		ratios[i] = ours[i] / theirs[i];
	}
	n = (size_t)turns;
	printf("%-15s virtbench %12.1f ns  bare %12.1f ns  ratio %.3f (%.3f - %.3f)\n", argv[1],
	       stats_median(ours, n), stats_median(theirs, n), stats_median(ratios, n),
	       stats_percentile(ratios, n, 25), stats_percentile(ratios, n, 75));
	return 0;
}

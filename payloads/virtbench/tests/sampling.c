/*
 * How many samples the estimator takes until it knows a median to 1 %, beside a plain
 * bootstrap: `sampling [SEEDS]`.  Nothing is timed; it says the same everywhere.
 */
#include <stdio.h>
#include <stdlib.h>

#include "statistics.h"
#include "tests/distributions.h"

#define SEEDS_MAX 10000

static bool compare(const struct distribution *d, size_t seeds)
{
	static double estimator[SEEDS_MAX], plain[SEEDS_MAX];
	size_t more = 0, holds = 0, imprecise = 0;

	for (size_t seed = 0; seed < seeds; seed++) {
		struct needed needed = samples_needed(d, seed);

		estimator[seed] = (double)needed.estimator;
		plain[seed] = (double)needed.plain;
		more += needed.estimator > needed.plain;
		holds += needed.holds;
		imprecise += !needed.precise;
	}
	printf("%-10s %9.0f %9.0f %9.0f %9.0f %9zu %9zu %8.1f %%\n", d->name,
	       stats_median(estimator, seeds), stats_median(plain, seeds),
	       stats_max(estimator, seeds), stats_max(plain, seeds), more, imprecise,
	       100.0 * (double)holds / (double)seeds);
	return !more && !imprecise;
}

int main(int argc, char **argv)
{
	size_t seeds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
	bool good = true;

	if (!seeds || seeds > SEEDS_MAX) {
		fprintf(stderr, "sampling [SEEDS]: 1 to %d\n", SEEDS_MAX);
		return 2;
	}
	printf("%-10s %9s %9s %9s %9s %9s %9s %10s\n", "times", "median", "plain", "most",
	       "plain", "more", "imprecise", "held");
	for (size_t i = 0; i < n_distributions; i++)
		good &= compare(&distributions[i], seeds);
	return good ? 0 : 1;
}

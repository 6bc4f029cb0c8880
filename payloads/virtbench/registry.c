/* The benchmarks that were linked in: the linker has put them side by side. */
#include "benchmark.h"

#include <stdlib.h>
#include <string.h>

extern const struct benchmark *const __start_benchmarks[];
extern const struct benchmark *const __stop_benchmarks[];

#define BENCHMARKS_MAX 256

static int compare(const void *a, const void *b)
{
	const struct benchmark *x = *(const struct benchmark *const *)a;
	const struct benchmark *y = *(const struct benchmark *const *)b;

	if ((x->kind == ON_ONE) != (y->kind == ON_ONE))
		return x->kind == ON_ONE ? -1 : 1;
	return strcmp(x->name, y->name);
}

size_t benchmarks_all(const struct benchmark *const **all)
{
	static const struct benchmark *sorted[BENCHMARKS_MAX];
	size_t n = (size_t)(__stop_benchmarks - __start_benchmarks);

	if (n > BENCHMARKS_MAX)
		abort();
	memcpy(sorted, __start_benchmarks, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	*all = sorted;
	return n;
}

const struct benchmark *benchmark_by_name(const char *name)
{
	const struct benchmark *const *all;
	size_t n = benchmarks_all(&all);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

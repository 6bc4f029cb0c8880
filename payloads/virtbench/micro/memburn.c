/* A byte of every page of 64 MB, in order and in no order. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "benchmark.h"
#include "probe.h"
#include "random.h"

#define SIZE (64 << 20)
#define SPARE (8 << 20)	/* for its page tables, and for everybody else */

static const char *too_little_memory(const struct machine *machine)
{
	static char reason[64];
	uint64_t there = available_memory();

	(void)machine;
	if (there >= SIZE + SPARE)
		return NULL;
	snprintf(reason, sizeof(reason), "needs %d MB of free memory, there are %d",
		 (SIZE + SPARE) >> 20, (int)(there >> 20));
	return reason;
}

static char *memory(struct session *s)
{
	char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (bytes == MAP_FAILED)
		session_fail_errno(s, "64 MB of memory");
	return bytes;
}

/* The order of the pages is the same each time: the seed is fixed. */
static uint32_t *shuffled_pages(struct session *s, size_t n)
{
	uint32_t *order = malloc(n * sizeof(*order));
	struct random random;

	if (!order)
		session_fail_errno(s, "memory");
	random_seed(&random, 1);
	for (size_t i = 0; i < n; i++) {
		size_t other = random_below(&random, i + 1);

		order[i] = order[other];
		order[other] = (uint32_t)i;
	}
	return order;
}

static void linear(struct session *s, uint32_t runs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *bytes = memory(s);

	session_begin(s);
	while (runs--)
		for (size_t at = 0; at < SIZE; at += page)
			bytes[at]++;
	session_end(s);
}

static void in_no_order(struct session *s, uint32_t runs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = SIZE / page;
	volatile char *bytes = memory(s);
	uint32_t *order = shuffled_pages(s, n);

	session_begin(s);
	while (runs--)
		for (size_t i = 0; i < n; i++)
			bytes[order[i] * page]++;
	session_end(s);
	free(order);
}

static const struct benchmark memburn_linear = {
	"memburn-linear", "Time to walk linear 64 MB", ON_ONE,
	too_little_memory, linear,
};
REGISTER_BENCHMARK(memburn_linear);

static const struct benchmark memburn_random = {
	"memburn-random", "Time to walk random 64 MB", ON_ONE,
	too_little_memory, in_no_order,
};
REGISTER_BENCHMARK(memburn_random);

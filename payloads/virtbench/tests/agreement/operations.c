/* What all plain loops need, and where to find one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bare.h"

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void must(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

const struct operation *operation_by_name(const char *name)
{
	const struct operation *const lists[] = { micro_operations, stream_operations,
						  hypervisor_operations };

	for (int i = 0; i < 3; i++)
		for (const struct operation *o = lists[i]; o->name; o++)
			if (!strcmp(o->name, name))
				return o;
	return NULL;
}

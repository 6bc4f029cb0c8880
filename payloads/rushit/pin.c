#include "pin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_GROUPS 1024

bool cpu_list_parse(const char *text, cpu_set_t *cpus)
{
	CPU_ZERO(cpus);
	for (;;) {
		char *end;
		long first = strtol(text, &end, 10);
		long last = first;

		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			last = strtol(text, &end, 10);
			if (end == text)
				return false;
		}
		if (first < 0 || last < first || last >= CPU_SETSIZE)
			return false;
		for (long cpu = first; cpu <= last; cpu++)
			CPU_SET((size_t)cpu, cpus);
		if (*end != ',')
			return *end == '\0' || *end == '\n';
		text = end + 1;
	}
}

static bool read_cpu_list(const char *path, cpu_set_t *cpus)
{
	FILE *file = fopen(path, "r");
	char text[4096];
	bool read = file && fgets(text, sizeof(text), file);

	if (file)
		fclose(file);
	return read && cpu_list_parse(text, cpus);
}

/* Pin to one group of the CPUs that are allowed; path_format takes a CPU or node number. */
static int __attribute__((format(printf, 2, 0)))
pin_to_group(int index, const char *path_format, int numbers, struct why *why)
{
	cpu_set_t *groups = calloc(MOST_GROUPS, sizeof(*groups));
	cpu_set_t allowed;
	int count = 0;

	if (!groups || sched_getaffinity(0, sizeof(allowed), &allowed)) {
		free(groups);
		why_errno(why, errno, "cannot find out which CPUs are allowed");
		return -1;
	}
	for (int i = 0; i < numbers && count < MOST_GROUPS; i++) {
		char path[96];
		cpu_set_t cpus;
		bool known = false;

		snprintf(path, sizeof(path), path_format, i);
		if (!read_cpu_list(path, &cpus))
			continue;
		CPU_AND(&cpus, &cpus, &allowed);
		for (int g = 0; g < count; g++)
			known = known || CPU_EQUAL(&groups[g], &cpus);
		if (CPU_COUNT(&cpus) && !known)
			groups[count++] = cpus;
	}
	if (!count) {
		why_set(why, "the kernel tells nothing of the machine's topology here; pin with "
			"taskset instead");
	} else if (sched_setaffinity(0, sizeof(allowed), &groups[index % count])) {
		why_errno(why, errno, "cannot pin thread %d", index);
		count = 0;
	}
	free(groups);
	return count ? 0 : -1;
}

int pin_to_core(int index, struct why *why)
{
	return pin_to_group(index, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
			    CPU_SETSIZE, why);
}

int pin_to_node(int index, struct why *why)
{
	return pin_to_group(index, "/sys/devices/system/node/node%d/cpulist", MOST_GROUPS, why);
}

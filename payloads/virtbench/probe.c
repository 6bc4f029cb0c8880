#include "probe.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

bool survives(void (*what)(void))
{
	const struct rlimit no_core = { 0, 0 };
	pid_t child = fork();
	int status;

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(2);
		what();
		_exit(0);
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Of the whole process, whatever its threads have been bound to since. */
static const cpu_set_t *usable(void)
{
	static cpu_set_t set;
	static bool known;

	if (!known)
		known = sched_getaffinity(0, sizeof(set), &set) == 0;
	return &set;
}

int usable_processors(void)
{
	return CPU_COUNT(usable());
}

bool use_processor(int nth)
{
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, usable()) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) == 0;
	}
	return false;
}

uint64_t available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	uint64_t kilobytes = UINT64_MAX >> 10;
	char line[128];

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) != 1)
		;
	if (file)
		fclose(file);
	return kilobytes << 10;
}

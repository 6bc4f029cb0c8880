#include "placement.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int placement_pin(int64_t cpu, struct why *why)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	if (cpu < CPU_SETSIZE)
		CPU_SET(cpu, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		return 0;
	why_errno(why, errno, "cannot run on CPU %lld alone; this machine has %ld", (long long)cpu,
		  sysconf(_SC_NPROCESSORS_ONLN));
	return -1;
}

int placement_hold_awake(struct why *why)
{
	const int32_t latency_us = 0;
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	/* The request holds as long as the file is open: it stays so until we end. */
	if (fd >= 0 && write(fd, &latency_us, sizeof(latency_us)) == sizeof(latency_us))
		return 0;
	why_errno(why, errno, "idle states cannot be held off through /dev/cpu_dma_latency; leave "
		  "out --no-idle, or run as root on a kernel that has it");
	if (fd >= 0)
		close(fd);
	return -1;
}

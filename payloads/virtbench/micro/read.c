/* The disk, past the kernel's cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "benchmark.h"

#define BAND (256 << 10)
#define ALIGNMENT 4096
#define BLOCK_MAX (1 << 20)

/* NULL, or why the first `size` bytes cannot be read. */
static const char *try_disk(const char *disk, size_t size)
{
	static char reason[300];
	void *buffer = NULL;
	int fd;
	ssize_t n;

	if (!disk)
		return "this machine was given no disk (virtclient --disk)";
	fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || posix_memalign(&buffer, ALIGNMENT, size)) {
		snprintf(reason, sizeof(reason), "%.200s cannot be read directly: %s", disk,
			 strerror(errno));
		return reason;
	}
	n = pread(fd, buffer, size, 0);
	snprintf(reason, sizeof(reason), "%.200s: %s", disk,
		 n < 0 ? strerror(errno) : "is too small");
	free(buffer);
	close(fd);
	return n == (ssize_t)size ? NULL : reason;
}

static size_t block_size(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || status.st_blksize < 512 || status.st_blksize > BLOCK_MAX)
		return ALIGNMENT;
	return (size_t)status.st_blksize;
}

static void read_again_and_again(struct session *s, uint32_t runs, size_t size)
{
	int fd = open(session_machine(s)->disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *buffer;

	if (fd < 0)
		session_fail_errno(s, "the disk");
	if (!size)
		size = block_size(fd);
	if (posix_memalign(&buffer, ALIGNMENT, size))
		session_fail(s, "no memory");
	session_begin(s);
	while (runs--)
		if (pread(fd, buffer, size, 0) != (ssize_t)size)
			session_fail_errno(s, "read from the disk");
	session_end(s);
	free(buffer);
	close(fd);
}

static const char *no_band(const struct machine *machine)
{
	return try_disk(machine->disk, BAND);
}

static void read_bandwidth(struct session *s, uint32_t runs)
{
	read_again_and_again(s, runs, BAND);
}

static const struct benchmark bandwidth = {
	"read-bandwidth", "Time to read from disk 256 kB", ON_ONE, no_band, read_bandwidth,
};
REGISTER_BENCHMARK(bandwidth);

static const char *no_block(const struct machine *machine)
{
	return try_disk(machine->disk, ALIGNMENT);
}

static void read_latency(struct session *s, uint32_t runs)
{
	read_again_and_again(s, runs, 0);
}

static const struct benchmark latency = {
	"read-latency", "Time for one disk read", ON_ONE, no_block, read_latency,
};
REGISTER_BENCHMARK(latency);

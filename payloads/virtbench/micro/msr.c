/*
 * A model specific register through the kernel's msr device: the time of a system call
 * and of the hypervisor's work, if it does not let the guest at the register.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"
#include "environment.h"

#define DEVICE "/dev/cpu/0/msr"
/* IA32_TSC_ADJUST: written with what it holds, nothing changes. */
#define REGISTER 0x3b

static const char *try_register(int flags)
{
	static char reason[160];
	uint64_t value;
	int fd = open(DEVICE, flags | O_CLOEXEC);

	if (fd < 0)
		snprintf(reason, sizeof(reason), "%s: %s (modprobe msr)", DEVICE, strerror(errno));
	else if (pread(fd, &value, sizeof(value), REGISTER) != sizeof(value))
		snprintf(reason, sizeof(reason), "register 0x%x cannot be read: %s", REGISTER,
			 strerror(errno));
	else if (flags == O_RDWR && pwrite(fd, &value, sizeof(value), REGISTER) != sizeof(value))
		snprintf(reason, sizeof(reason), "register 0x%x cannot be written: %s", REGISTER,
			 strerror(errno));
	else
		reason[0] = 0;
	if (fd >= 0)
		close(fd);
	return reason[0] ? reason : NULL;
}

static const char *no_msr_read(const struct machine *machine)
{
	(void)machine;
	return try_register(O_RDONLY);
}

static const char *no_msr_write(const struct machine *machine)
{
	(void)machine;
	/* The kernel marks itself as tainted by it: not on somebody's real machine. */
	if (!environment_hypervisor())
		return "only done in a virtual machine: Linux calls a kernel whose registers were "
		       "written tainted";
	return try_register(O_RDWR);
}

static void msr_read(struct session *s, uint32_t runs)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	uint64_t value;

	session_begin(s);
	while (runs--)
		if (pread(fd, &value, sizeof(value), REGISTER) != sizeof(value))
			session_fail_errno(s, DEVICE);
	session_end(s);
}

static void msr_write(struct session *s, uint32_t runs)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	uint64_t value;

	if (pread(fd, &value, sizeof(value), REGISTER) != sizeof(value))
		session_fail_errno(s, DEVICE);
	session_begin(s);
	while (runs--)
		if (pwrite(fd, &value, sizeof(value), REGISTER) != sizeof(value))
			session_fail_errno(s, DEVICE);
	session_end(s);
}

static const struct benchmark read_benchmark = {
	"msr-read", "Time to read an MSR by system call", ON_ONE, no_msr_read, msr_read,
};
REGISTER_BENCHMARK(read_benchmark);

static const struct benchmark write_benchmark = {
	"msr-write", "Time to write an MSR by system call", ON_ONE, no_msr_write, msr_write,
};
REGISTER_BENCHMARK(write_benchmark);

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

/*
 * IA32_TSC_ADJUST, IA32_PAT, IA32_APIC_BASE: written with what they hold, nothing changes.
 * The first that the machine has; Xen's PV guests have few.
 */
static const off_t registers[] = { 0x3b, 0x277, 0x1b };
#define N_REGISTERS (sizeof(registers) / sizeof(registers[0]))

static bool works(int fd, off_t which, bool writable)
{
	uint64_t value;

	return pread(fd, &value, sizeof(value), which) == sizeof(value) &&
	       (!writable || pwrite(fd, &value, sizeof(value), which) == sizeof(value));
}

/* One that can be read, and written too with O_RDWR; -1 and errno. */
static off_t usable_register(int flags)
{
	int fd = open(DEVICE, flags | O_CLOEXEC);
	off_t found = -1;

	for (size_t i = 0; fd >= 0 && found < 0 && i < N_REGISTERS; i++)
		if (works(fd, registers[i], flags == O_RDWR))
			found = registers[i];
	if (fd >= 0)
		close(fd);
	return found;
}

static const char *try_registers(int flags)
{
	static char reason[160];

	if (usable_register(flags) >= 0)
		return NULL;
	if (access(DEVICE, F_OK) < 0)
		return "no " DEVICE " (modprobe msr)";
	snprintf(reason, sizeof(reason), "none of the registers 0x3b, 0x277 and 0x1b can be %s: %s",
		 flags == O_RDWR ? "written" : "read", strerror(errno));
	return reason;
}

static const char *no_msr_read(const struct machine *machine)
{
	(void)machine;
	return try_registers(O_RDONLY);
}

static const char *no_msr_write(const struct machine *machine)
{
	(void)machine;
	/* The kernel marks itself as tainted by it: not on somebody's real machine. */
	if (!environment_hypervisor())
		return "only done in a virtual machine: Linux calls a kernel whose registers were "
		       "written tainted";
	return try_registers(O_RDWR);
}

static void msr_read(struct session *s, uint32_t runs)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	off_t which = usable_register(O_RDONLY);
	uint64_t value;

	session_begin(s);
	while (runs--)
		if (pread(fd, &value, sizeof(value), which) != sizeof(value))
			session_fail_errno(s, DEVICE);
	session_end(s);
}

static void msr_write(struct session *s, uint32_t runs)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	off_t which = usable_register(O_RDWR);
	uint64_t value;

	if (pread(fd, &value, sizeof(value), which) != sizeof(value))
		session_fail_errno(s, DEVICE);
	session_begin(s);
	while (runs--)
		if (pwrite(fd, &value, sizeof(value), which) != sizeof(value))
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

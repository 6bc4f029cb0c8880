/* A byte to a port that no PC device uses: the hypervisor's device model has to look. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

#include "benchmark.h"
#include "probe.h"

#define PORT 0x512

static void one_outb(void)
{
	outb(0xff, PORT);
}

static const char *no_ports(const struct machine *machine)
{
	static char reason[160];

	(void)machine;
	if (geteuid() != 0)
		return "can only be run as root";
	if (iopl(3) < 0) {
		snprintf(reason, sizeof(reason),
			 "this kernel lets programs use no I/O ports: iopl: %s", strerror(errno));
		return reason;
	}
	/* Its task segment is marked busy there, and QEMU looks for permissions in others only. */
	return survives(one_outb) ? NULL : "an outb ends the program, though iopl allowed it: so "
					   "does QEMU's emulated processor in nested guests";
}

static void pio(struct session *s, uint32_t runs)
{
	if (iopl(3) < 0)
		session_fail_errno(s, "iopl");
	session_begin(s);
	while (runs--)
		outb(0xff, PORT);
	session_end(s);
}

static const struct benchmark benchmark = {
	"pio", "Time for one outb PIO operation", ON_ONE, no_ports, pio,
};
REGISTER_BENCHMARK(benchmark);

/* Xen's shortest hypercall, xen_version, through Linux's privcmd device; see vmcall for KVM's. */
#include <stdio.h>
#include <string.h>

#include "benchmark.h"
#include "privcmd.h"

static const char *no_hypercall(const struct machine *machine)
{
	static char reason[160];
	struct privcmd p;
	long result = privcmd_open(&p);

	(void)machine;
	if (result == 0) {
		result = privcmd_version(&p);
		privcmd_close(&p);
	}
	if (result >= 0)
		return NULL;
	snprintf(reason, sizeof(reason), "no Xen hypercalls through /dev/xen/privcmd: %s",
		 strerror((int)-result));
	return reason;
}

static void hypercall(struct session *s, uint32_t runs)
{
	struct privcmd p;

	if (privcmd_open(&p) < 0)
		session_fail(s, "/dev/xen/privcmd cannot be opened any more");
	session_begin(s);
	while (runs--)
		if (privcmd_version(&p) < 0)
			session_fail(s, "xen_version failed");
	session_end(s);
	privcmd_close(&p);
}

static const struct benchmark benchmark = {
	"hypercall", "Time for one Xen hypercall via privcmd", ON_ONE, no_hypercall, hypercall,
};
REGISTER_BENCHMARK(benchmark);

#include "xenop.h"

#include <errno.h>
#include <string.h>

#define DATA_PAGES 4

const struct door door_privcmd = { "privcmd", xenop_canary };

struct answer xenop_canary(struct scene *scene)
{
	struct privcmd door;
	int error = privcmd_open(&door);
	long version;

	if (error == -ENOENT)
		return answer_unreached("there is no /dev/xen/privcmd: load module xen-privcmd");
	if (error)
		return answer_refused(-error, "/dev/xen/privcmd cannot be opened");
	version = privcmd_version(&door);
	if (version == -EPERM && scene->role != ROLE_CONTROL)
		return answer_unreached("Linux lets no hypercall of a guest through (XSA-482), so "
					"Xen is not asked: use xenfc's ring-0 guest, or boot with "
					"xen_privcmd.unrestricted=1");
	if (version < 0)
		return answer_refused((int)-version, "xen_version");
	return answer_done("Xen %ld.%ld answers", version >> 16, version & 0xffff);
}

bool xenop_open(struct xenop *x, enum privcmd_interface interface, struct answer *why)
{
	int error = privcmd_open(&x->door);

	if (error) {
		*why = answer_broken("cannot open privcmd: %s", strerror(-error));
		return false;
	}
	x->op = privcmd_buffer(&x->door, 1);
	x->data = privcmd_buffer(&x->door, DATA_PAGES);
	x->data_size = DATA_PAGES * PRIVCMD_PAGE;
	x->version = privcmd_probe_version(&x->door, interface);
	if (!x->op || !x->data) {
		*why = answer_broken("no memory for a hypercall");
		return false;
	}
	if (x->version < 0) {
		*why = answer_broken("no interface version is right: %s",
				     strerror((int)-x->version));
		return false;
	}
	return true;
}

struct answer xenop_call(struct xenop *x, enum privcmd_interface interface, const char *words)
{
	static const unsigned long numbers[] = {
		[PRIVCMD_DOMCTL] = __HYPERVISOR_domctl,
		[PRIVCMD_SYSCTL] = __HYPERVISOR_sysctl,
		[PRIVCMD_PLATFORM] = __HYPERVISOR_platform_op,
	};
	long result;

	/* The version stands at the same place in all three. */
	x->op->domctl.interface_version = (uint32_t)x->version;
	result = privcmd_call(&x->door, numbers[interface], (uintptr_t)x->op, 0, 0, 0, 0);
	if (result < 0)
		return answer_refused((int)-result, "%s", words);
	return answer_done("%s", words);
}

#include "control.h"

#include <xen/errno.h>

#include "hypercall.h"

#define VERSIONS 128

/* Xen refuses a wrong version before it looks at anything else. */
long control_domain(struct xen_domctl *operation)
{
	static uint32_t version;
	long status;

	do {
		operation->interface_version = version;
		status = hypercall1(__HYPERVISOR_domctl, (unsigned long)operation);
	} while (status == -XEN_EACCES && ++version < VERSIONS);
	return status;
}

long control_system(struct xen_sysctl *operation)
{
	static uint32_t version;
	long status;

	do {
		operation->interface_version = version;
		status = hypercall1(__HYPERVISOR_sysctl, (unsigned long)operation);
	} while (status == -XEN_EACCES && ++version < VERSIONS);
	return status;
}

/* domctl and sysctl for the kernel's own needs, whatever interface version this Xen wants. */
#ifndef XENFC_RING0_CONTROL_H
#define XENFC_RING0_CONTROL_H

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* The interface version is filled in; the result is Xen's. */
long control_domain(struct xen_domctl *operation);
long control_system(struct xen_sysctl *operation);

#endif

/* What the files about sysctl share. */
#ifndef XENFC_SYSCTL_H
#define XENFC_SYSCTL_H

#include "run.h"

#define SYSCTL_FIELD(member, flow) FIELD(struct xen_sysctl, u.member, flow)
#define SYSCTL(name) XEN_SYSCTL_##name

extern const struct operation sysctl_information[], sysctl_control[];
extern const size_t sysctl_information_count, sysctl_control_count;

struct xen_sysctl *sysctl_of(const struct call *call);

#endif

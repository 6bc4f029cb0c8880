/* What the files about platform_op share. */
#ifndef XENFC_PLATFORM_H
#define XENFC_PLATFORM_H

#include "run.h"

#define PLATFORM_FIELD(member, flow) FIELD(struct xen_platform_op, u.member, flow)
#define PLATFORM(name) XENPF_##name

extern const struct operation platform_machine[], platform_firmware[];
extern const size_t platform_machine_count, platform_firmware_count;

struct xen_platform_op *platform_of(const struct call *call);

#endif

/* Xen's public headers, as a control domain's tools see them. */
#ifndef XENFC_XENABI_H
#define XENFC_XENABI_H

#define __XEN_TOOLS__ 1
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/platform.h>
#include <xen/memory.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/physdev.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/dm_op.h>
#include <xen/argo.h>
#include <xen/hypfs.h>
#include <xen/pmu.h>
#include <xen/kexec.h>
#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/errno.h>
#pragma GCC diagnostic pop

/* Since 4.19 what was padding of an operation on live patches is flags, of which the first has a use. */
#ifdef LIVEPATCH_FLAG_FORCE
#define LIVEPATCH_RESERVED flags
#else
#define LIVEPATCH_RESERVED pad
#endif

#ifndef XEN_DOMCTL_CDF_trap_unmapped_accesses
#define XEN_DOMCTL_CDF_trap_unmapped_accesses 0
#endif

/* Of interfaces that never change, what only later headers name. */
#ifndef XENVER_commandline2
#define XENVER_extraversion2 11
#define XENVER_capabilities2 12
#define XENVER_changeset2 13
#define XENVER_commandline2 14
#endif
#ifndef VCPUOP_register_vcpu_time_phys_area
#define VCPUOP_register_runstate_phys_area 14
#define VCPUOP_register_vcpu_time_phys_area 15
#endif

/* Only a control domain of a release that has them asks; their members never changed. */
#ifndef XEN_DOMCTL_gsi_permission
#define XEN_DOMCTL_gsi_permission 88
#define XEN_DOMCTL_GSI_ACTION_MASK 1
struct xen_domctl_gsi_permission {
	uint32_t gsi, flags;
};
#endif
#ifndef XEN_DOMCTL_set_llc_colors
#define XEN_DOMCTL_set_llc_colors 89
struct xen_domctl_set_llc_colors {
	uint32_t num_llc_colors, pad;
};
#endif
#ifndef XEN_DOMCTL_get_domain_state
#define XEN_DOMCTL_get_domain_state 90
#define XEN_DOMCTL_GETDOMSTATE_STATE_EXIST 0x0001
#define XEN_DOMCTL_GETDOMSTATE_STATE_SHUTDOWN 0x0002
#define XEN_DOMCTL_GETDOMSTATE_CAP_XENSTORE 0x0004
struct xen_domctl_get_domain_state {
	uint16_t state, caps;
	uint32_t pad0;
	uint64_t unique_id;
};
#endif

#endif

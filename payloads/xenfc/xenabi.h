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

#endif

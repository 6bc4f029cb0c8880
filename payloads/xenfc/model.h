/* What this run knows of the machine, and what it did to it. */
#ifndef XENFC_MODEL_H
#define XENFC_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "plan.h"
#include "xenabi.h"

/*
 * Numbers of domains.  The toolstack counts up from 1, so it does not come here for a
 * long time; a run refuses to start when a domain in this range exists.
 */
#define DOMID_OWN_FIRST 30000u
#define OWN_DOMAINS 8u
#define DOMID_RUNNING (DOMID_OWN_FIRST + OWN_DOMAINS)	/* see running.c */
#define DOMID_NOBODY_FIRST 20000u	/* up to the own ones: never created by anybody */
#define DOMID_NOBODY_LAST 29999u

#define MODEL_PORTS 16u
#define PARAMETER_UNKNOWN UINT64_MAX	/* what it begins with depends on the processor */

/* Facts that do not change during a run; in a dry run, those of the reference machine. */
struct machine {
	unsigned int release;	/* what the oracle goes by */
	unsigned int reported;	/* what Xen says */
	uint32_t domctl_version, sysctl_version, platform_version;
	bool control;		/* role: control domain */
	bool hardware;		/* domain 0 */
	bool pv;		/* we are a PV domain */
	bool pv_guests, hvm, hap, shadow, iommu, vpmu, vmtrace, argo, hypfs;
	bool debug;		/* a debug build of Xen */
	uint32_t scheduler;	/* of the pool that domains begin in */
	uint32_t processors;	/* 1 + the highest number */
	uint32_t online, nodes;
	uint32_t most_nodes;	/* as many as Xen is built for */
	uint64_t total_pages, free_pages, claimed_pages;
	uint16_t domid;		/* our own */
	uint32_t vcpus;		/* our own processors, as many as there may be */
	uint32_t pirqs;		/* our own physical interrupts, likewise */
	uint32_t grant_frames;	/* that our own table of grants may have */
	long idle_states, speeds, frequencies;	/* 0: Xen manages those of its processors */
	long views;		/* 0: HVM domains may have other views of their memory */
	long livepatches;	/* changes that were loaded into Xen; an error: it takes none */
	bool has_ports;		/* our kernel uses some of our event channels */
};

enum port_state { PORT_FREE, PORT_RESERVED, PORT_UNBOUND, PORT_UNKNOWN };

struct port_model {
	enum port_state state;
	uint16_t remote;
};

struct domain_model {
	bool exists;
	bool hvm, hap;
	uint16_t id;
	uint32_t flags;
	uint32_t emulation;	/* devices that Xen emulates for it */
	uint32_t max_vcpus;
	bool has_vcpus;		/* max_vcpus was called */
	uint32_t paused;	/* by the control domain */
	bool finished;		/* was unpaused once: creation is over */
	bool died;		/* one of this number, in this run */
	bool debugged;
	uint32_t vcpu_paused[8];	/* by a debugger */
	uint64_t vcpu_hard[8];	/* where it may run; 0: anywhere */
	bool compat;		/* switched to 32 bits */
	bool unsure;		/* a call left it in a state that is not modelled */
	uint64_t max_pages;
	uint64_t pages;
	uint64_t frame;		/* one of them, which a PV domain keeps for good; 0: none is known */
	uint64_t claimed;	/* pages that are still to come */
	uint8_t handle[16];
	int32_t grant_frames;	/* the limit; negative: Xen's own */
	uint32_t max_evtchn_port;
	struct port_model ports[MODEL_PORTS];
	bool has_pirqs;		/* some were mapped */
	uint32_t vnodes, vranges;	/* as set last; no nodes: never */
	bool shut;
	uint32_t shut_code;
	uint64_t parameters[HVM_NR_PARAMS];	/* of an HVM domain */
	uint32_t watched;	/* events that are reported: a bit each */
	/* What Xen tells it from all others by, and the last one of this number; 0: was not asked. */
	uint64_t unique, unique_before;
};

struct model {
	struct domain_model own[OWN_DOMAINS];
	bool runner_died;	/* a machine of the number that runs */
	uint32_t most_vcpus;	/* that any domain of the burst was given, gone ones too */
};

struct domain_model *model_domain(struct model *model, uint16_t id);	/* NULL: does not exist */
struct domain_model *model_slot(struct model *model, uint16_t id);	/* NULL: none of ours */
void model_created(struct domain_model *domain, uint16_t id,
		   const struct xen_domctl_createdomain *config);
void model_destroyed(struct domain_model *domain);

#endif

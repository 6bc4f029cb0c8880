/* What the files about sysctl share. */
#ifndef XENFC_SYSCTL_H
#define XENFC_SYSCTL_H

#include "run.h"

#define SYSCTL_FIELD(member, flow) FIELD(struct xen_sysctl, u.member, flow)
#define SLACK_PAGES 1024u	/* that come or go between two questions */
#define SYSCTL(name) XEN_SYSCTL_##name

extern const struct operation sysctl_information[], sysctl_control[], sysctl_pool[],
	sysctl_topology[], sysctl_power[], sysctl_livepatch[];
extern const size_t sysctl_information_count, sysctl_control_count, sysctl_pool_count,
	sysctl_topology_count, sysctl_power_count, sysctl_livepatch_count;

struct xen_sysctl *sysctl_of(const struct call *call);

/* A sysctl beside the sequence, its structure in the arena: valid until the next one. */
struct xen_sysctl *sysctl_begin(struct run *run, uint32_t command);
long sysctl_ask(struct run *run, const struct xen_sysctl *s);

/* A count near a limit, or any. */
uint32_t sysctl_draw_count(struct call *call, uint32_t limit);

/* Pages that are free, where other domains do not take and give back some meanwhile; 0: not known. */
uint64_t sysctl_free_pages(struct call *call);

/* EFAULT if a buffer for `count` entries that Xen would fill is out of reach. */
void sysctl_expect_filled(struct call *call, const void *handle, uint64_t count, uint32_t size);

#define SYSCTL_READS(command_name, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = SYSCTL(command_name), .danger = DANGER_SAFE, \
	  .traits = TRAIT_READS, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

#endif

/* What the files about domctl share. */
#ifndef XENFC_DOMCTL_H
#define XENFC_DOMCTL_H

#include "run.h"

#define DOMCTL_FIELD(member, flow) FIELD(struct xen_domctl, u.member, flow)
#define DOMCTL(name) XEN_DOMCTL_##name

extern const struct operation domctl_rights[], domctl_pages[], domctl_parameters[];
extern const size_t domctl_rights_count, domctl_pages_count, domctl_parameters_count;
extern const struct operation domctl_create[], domctl_life[], domctl_vcpu[], domctl_limits[],
	domctl_hvm[], domctl_devices[], domctl_state[], domctl_vnuma[],
	domctl_registers[], domctl_affinity[], domctl_running[], domctl_own_rights[],
	domctl_context[], domctl_recent[];
extern const size_t domctl_create_count, domctl_life_count, domctl_vcpu_count,
	domctl_limits_count, domctl_hvm_count, domctl_devices_count, domctl_state_count,
	domctl_vnuma_count, domctl_registers_count, domctl_affinity_count, domctl_running_count,
	domctl_own_rights_count, domctl_context_count,
	domctl_recent_count;

struct xen_domctl *domctl_of(const struct call *call);

/* A domctl beside the sequence, its structure in the arena: valid until the next one. */
long domctl_aside(struct run *run, uint32_t command, uint16_t domain);
struct xen_domctl *domctl_aside_structure(struct run *run);

/* getdomaininfo about exactly this domain; NULL: it does not exist. */
const struct xen_domctl_getdomaininfo *domain_read(struct run *run, uint16_t id);

/* What is wrong with it, or NULL. */
const char *domain_info_wrong(const struct xen_domctl_getdomaininfo *info,
			      const struct domain_model *domain);

/*
 * What a processor can: the lists that were asked for are the call's first two areas behind its
 * structure, and no longer than is told; nor is more told than there may be.
 */
struct policy {
	uint64_t leaves_at, msrs_at;
	uint32_t leaves, msrs;
};

void check_policy(struct call *call, const struct policy *told, uint32_t most_leaves,
		  uint32_t most_msrs);

/* How many processors most domains with this number may have. */
uint32_t vcpus_of_slot(uint16_t id);

/* domctl_create.c: for a creation that Xen refuses at once, where it never forgets the number. */
uint16_t number_to_lose(struct call *call);
void expect_number_lost(struct call *call);
void expect_number_kept(struct call *call, bool died);

/* Before 4.22 a Xen that was built without shadows loses memory when it is asked for some. */
uint32_t paging_needed(const struct call *call, uint32_t flags);

/*
 * A bitmap that Xen fills: it writes no more than it has itself, so of one that is partly
 * out of reach nobody knows.
 */
void expect_map(struct call *call, const struct xenctl_bitmap *map);

/* Success, but EINVAL about the caller's own domain. */
void expect_unless_self(struct call *call);

/*
 * Pauses are counted, up to a limit: from `counted` on it is reached by `up`, and all that was added
 * is taken back by `down`.  Both take the structure beside the sequence as it is.
 */
#define MOST_PAUSES 255u
#define LIMIT_PERCENT 1
void reach_most_pauses(struct call *call, uint32_t up, uint32_t down, uint32_t counted);

/* What a machine that runs will execute. */
struct guest_code;
void running_code_draw(struct call *call, struct guest_code *code);

/* One in three: most, but not all, effects are read back at once. */
bool read_back_now(struct call *call);

#endif

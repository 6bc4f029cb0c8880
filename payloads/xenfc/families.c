/* All hypercalls that xenfc knows. */
#include "run.h"

extern const struct family family_domctl, family_sysctl, family_evtchn,
	family_memory, family_version, family_grant, family_platform,
	family_schedule, family_vcpu, family_hypfs;

const struct family *const all_families[] = {
	&family_domctl,
	&family_sysctl,
	&family_evtchn,
	&family_memory,
	&family_version,
	&family_grant,
	&family_platform,
	&family_schedule,
	&family_vcpu,
	&family_hypfs,
	NULL,
};

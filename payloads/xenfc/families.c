/* All hypercalls that xenfc knows. */
#include "run.h"

extern const struct family family_domctl, family_sysctl, family_evtchn,
	family_memory, family_version, family_grant, family_platform,
	family_schedule, family_vcpu, family_hypfs,
	family_assist, family_console, family_kexec, family_pmu, family_xsm, family_argo,
	family_mca, family_timer, family_hvm, family_dm, family_multicall,
	family_physdev, family_mmuext, family_mmu, family_va, family_va_other;

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
	&family_assist,
	&family_console,
	&family_kexec,
	&family_pmu,
	&family_xsm,
	&family_argo,
	&family_mca,
	&family_timer,
	&family_hvm,
	&family_dm,
	&family_multicall,
	&family_physdev,
	&family_mmuext,
	&family_mmu,
	&family_va,
	&family_va_other,
	NULL,
};

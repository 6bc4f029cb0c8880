/* All hypercalls that xenfc knows. */
#include "run.h"

extern const struct family family_domctl, family_sysctl;

const struct family *const all_families[] = {
	&family_domctl,
	&family_sysctl,
	NULL,
};

/* All hypercalls that xenfc knows. */
#include "run.h"

extern const struct family family_domctl;

const struct family *const all_families[] = {
	&family_domctl,
	NULL,
};

/*
 * A run that is guided by what the hypervisor counts.  It is made of short pieces of
 * sequences; those that made a counter move which had not moved before are kept as corpus
 * files, and later varied: the same operations, one in four with other arguments.
 */
#ifndef XENFC_GUIDED_H
#define XENFC_GUIDED_H

#include <stdint.h>

#include "plan.h"

/*
 * Reads what is in `folder` (it is made if it is not there) and sets the plan's `next`.  The
 * counters must have begun before the run does.  NULL, or what is wrong, and then nothing may be called.
 */
const char *guided_begin(struct plan *plan, const char *folder);

uint64_t guided_kept(void);	/* files written by this run */

void guided_end(void);

#endif

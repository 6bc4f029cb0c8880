/* What a hypervisor built with CONFIG_COVERAGE counted. */
#ifndef XENFC_RING0_COVERAGE_H
#define XENFC_RING0_COVERAGE_H

/* NULL, or why the counters cannot be set to zero. */
const char *coverage_reset(void);

/*
 * Reads the counters into pages of ours and says where they are, for who can see the
 * machine's memory: lines "XENFC coverage: frames FIRST COUNT" in the order of the data,
 * and at the end "XENFC coverage: SIZE bytes".  NULL, or why not.
 */
const char *coverage_tell(void);

#endif

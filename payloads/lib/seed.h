/* A seed for who gave none. */
#ifndef XENTEST_SEED_H
#define XENTEST_SEED_H

#include <stdint.h>

/* From the kernel's entropy; 32 bits, so that a person can retype it. */
uint64_t seed_choose(void);

#endif

/* How fast hypercalls go with nothing around them: what the fuzzer's rate is compared with. */
#ifndef XENFC_RING0_BARE_H
#define XENFC_RING0_BARE_H

#include <stdint.h>

/* Calls of xen_version a second, over half a second; 0 when one did not succeed. */
uint64_t bare_rate(void);

#endif

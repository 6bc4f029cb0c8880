/* The guest's halves.  Both: 0, or -1 with `why`, which names the step. */
#ifndef VSOCK_GUEST_H
#define VSOCK_GUEST_H

#include "transport.h"
#include "volume.h"

int guest_integration_test(const struct address *host, uint64_t limit_ms, struct why *why);
int guest_micro_benchmark(const struct address *host, const struct volume *volume,
			  uint64_t limit_ms, struct why *why);

/* Put "STEP: " before what is said in `why`; returns -1. */
int guest_failed(struct why *why, const char *step, ...) __attribute__((format(printf, 2, 3)));

#endif

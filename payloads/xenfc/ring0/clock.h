/* Time since Xen started, from the time page that Xen shares with every vcpu. */
#ifndef XENFC_RING0_CLOCK_H
#define XENFC_RING0_CLOCK_H

#include <stdint.h>

struct vcpu_time_info;

/* Before this, clock_ns() is 0. */
void clock_use(const struct vcpu_time_info *time);
uint64_t clock_ns(void);

#endif

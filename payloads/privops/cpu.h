/* What CPUID says of the processor that programs see. */
#ifndef PRIVOPS_CPU_H
#define PRIVOPS_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* AMD's and Hygon's processors call with vmmcall, others with vmcall. */
bool cpu_is_amd(void);

/* Is it QEMU's own emulation, also when a hypervisor is between? */
bool cpu_is_emulated(void);

/* A page of the range that AMD keeps for HyperTransport; 0: there is none, or none can be named. */
uint64_t cpu_hypertransport_page(void);

#endif

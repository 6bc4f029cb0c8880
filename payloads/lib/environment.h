/* Where a program ran: the first line of every --json output. */
#ifndef XENTEST_ENVIRONMENT_H
#define XENTEST_ENVIRONMENT_H

#include <stdio.h>

/* The version of all payloads, for --version. */
#define PAYLOADS_VERSION "1.0"

/*
 * {"type":"environment","program":...,"version":...,"command":[...],"date":...,"host":...,
 *  "kernel":...,"machine":...,"cpu":...,"cpus":N,"hypervisor":"xen"|"kvm"|...|null,
 *  "clocksource":...,"compiler":...}
 */
void environment_write(FILE *out, const char *program, char *const argv[]);

/* "xen", "kvm", another CPUID vendor's name, or NULL on bare metal.  PV Xen counts as xen. */
const char *environment_hypervisor(void);

#endif

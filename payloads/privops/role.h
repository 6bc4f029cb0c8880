/* Which kind of domain this is. */
#ifndef PRIVOPS_ROLE_H
#define PRIVOPS_ROLE_H

#include "check.h"

/* From the kernel's files below `root` and from CPUID (only when `root` is ""). */
enum role role_find(const char *root);

/* This domain's number from xenstore; the control domain's 0 when there is no xenstore. */
uint32_t role_domain(void);

/* The first other domain that has a name in xenstore, or -1. */
int64_t role_victim(uint32_t self);

#endif

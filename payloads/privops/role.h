/* Which kind of domain this is. */
#ifndef PRIVOPS_ROLE_H
#define PRIVOPS_ROLE_H

#include "check.h"

/* From the kernel's files below `root` and from CPUID (only when `root` is ""). */
enum role role_find(const char *root);

/* This domain's number; without xenstore a Xen guest's is DOMAIN_UNKNOWN, others' 0. */
uint32_t role_domain(enum role role);

/* May a try aim at this domain itself?  Without a number it would hit the control domain. */
bool role_knows_itself(const struct scene *scene, struct answer *why);

/* The first other domain that has a name in xenstore, or -1. */
int64_t role_victim(uint32_t self);

#endif

/* What Xen itself counts for a domain. */
#ifndef BALLOON_HYPERVISOR_H
#define BALLOON_HYPERVISOR_H

#include <stdint.h>

struct hypervisor;

#define HYPERVISOR_SELF 0x7ff0u	/* DOMID_SELF */

/* NULL when there is no Xen or Linux does not let us ask it. */
struct hypervisor *hypervisor_open(void);
void hypervisor_close(struct hypervisor *h);

/* Its allocation and its hard limit in kB; 0 or -errno (both are 0 then). */
int hypervisor_count(struct hypervisor *h, uint32_t domain, uint64_t *allocated, uint64_t *limit);

#endif

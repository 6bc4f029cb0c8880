/* Domains that are not ours: which there are, and how much memory they have. */
#include "others.h"

#include "domctl.h"

#define MISSES 64u	/* numbers in a row without a domain end the search */

struct others others_read(struct run *run)
{
	struct others others = { 0, 0 };
	const struct xen_domctl *d = domctl_aside_structure(run);
	unsigned int misses = 0;

	for (uint32_t id = 0; id < DOMID_OWN_FIRST && misses < MISSES; id++) {
		if (domctl_aside(run, XEN_DOMCTL_getdomaininfo, (uint16_t)id)) {
			misses++;
			continue;
		}
		misses = 0;
		id = d->domain;	/* before Xen 4.19 this may be a later one */
		if (id >= DOMID_OWN_FIRST)
			break;
		others.pages += d->u.getdomaininfo.tot_pages;
		others.who = others.who * 31 + id + 1;
	}
	return others;
}

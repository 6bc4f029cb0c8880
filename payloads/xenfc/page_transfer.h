/* A page of ours that is transferred by a grant: only where the kernel is ours. */
#ifndef XENFC_PAGE_TRANSFER_H
#define XENFC_PAGE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

struct call;

/*
 * Offer a page of ours that is nowhere mapped.  Xen takes it even when the other side does not:
 * it is ours afterwards only when this is true.
 */
bool page_transfer(struct call *call, uint64_t frame);

/* Likewise, to a domain that did not ask for it: it is gone, and nothing is left of it there. */
void page_offer(struct call *call, uint64_t frame);

#endif

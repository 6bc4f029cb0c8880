/* A page that is transferred by a grant, to ourselves: only where the kernel is ours. */
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

#endif

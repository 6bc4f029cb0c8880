/* All the uses of a page that end with their call: only where the kernel is ours. */
#ifndef XENFC_PAGE_USES_H
#define XENFC_PAGE_USES_H

#include <stdint.h>

struct call;

/* Of a page of ours that is nowhere mapped.  It is empty afterwards. */
void page_use(struct call *call, uint64_t frame);

#endif

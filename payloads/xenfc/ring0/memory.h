/* Pages of ours: where they are in the machine, a store of fresh ones, holes between them. */
#ifndef XENFC_RING0_MEMORY_H
#define XENFC_RING0_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#define PAGE_SIZE 4096UL
#define PAGE_SHIFT 12
#define VIRT_BASE 0xffffffff80000000UL

void memory_begin(const struct start_info *info);

/* `count` zeroed pages in a row, never given back; NULL when the store is used up. */
void *pages_take(size_t count);
size_t pages_left(void);

/* From now on touching the page is a page fault. */
long page_unmap(void *page);

/* Put a page of the machine in the place of ours; for pages that Xen lets us see. */
long page_map(void *page, uint64_t machine_address);

/* The same with a page of another domain, which we are allowed to control. */
long page_map_foreign(void *page, uint64_t frame, domid_t domain);

uint64_t machine_frame(const void *page);

/* Our page with that machine frame; NULL when it is none of ours. */
void *page_of_frame(uint64_t frame);

#endif

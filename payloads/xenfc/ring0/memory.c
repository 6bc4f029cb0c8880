#include "memory.h"

#include "../freestanding.h"
#include "hypercall.h"

#define STORE_PAGES 1536
#define PTE_PRESENT_WRITABLE_USER 0x67UL	/* with accessed and dirty set */

/* Part of the image, so the domain builder has mapped it, whatever the machine's size. */
static struct {
	uint8_t pages[STORE_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
	size_t taken;
	const unsigned long *frames;
	unsigned long count;
} store;

void memory_begin(const struct start_info *info)
{
	store.frames = (const unsigned long *)info->mfn_list;
	store.count = info->nr_pages;
}

void *pages_take(size_t count)
{
	void *first = store.pages[store.taken];

	if (count > STORE_PAGES - store.taken)
		return NULL;
	store.taken += count;
	memset(first, 0, count * PAGE_SIZE);
	return first;
}

size_t pages_left(void)
{
	return STORE_PAGES - store.taken;
}

static long set_mapping(void *page, uint64_t entry)
{
	return hypercall3(__HYPERVISOR_update_va_mapping, (unsigned long)page, entry,
			  UVMF_INVLPG | UVMF_LOCAL);
}

long page_unmap(void *page)
{
	return set_mapping(page, 0);
}

long page_map(void *page, uint64_t machine_address)
{
	return set_mapping(page, machine_address | PTE_PRESENT_WRITABLE_USER);
}

long page_map_foreign(void *page, uint64_t frame, domid_t domain)
{
	return ring0_hypercall(__HYPERVISOR_update_va_mapping_otherdomain, (unsigned long)page,
			       frame << PAGE_SHIFT | PTE_PRESENT_WRITABLE_USER,
			       UVMF_INVLPG | UVMF_LOCAL, domain, 0);
}

uint64_t machine_frame(const void *page)
{
	return store.frames[((unsigned long)page - VIRT_BASE) >> PAGE_SHIFT];
}

void *page_of_frame(uint64_t frame)
{
	for (unsigned long i = 0; i < store.count; i++)
		if (store.frames[i] == frame)
			return (void *)(VIRT_BASE + (i << PAGE_SHIFT));
	return NULL;
}

/* Pages that look elsewhere. */
#include "window.h"

#include "run.h"

#define PRESENT_WRITABLE_USER 0x67ull	/* accessed and written to already */
#define PRESENT_USER 0x25ull
#define PAGE_BITS 12

static uint8_t pages[WINDOWS][DOOR_PAGE] __attribute__((aligned(4096)));

void *window_page(enum window window)
{
	return pages[window];
}

static long update(struct run *run, enum window window, uint64_t entry, uint16_t id)
{
	uint64_t arguments[5] = { (uintptr_t)pages[window], entry, UVMF_INVLPG | UVMF_LOCAL, id };

	return make_hypercall(run, id == DOMID_SELF ? __HYPERVISOR_update_va_mapping :
			      __HYPERVISOR_update_va_mapping_otherdomain, arguments);
}

long window_open(struct run *run, enum window window, uint64_t frame, uint16_t id)
{
	return update(run, window, frame << PAGE_BITS | PRESENT_WRITABLE_USER, id);
}

long window_show(struct run *run, enum window window, uint64_t frame)
{
	return update(run, window, frame << PAGE_BITS | PRESENT_USER, DOMID_SELF);
}

long window_close(struct run *run, enum window window)
{
	return update(run, window, 0, DOMID_SELF);
}

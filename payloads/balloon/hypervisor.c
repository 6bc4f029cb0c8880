#include "hypervisor.h"

#include <errno.h>
#include <stdlib.h>

#include "privcmd.h"

/* Xen's public ABI: memory_op and its commands that take a domain and return pages. */
#define HYPERCALL_MEMORY_OP 12
#define CURRENT_RESERVATION 3
#define MAXIMUM_RESERVATION 4
#define KB_PER_PAGE 4

struct hypervisor {
	struct privcmd door;
	uint16_t *domain;
};

struct hypervisor *hypervisor_open(void)
{
	struct hypervisor *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	if (privcmd_open(&h->door))
		goto no_door;
	h->domain = privcmd_buffer(&h->door, 1);
	if (!h->domain || privcmd_version(&h->door) < 0)
		goto no_answer;
	return h;
no_answer:
	privcmd_close(&h->door);
no_door:
	free(h);
	return NULL;
}

void hypervisor_close(struct hypervisor *h)
{
	privcmd_buffer_free(h->domain, 1);
	privcmd_close(&h->door);
	free(h);
}

static long ask(struct hypervisor *h, unsigned int command)
{
	return privcmd_call(&h->door, HYPERCALL_MEMORY_OP, command, (uintptr_t)h->domain, 0, 0, 0);
}

int hypervisor_count(struct hypervisor *h, uint32_t domain, uint64_t *allocated, uint64_t *limit)
{
	long pages, most;

	*allocated = *limit = 0;
	*h->domain = (uint16_t)domain;
	pages = ask(h, CURRENT_RESERVATION);
	most = ask(h, MAXIMUM_RESERVATION);
	if (pages < 0 || most < 0)
		return (int)(pages < 0 ? pages : most);
	*allocated = (uint64_t)pages * KB_PER_PAGE;
	*limit = (uint64_t)most * KB_PER_PAGE;
	return 0;
}

/*
 * Several pages beside the kernel's own at once: made, exchanged and given back by lists, which Xen
 * interrupts half of the time.  No page may be left out or done twice.
 */
#include "memory.h"

#define MOST_PAGES 64u
#define NEW_NUMBER (1ull << 20)	/* what a page is to us that we do not count */

/* Beside the structure in memory for calls beside the sequence. */
static uint64_t *list(const struct call *call)
{
	return (void *)(call->run->door->arena + ARENA_ASIDE + DOOR_PAGE);
}

static long pages_of_ours(struct call *call)
{
	struct xen_memory_domain *m = (void *)(call->run->door->arena + ARENA_ASIDE);

	m->domid = DOMID_SELF;
	return aside(call->run, __HYPERVISOR_memory_op, XENMEM_current_reservation,
		     (uintptr_t)m, 0);
}

static void check_pages(struct call *call, const char *what, long expected)
{
	long now = pages_of_ours(call);

	if (now != expected)
		call_wrong(call, "after pages of ours were %s we have %ld, expected %ld", what, now,
			   expected);
}

static void set_address(void *handle, const void *at)
{
	uint64_t address = (uintptr_t)at;

	memcpy(handle, &address, sizeof(address));
}

/* For others, whose numbers take the place of theirs. */
static void exchange(struct call *call, uint64_t count)
{
	struct xen_memory_exchange *e = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint64_t *made = list(call) + MOST_PAGES;
	long result;

	memset(e, 0, sizeof(*e));
	for (uint64_t i = 0; i < count; i++)
		made[i] = NEW_NUMBER;
	e->in.domid = e->out.domid = DOMID_SELF;
	e->in.nr_extents = e->out.nr_extents = count;
	set_address(&e->in.extent_start, list(call));
	set_address(&e->out.extent_start, made);
	result = aside(call->run, __HYPERVISOR_memory_op, XENMEM_exchange, (uintptr_t)e, 0);
	if (result || e->nr_exchanged != count)
		call_wrong(call, "exchanging %lu pages gave %ld, and told %lu", count, result,
			   (uint64_t)e->nr_exchanged);
	for (uint64_t i = 0; i < count; i++)
		if (made[i] == NEW_NUMBER)
			call_wrong(call, "page %lu of an exchange is none", i);
	memcpy(list(call), made, count * sizeof(*made));
}

static void give_back(struct call *call, uint64_t count)
{
	struct xen_memory_reservation *r = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	memset(r, 0, sizeof(*r));
	r->domid = DOMID_SELF;
	r->nr_extents = count;
	set_address(&r->extent_start, list(call));
	result = aside(call->run, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, (uintptr_t)r,
		       0);
	if (result != (long)count)
		call_wrong(call, "giving back %lu pages gave %ld", count, result);
}

static void generate_list(struct call *call)
{
	struct xen_memory_reservation *r = (void *)call->structure->at;
	struct area *made = area_take(call, MOST_PAGES * sizeof(uint64_t), false);

	r->domid = DOMID_SELF;
	r->nr_extents = 1 + draw(call, MOST_PAGES);
	made->out_size = made->size;
	set_address(&r->extent_start, made->at);
	call->interrupted = chance(call, 50);
}

/* As many as we may have. */
static void expect_list(struct call *call)
{
	const struct xen_memory_reservation *r = (void *)call->structure->at;

	expect_range(call, 0, (long)r->nr_extents);
}

static void after_list(struct call *call)
{
	long before;

	if (call->result <= 0)
		return;
	memcpy(list(call), call->areas[1].at, MOST_PAGES * sizeof(uint64_t));
	before = pages_of_ours(call) - call->result;
	exchange(call, (uint64_t)call->result);
	check_pages(call, "exchanged", before + call->result);
	give_back(call, (uint64_t)call->result);
	check_pages(call, "given back", before);
}

static const struct field list_fields[] = {
	FIELD(struct xen_memory_reservation, nr_extents, FLOW_IN),
	FIELD(struct xen_memory_reservation, domid, FLOW_IN),
	FIELDS_END,
};

const struct operation memory_list[] = {
	{ .name = "pages_of_our_own", .command = XENMEM_increase_reservation,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_DEAR, .weight = 1,
	  .structure_size = sizeof(struct xen_memory_reservation), .fields = list_fields,
	  .generate = generate_list, .expect = expect_list, .after = after_list },
};
const size_t memory_list_count = COUNT(memory_list);

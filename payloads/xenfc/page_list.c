/*
 * Several pages beside the kernel's own at once: made, exchanged and given back by lists, which Xen
 * interrupts half of the time.  No page may be left out or done twice.
 */
#include "grant_own.h"
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

/*
 * Two pairs of pages for two others, or half of what is given is nobody's: then what was done
 * until there is told, in pages or pairs as they were given, and stands in the list.
 */
static uint64_t exchange_part(struct call *call, const uint64_t *given, unsigned int order,
			      uint64_t *made)
{
	struct xen_memory_exchange *e = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	memset(e, 0, sizeof(*e));
	e->in.domid = e->out.domid = DOMID_SELF;
	e->in.extent_order = order;
	e->in.nr_extents = 4u >> order;
	e->out.extent_order = !order;
	e->out.nr_extents = 4u >> !order;
	set_address(&e->in.extent_start, given);
	set_address(&e->out.extent_start, made);
	result = aside(call->run, __HYPERVISOR_memory_op, XENMEM_exchange, (uintptr_t)e, 0);
	if (result == ERR(ENOMEM) && !e->nr_exchanged)
		return 0;
	if (result != ERR(EINVAL) || e->nr_exchanged != 2u >> order)
		call_wrong(call, "exchanging four pages, of which two are ours, gave %ld, and told %lu",
			   result, (uint64_t)e->nr_exchanged);
	return e->nr_exchanged;
}

/* Two pages become a pair, and that becomes two pages. */
static void exchange_by_pairs(struct call *call)
{
	uint64_t *given = list(call) + 2 * MOST_PAGES, *made = given + 4;

	for (unsigned int i = 0; i < 4; i++) {
		given[i] = i < 2 ? list(call)[i] : NO_FRAME;
		made[i] = NEW_NUMBER + i;
	}
	if (!exchange_part(call, given, 0, made))
		return;
	given[0] = made[0];
	given[1] = NO_FRAME;
	list(call)[0] = made[0];
	list(call)[1] = made[0] + 1;
	if (exchange_part(call, given, 1, made))
		memcpy(list(call), made, 2 * sizeof(*made));
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
	if (call->result > 1)
		exchange_by_pairs(call);
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

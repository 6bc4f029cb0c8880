/* memory_op: reservations of our domains, and what is told about memory. */
#include "domctl.h"
#include "memory.h"
#include "who.h"

#define MOST_EXTENTS 16u
#define LARGEST_ORDER 3u
#define MOST_COUNTED (UINT32_MAX >> MEMORY_START_SHIFT)	/* that a continuation can tell */

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_reservation(struct call *call)
{
	struct xen_memory_reservation *r = (void *)structure(call);
	struct area *list;

	r->domid = draw_who(call, false);
	r->nr_extents = (xen_ulong_t)draw(call, MOST_EXTENTS + 1);
	if (chance(call, 3))
		r->nr_extents |= 1ull << (32 + draw(call, 32));
	r->extent_order = 0;
	if (chance(call, 20))
		r->extent_order = chance(call, 50) ? 1 + (unsigned int)draw(call, LARGEST_ORDER) :
			20 + (unsigned int)draw_interesting(call, 31);
	list = buffer_take(call, &r->extent_start, MOST_EXTENTS * sizeof(xen_pfn_t), true, false);
	for (unsigned int i = 0; i < MOST_EXTENTS; i++) {
		xen_pfn_t frame = (xen_pfn_t)draw(call, MAP_PLACES);

		memcpy(list->at + i * sizeof(frame), &frame, sizeof(frame));
	}
	if (chance(call, 10))
		r->mem_flags = XENMEMF_vnode | XENMEMF_node((unsigned int)draw(call, 6));
	if (chance(call, 3))
		call->arguments[0] |= draw_interesting(call, 20) << MEMORY_START_SHIFT;
}

static uint64_t done_before(const struct call *call)
{
	return call->arguments[0] >> MEMORY_START_SHIFT;
}

/* Those that have no virtual nodes may be given memory on any. */
static bool virtual_node_sane(const struct xen_memory_reservation *r,
			      const struct domain_model *domain)
{
	return !(r->mem_flags & XENMEMF_vnode) || !domain->vnodes ||
	       XENMEMF_get_node(r->mem_flags) < domain->vnodes;
}

/*
 * The result is the number of extents done; all that is wrong with the arguments gives
 * the number that were done before.
 */
static bool reservation_sane(const struct call *call, const struct xen_memory_reservation *r)
{
	const struct domain_model *domain = model_domain(&call->run->model, r->domid);

	return done_before(call) < r->nr_extents && r->nr_extents <= MOST_COUNTED &&
	       r->extent_order <= LARGEST_ORDER && domain && virtual_node_sane(r, domain);
}

static uint64_t room_for(const struct domain_model *domain)
{
	return domain->max_pages > domain->pages ? domain->max_pages - domain->pages : 0;
}

static void expect_reservation(struct call *call, bool list_needed)
{
	const struct xen_memory_reservation *r = (void *)structure(call);
	uint64_t start = done_before(call), list = handle_value(&r->extent_start), wanted;

	call->domain = model_domain(&call->run->model, r->domid);
	expect_only(call, (long)start);
	if (!reservation_sane(call, r))
		return;
	wanted = r->nr_extents - start;
	if (wanted > room_for(call->domain) >> r->extent_order)
		wanted = room_for(call->domain) >> r->extent_order;
	if (!reachable(call, list, r->nr_extents * sizeof(xen_pfn_t))) {
		/* An address that is not even looked at because nothing is left to do. */
		expect_range(call, (long)start, (long)(start + (list || list_needed ? wanted : 0)));
		if (!list && !list_needed)
			expect_only(call, (long)(start + wanted));
		return;
	}
	expect_only(call, (long)(start + wanted));
	if (call->domain->hvm)
		expect_range(call, (long)start, (long)(start + wanted));
}

static void expect_increase(struct call *call)
{
	expect_reservation(call, false);
}

static void expect_populate(struct call *call)
{
	expect_reservation(call, true);
}

static long told_pages(struct call *call, uint16_t id, unsigned int command)
{
	struct xen_memory_domain *m = (void *)(call->run->door->arena + ARENA_ASIDE);

	m->domid = id;
	return aside(call->run, __HYPERVISOR_memory_op, command, (uintptr_t)m, 0);
}

static void use_claim(struct domain_model *domain, uint64_t pages)
{
	domain->claimed -= pages < domain->claimed ? pages : domain->claimed;
}

/*
 * Since some point releases of 4.19 and later what was claimed is also used up by an extent that
 * the domain then may not have.
 */
static void use_refused(struct call *call, uint64_t extent)
{
	struct domain_model *domain = call->domain;
	const struct xen_domctl_getdomaininfo *info;

	if (!domain->claimed || !since(call, RELEASE(4, 19)))
		return;
	info = domain_read(call->run, domain->id);
	if (info && info->outstanding_pages != domain->claimed)
		use_claim(domain, extent);
}

/* Those below MAP_PLACES may be given back again. */
static void note_frame(const struct call *call, uint64_t start)
{
	const struct xen_memory_reservation *r = (const void *)structure(call);
	struct domain_model *domain = call->domain;
	xen_pfn_t frame;

	if (domain->hvm || domain->frame || call->result <= (long)start ||
	    handle_value(&r->extent_start) != area_sure(&call->areas[1]))
		return;
	memcpy(&frame, call->areas[1].at + start * sizeof(frame), sizeof(frame));
	if (frame >= MAP_PLACES)
		domain->frame = frame;
}

static void after_increase(struct call *call)
{
	const struct xen_memory_reservation *r = (void *)structure(call);
	struct domain_model *domain = call->domain;
	uint64_t start = done_before(call), added, extent;
	long told;

	if (!domain || call->result < (long)start)
		return;
	extent = r->extent_order <= LARGEST_ORDER ? 1ull << r->extent_order : 0;
	added = ((uint64_t)call->result - start) * extent;
	told = told_pages(call, domain->id, XENMEM_current_reservation);
	/* An extent whose number could not be told may have been made nevertheless. */
	if (!reachable(call, handle_value(structure(call)), MOST_EXTENTS * sizeof(xen_pfn_t)) &&
	    told == (long)(domain->pages + added + extent))
		added += extent;
	else if (domain->hvm && told == (long)(domain->pages + added + extent))
		added += extent;
	note_frame(call, start);
	domain->pages += added;
	use_claim(domain, added);
	if ((uint64_t)call->result < r->nr_extents)
		use_refused(call, extent);
	if (told != (long)domain->pages)
		call_wrong(call, "the domain has %ld pages afterwards, not %lu", told,
			   domain->pages);
}

static void expect_decrease(struct call *call)
{
	const struct xen_memory_reservation *r = (void *)structure(call);

	call->domain = model_domain(&call->run->model, r->domid);
	expect_only(call, (long)done_before(call));
	if (reservation_sane(call, r))
		expect_range(call, (long)done_before(call), (long)r->nr_extents);
}

/*
 * What goes while a claim is open is claimed again, or, since some point releases of 4.19 and
 * later, is not.
 */
static void follow_decrease(struct call *call, uint64_t pages)
{
	struct domain_model *domain = call->domain;
	const struct xen_domctl_getdomaininfo *info;

	domain->pages -= pages;
	if (!domain->claimed || !pages)
		return;
	info = since(call, RELEASE(4, 19)) ? domain_read(call->run, domain->id) : NULL;
	if (!info || info->outstanding_pages != domain->claimed)
		domain->claimed += pages;
}

void memory_follow_fewer(struct call *call)
{
	long told;

	if (!call->domain)
		return;
	told = told_pages(call, call->domain->id, XENMEM_current_reservation);
	if (told < 0 || (uint64_t)told > call->domain->pages)
		call_wrong(call, "the domain has %ld pages afterwards, not %lu or less", told,
			   call->domain->pages);
	else
		follow_decrease(call, call->domain->pages - (uint64_t)told);
}

static bool spoilt_by_start(struct call *call)
{
	if (!done_before(call))
		return false;
	expect_only(call, ERR(EINVAL));
	return true;
}

static void generate_told(struct call *call)
{
	struct xen_memory_domain *m = (void *)structure(call);

	m->domid = draw_who(call, true);
	if (chance(call, 3))
		call->arguments[0] |= draw_interesting(call, 20) << MEMORY_START_SHIFT;
}

static void expect_told(struct call *call)
{
	const struct xen_memory_domain *m = (void *)structure(call);

	if (spoilt_by_start(call) || !who_allows(call, m->domid, LOOKUP_ANY, RIGHT_TARGET))
		return;
	if (!call->domain || call->command == XENMEM_maximum_gpfn)
		expect_range(call, -1, INT64_MAX);
	else
		expect_only(call, (long)(call->command == XENMEM_current_reservation ?
					 call->domain->pages : call->domain->max_pages));
}

/* A PV kernel says itself how many of its pages it numbers: the last one's number is told. */
static void generate_own_last(struct call *call)
{
	struct xen_memory_domain *m = (void *)structure(call);

	m->domid = DOMID_SELF;
	call->note = 1 + (long)draw_interesting(call, 40);
	if (call->run->door->shared)
		call->run->door->shared->arch.max_pfn = (unsigned long)call->note;
}

static void expect_own_last(struct call *call)
{
	expect_only(call, call->note - 1);
}

static void after_own_last(struct call *call)
{
	if (call->run->door->shared)
		call->run->door->shared->arch.max_pfn = 0;
}

/* The structure is looked at only when nothing is left over from a continuation. */
static bool memory_expect(struct call *call)
{
	bool counts = call->operation && (call->command == XENMEM_increase_reservation ||
		call->command == XENMEM_decrease_reservation ||
		call->command == XENMEM_populate_physmap);

	if (counts && !reachable(call, call->arguments[1], call->structure->size)) {
		expect_only(call, (long)done_before(call));
		return false;
	}
	if (call->operation && done_before(call))
		return true;
	/* Here the right comes before the structure. */
	if (call->operation && call->command == XENMEM_machine_memory_map &&
	    !call->run->machine.control)
		return true;
	return command_expect(call);
}

static void expect_frames(struct call *call)
{
	expect_range(call, 1, INT64_MAX);
}

/* All of the machine's memory is below it; it is told elsewhere with room for what may still come. */
static void after_frames(struct call *call)
{
	const struct xen_sysctl_physinfo *info;

	if (!call->run->machine.control)
		return;
	info = physinfo_read(call->run);
	if (!info || (uint64_t)call->result < info->total_pages ||
	    (uint64_t)call->result > info->max_mfn + 1)
		call_wrong(call, "the machine has %ld frames, and its last one is %lu of %lu",
			   call->result, info ? (uint64_t)info->max_mfn : 0,
			   call->run->machine.total_pages);
}

const struct field reservation_fields[] = {
	FIELD(struct xen_memory_reservation, extent_start, FLOW_IN),
	FIELD(struct xen_memory_reservation, nr_extents, FLOW_IN),
	FIELD(struct xen_memory_reservation, extent_order, FLOW_IN),
	FIELD(struct xen_memory_reservation, mem_flags, FLOW_IN),
	FIELD(struct xen_memory_reservation, domid, FLOW_IN),
	FIELDS_END,
};

static const struct field domain_fields[] = {
	FIELD(struct xen_memory_domain, domid, FLOW_IN),
	FIELDS_END,
};

#define MEMORY(command_name, class, type, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = XENMEM_##command_name, .danger = class, \
	  .structure_size = sizeof(struct type), .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

static const struct operation operations[] = {
	MEMORY(increase_reservation, DANGER_OWN, xen_memory_reservation, reservation_fields,
	       generate_reservation, expect_increase, after_increase),
	MEMORY(populate_physmap, DANGER_OWN, xen_memory_reservation, reservation_fields,
	       generate_reservation, expect_populate, after_increase),
	MEMORY(decrease_reservation, DANGER_OWN, xen_memory_reservation, reservation_fields,
	       generate_reservation, expect_decrease, memory_follow_fewer),
	MEMORY(current_reservation, DANGER_SAFE, xen_memory_domain, domain_fields, generate_told,
	       expect_told, NULL),
	MEMORY(maximum_reservation, DANGER_SAFE, xen_memory_domain, domain_fields, generate_told,
	       expect_told, NULL),
	MEMORY(maximum_gpfn, DANGER_SAFE, xen_memory_domain, domain_fields, generate_told,
	       expect_told, NULL),
	{ .name = "maximum_gpfn_own", .command = XENMEM_maximum_gpfn, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2,
	  .structure_size = sizeof(struct xen_memory_domain), .fields = domain_fields,
	  .generate = generate_own_last, .expect = expect_own_last, .after = after_own_last },
	{ .name = "maximum_ram_page", .command = XENMEM_maximum_ram_page, .danger = DANGER_SAFE,
	  .weight = 3, .expect = expect_frames, .after = after_frames },
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ memory_claims, &memory_claims_count },
	{ memory_maps, &memory_maps_count },
	{ memory_places, &memory_places_count },
	{ memory_resources, &memory_resources_count },
	{ memory_own, &memory_own_count },
	{ memory_list, &memory_list_count },
	{ memory_tables, &memory_tables_count },
	{ memory_vnuma, &memory_vnuma_count },
	{ memory_started, &memory_started_count },
};

/* Only six bits are the command: every other number is one of these with a start. */
static bool exists(uint32_t command)
{
	return command <= 28 || command > 0x3f;
}

const struct family family_memory = {
	.name = "memory",
	.hypercall = __HYPERVISOR_memory_op,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = command_generate,
	.expect = memory_expect,
};

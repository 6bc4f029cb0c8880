/* memory_op: maps of memory, the machine's and those of domains. */
#include "memory.h"
#include "room.h"
#include "who.h"

#define MOST_RANGES 64u
#define LAWFUL_RANGES 1024u	/* that Xen keeps for a domain */
#define OWN_RANGES 8u
#define RANGE_BYTES 20u

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_map(struct call *call)
{
	struct xen_memory_map *m = structure(call);

	m->nr_entries = (unsigned int)draw(call, MOST_RANGES);
	buffer_take(call, &m->buffer, MOST_RANGES * RANGE_BYTES, true, true);
}

static void after_map(struct call *call)
{
	const struct xen_memory_map *m = structure(call);

	if (!call->result)
		check_rest(call, &call->areas[1], handle_value(&m->buffer),
			   m->nr_entries * RANGE_BYTES);
}

static long ask_machine_map(struct call *call, const struct room *room, uint64_t given,
			    uint64_t *told)
{
	struct xen_memory_map *m = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint64_t at = (uintptr_t)room_buffer(call);
	long result;

	(void)room;
	m->nr_entries = (unsigned int)given;
	memcpy(&m->buffer, &at, sizeof(at));
	result = aside(call->run, __HYPERVISOR_memory_op, XENMEM_machine_memory_map, (uintptr_t)m,
		       0);
	*told = m->nr_entries;
	return result;
}

/* What Xen told: in order of their addresses, none of them empty, and none within another one. */
static void check_order(struct call *call, uint32_t count)
{
	const uint8_t *at = call->areas[1].at;
	uint64_t end = 0, range[2];

	for (uint32_t i = 0; i < count; i++, end = range[0] + range[1]) {
		memcpy(range, at + i * RANGE_BYTES, sizeof(range));
		if (range[0] < end || !range[1] || range[0] + range[1] < range[0])
			call_wrong(call, "range %u of the machine's map has %lx bytes at %lx, after "
				   "%lx", i, range[1], range[0], end);
	}
}

/* Xen wants to have room for one range more than it tells. */
static void after_machine_map(struct call *call)
{
	const struct xen_memory_map *m = structure(call);

	static const struct room room = {
		"ranges", ask_machine_map, ROOM_BYTES / RANGE_BYTES, 1, ERR(EINVAL), false,
	};

	after_map(call);
	if (!call->result && handle_value(&m->buffer) == area_sure(&call->areas[1]))
		check_order(call, m->nr_entries);
	if (!call->result)
		check_room_of_all(call, &room);
}

/* A domain has a map of its own when its maker gave it one. */
static void expect_own_map(struct call *call)
{
	const struct xen_memory_map *m = structure(call);

	expect_only(call, ERR(ENOSYS));
	if (call->run->machine.hardware)
		return;
	expect_also(call, 0);
	if (m->nr_entries)
		expect_also(call, ERR(EFAULT));
}

static void expect_machine_map(struct call *call)
{
	const struct xen_memory_map *m = structure(call);
	uint64_t buffer = handle_value(&m->buffer);

	if (!call->run->machine.control) {
		expect_only(call, ERR(EPERM));
		return;
	}
	expect_only(call, 0);
	if (!buffer)
		return;
	expect_also(call, ERR(EINVAL));
	if (!reachable(call, buffer, MOST_RANGES * RANGE_BYTES))
		expect_also(call, ERR(EFAULT));
}

static void generate_set_map(struct call *call)
{
	struct xen_foreign_memory_map *m = structure(call);

	m->domid = draw_who(call, false);
	m->map.nr_entries = (unsigned int)draw(call, MOST_RANGES);
	if (chance(call, 10))
		m->map.nr_entries = chance(call, 50) ? LAWFUL_RANGES + (unsigned int)draw(call, 2) :
			LAWFUL_RANGES + (unsigned int)draw_interesting(call, 30);
	buffer_take(call, &m->map.buffer, MOST_RANGES * RANGE_BYTES, false, false);
}

static void expect_set_map(struct call *call)
{
	const struct xen_foreign_memory_map *m = structure(call);
	uint64_t size = (uint64_t)m->map.nr_entries * RANGE_BYTES;

	if (m->map.nr_entries > LAWFUL_RANGES)
		expect_only(call, ERR(EINVAL));
	else if (who_allows(call, m->domid, LOOKUP_ANY, RIGHT_TARGET))
		expect_only(call, !size || reachable(call, handle_value(&m->map.buffer), size) ?
			    0 : ERR(EFAULT));
}

/* A map of our own, told with more room than it needs or with less; then there is none. */
static void generate_own_map(struct call *call)
{
	struct xen_foreign_memory_map *m = structure(call);

	uint64_t ranges = area_sure(area_take(call, OWN_RANGES * RANGE_BYTES, true));

	m->domid = DOMID_SELF;
	m->map.nr_entries = 1 + (unsigned int)draw(call, OWN_RANGES);
	memcpy(&m->map.buffer, &ranges, sizeof(ranges));
}

static long map_aside(struct call *call, unsigned int command, const void *map)
{
	return aside(call->run, __HYPERVISOR_memory_op, command, (uintptr_t)map, 0);
}

static void check_told_map(struct call *call, unsigned int count, unsigned int room)
{
	struct xen_memory_map *m = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint8_t *told = memset(m + 1, 0, (OWN_RANGES + 2) * RANGE_BYTES);
	unsigned int expected = count < room ? count : room;
	long result;

	m->nr_entries = room;
	memcpy(&m->buffer, &told, sizeof(told));
	result = map_aside(call, XENMEM_memory_map, m);
	if (result || m->nr_entries != expected ||
	    memcmp(told, call->areas[1].at, expected * RANGE_BYTES))
		call_wrong(call, "of a map of %u ranges %u or others were told, with room for %u",
			   count, m->nr_entries, room);
	for (unsigned int i = expected * RANGE_BYTES; i < (OWN_RANGES + 2) * RANGE_BYTES; i++)
		if (told[i])
			call_wrong(call, "more than %u ranges were told", expected);
}

static void after_own_map(struct call *call)
{
	const struct xen_foreign_memory_map *set = structure(call);
	struct xen_foreign_memory_map *m;
	long result;

	if (call->result)
		return;
	for (unsigned int more = 0; more < 3; more++)
		check_told_map(call, set->map.nr_entries, set->map.nr_entries - 1 + more);
	m = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*m));
	m->domid = DOMID_SELF;
	result = map_aside(call, XENMEM_set_memory_map, m);
	if (result || map_aside(call, XENMEM_memory_map, &m->map) != ERR(ENOSYS))
		call_wrong(call, "a map of our own is there when it was taken back, or %ld", result);
}

static void generate_list(struct call *call)
{
	struct xen_machphys_mfn_list *l = structure(call);

	l->max_extents = (unsigned int)draw(call, MOST_RANGES);
	buffer_take(call, &l->extent_start, MOST_RANGES * sizeof(xen_pfn_t), true, true);
}

static void expect_list(struct call *call)
{
	const struct xen_machphys_mfn_list *l = structure(call);

	expect_only(call, 0);
	if (l->max_extents &&
	    !reachable(call, handle_value(&l->extent_start), MOST_RANGES * sizeof(xen_pfn_t)))
		expect_also(call, ERR(EFAULT));
}

static void generate_reserved(struct call *call)
{
	struct xen_reserved_device_memory_map *m = structure(call);

	m->flags = draw_mostly(call, 80, 2);
	m->nr_entries = (unsigned int)draw(call, 4);
	buffer_take(call, &m->buffer, 4 * sizeof(struct xen_reserved_device_memory), true, false);
}

static void expect_reserved(struct call *call)
{
	const struct xen_reserved_device_memory_map *m = structure(call);

	expect_only(call, m->flags & ~XENMEM_RDM_ALL ? ERR(EINVAL) : 0);
	/* Xen's own addresses are refused at once, others when they are written to. */
	if (!reachable(call, handle_value(&m->buffer), 4 * sizeof(*m)))
		expect_also(call, ERR(EFAULT));
	if (call->run->machine.iommu)
		expect_also(call, ERR(ENOBUFS));
}

static void after_list(struct call *call)
{
	const struct xen_machphys_mfn_list *l = structure(call);

	if (!call->result)
		check_rest(call, &call->areas[1], handle_value(&l->extent_start),
			   l->nr_extents * sizeof(xen_pfn_t));
}

/* Mostly where HVM domains were given memory; PV ones have no such map. */
static void generate_remove(struct call *call)
{
	struct xen_remove_from_physmap *r = structure(call);

	r->domid = draw_who(call, true);
	r->gpfn = chance(call, 80) ? draw(call, MAP_PLACES) : draw_interesting(call, 64);
}

/* Where a page was taken away there is none. */
static void after_remove(struct call *call)
{
	const struct xen_remove_from_physmap *removed = structure(call);
	struct xen_remove_from_physmap *r = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result)
		return;
	*r = *removed;
	result = aside(call->run, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, (uintptr_t)r,
		       0);
	if (result != ERR(ENOENT))
		call_wrong(call, "removing a page twice gave %ld, expected %ld", result,
			   ERR(ENOENT));
}

static void expect_remove(struct call *call)
{
	const struct xen_remove_from_physmap *r = structure(call);

	/* That there is no such map comes first, and is true of domain 0 mostly. */
	if (!who_allows(call, r->domid, LOOKUP_ANY, RIGHT_TARGET)) {
		if (expect_names(&call->expect, ERR(EPERM)))
			expect_also(call, ERR(EACCES));
	} else if (!call->domain || !call->domain->hvm) {
		expect_only(call, ERR(EACCES));
	} else {
		expect_only(call, 0);
		expect_also(call, ERR(ENOENT));
		expect_also(call, ERR(EINVAL));
	}
}

static void expect_machphys(struct call *call)
{
	expect_only(call, 0);
}

/* As many frames as there is place for; to domain 0 those that the machine has may be told. */
static void after_machphys(struct call *call)
{
	const struct xen_machphys_mapping *m = structure(call);
	uint64_t last = (MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) / sizeof(uint64_t) - 1;
	bool right = m->max_mfn == last;

	if (call->result)
		return;
	if (!right && call->run->machine.hardware)
		right = (long)m->max_mfn + 1 == aside(call->run, __HYPERVISOR_memory_op,
						      XENMEM_maximum_ram_page, 0, 0);
	if (m->v_start != MACH2PHYS_VIRT_START || m->v_end != MACH2PHYS_VIRT_END || !right)
		call_wrong(call, "the table of all frames is from %lx to %lx, its last one is %lx",
			   (uint64_t)m->v_start, (uint64_t)m->v_end, (uint64_t)m->max_mfn);
}

static void expect_saved(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(ENOSYS));
}

static const struct field map_fields[] = {
	FIELD(struct xen_memory_map, nr_entries, FLOW_INOUT),
	FIELDS_END,
};

static const struct field set_map_fields[] = {
	FIELD(struct xen_foreign_memory_map, domid, FLOW_IN),
	FIELD(struct xen_foreign_memory_map, map.nr_entries, FLOW_IN),
	FIELDS_END,
};

static const struct field list_fields[] = {
	FIELD(struct xen_machphys_mfn_list, max_extents, FLOW_IN),
	FIELD(struct xen_machphys_mfn_list, nr_extents, FLOW_OUT),
	FIELDS_END,
};

static const struct field mapping_fields[] = {
	FIELD(struct xen_machphys_mapping, v_start, FLOW_OUT),
	FIELD(struct xen_machphys_mapping, v_end, FLOW_OUT),
	FIELD(struct xen_machphys_mapping, max_mfn, FLOW_OUT),
	FIELDS_END,
};

static const struct field reserved_fields[] = {
	FIELD(struct xen_reserved_device_memory_map, flags, FLOW_IN),
	FIELD(struct xen_reserved_device_memory_map, nr_entries, FLOW_INOUT),
	FIELDS_END,
};

static const struct field remove_fields[] = {
	FIELD(struct xen_remove_from_physmap, domid, FLOW_IN),
	FIELD(struct xen_remove_from_physmap, gpfn, FLOW_IN),
	FIELDS_END,
};

#define MAPS(command_name, class, traits_of, type, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = XENMEM_##command_name, .danger = class, \
	  .traits = traits_of, .weight = 6, .structure_size = sizeof(struct type), \
	  .fields = field_list, .generate = generator, .expect = expectation, .after = follow }

const struct operation memory_maps[] = {
	MAPS(memory_map, DANGER_SAFE, TRAIT_READS, xen_memory_map, map_fields, generate_map,
	     expect_own_map, after_map),
	MAPS(machine_memory_map, DANGER_SAFE, TRAIT_READS, xen_memory_map, map_fields,
	     generate_map, expect_machine_map, after_machine_map),
	MAPS(set_memory_map, DANGER_OWN, TRAIT_REPLACES, xen_foreign_memory_map, set_map_fields,
	     generate_set_map, expect_set_map, NULL),
	{ .name = "map_of_our_own", .command = XENMEM_set_memory_map, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_REPLACES, .weight = 3,
	  .structure_size = sizeof(struct xen_foreign_memory_map), .fields = set_map_fields,
	  .generate = generate_own_map, .expect = expect_success,
	  .after = after_own_map },
	{ .name = "remove_from_physmap", .command = XENMEM_remove_from_physmap,
	  .danger = DANGER_OWN, .structure_size = sizeof(struct xen_remove_from_physmap),
	  .fields = remove_fields, .generate = generate_remove, .expect = expect_remove,
	  .after = after_remove },
	MAPS(machphys_mfn_list, DANGER_SAFE, TRAIT_READS, xen_machphys_mfn_list, list_fields,
	     generate_list, expect_list, after_list),
	MAPS(machphys_mapping, DANGER_SAFE, TRAIT_READS, xen_machphys_mapping, mapping_fields,
	     NULL, expect_machphys, after_machphys),
	MAPS(reserved_device_memory_map, DANGER_SAFE, TRAIT_TELLS | TRAIT_WRITES_ON_ERROR,
	     xen_reserved_device_memory_map, reserved_fields, generate_reserved, expect_reserved,
	     NULL),
	{ .name = "get_sharing_freed_pages", .command = XENMEM_get_sharing_freed_pages,
	  .danger = DANGER_SAFE, .weight = 2, .expect = expect_saved },
	{ .name = "get_sharing_shared_pages", .command = XENMEM_get_sharing_shared_pages,
	  .danger = DANGER_SAFE, .weight = 2, .expect = expect_saved },
};
const size_t memory_maps_count = COUNT(memory_maps);

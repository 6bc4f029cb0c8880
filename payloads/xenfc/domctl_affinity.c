/*
 * domctl: on which processors and nodes a domain may run, and what is left of it when only half can
 * be set.
 */
#include "domctl.h"

static struct xen_domctl_vcpuaffinity *affinity(const struct call *call)
{
	return &domctl_of(call)->u.vcpuaffinity;
}

#define MOST_PROCESSORS 32u	/* half a note */

/* The processors that there are, when they have the lowest numbers; 0: they have not. */
static uint64_t processors(const struct run *run)
{
	uint32_t count = run->machine.online;

	if (count != run->machine.processors || count >= MOST_PROCESSORS)
		return 0;
	return (1ull << count) - 1;
}

static void draw_map(struct call *call, struct xenctl_bitmap *map)
{
	struct area *area = area_take(call, sizeof(uint64_t), true);
	uint64_t address = area_sure(area);

	map->nr_bits = 1 + (uint32_t)draw(call, 64);
	area->out_size = (map->nr_bits + 7) / 8;
	if (chance(call, 15))
		address = chance(call, 30) ? 0 : call->run->door->unmapped;
	memcpy(&map->bitmap, &address, sizeof(address));
}

static void generate_set(struct call *call)
{
	struct xen_domctl_vcpuaffinity *a = affinity(call);

	a->vcpu = draw_mostly(call, 85, 5);
	a->flags = draw_mostly(call, 90, 4);
	draw_map(call, &a->cpumap_hard);
	draw_map(call, &a->cpumap_soft);
}

static uint64_t wanted(const struct xenctl_bitmap *map, const struct area *area)
{
	uint64_t bits;

	memcpy(&bits, area->at, sizeof(bits));
	return map->nr_bits < 64 ? bits & ((1ull << map->nr_bits) - 1) : bits;
}

static bool is_there(const struct call *call, const struct xenctl_bitmap *map)
{
	return handle_value(&map->bitmap) != call->run->door->unmapped;
}

static void expect_maps(struct call *call, const struct xen_domctl_vcpuaffinity *a)
{
	uint64_t there = processors(call->run);

	expect_only(call, 0);
	if (a->flags & XEN_VCPUAFFINITY_SOFT && !is_there(call, &a->cpumap_soft))
		expect_only(call, ERR(EFAULT));
	if (!(a->flags & XEN_VCPUAFFINITY_HARD))
		return;
	if (!is_there(call, &a->cpumap_hard))
		expect_only(call, ERR(EFAULT));
	else if (!there)
		expect_also(call, ERR(EINVAL));
	else if (!(call->note & (long)there))
		expect_only(call, ERR(EINVAL));
}

static void expect_set(struct call *call)
{
	const struct xen_domctl_vcpuaffinity *a = affinity(call);
	bool null = (a->flags & XEN_VCPUAFFINITY_HARD && !handle_value(&a->cpumap_hard.bitmap)) ||
		    (a->flags & XEN_VCPUAFFINITY_SOFT && !handle_value(&a->cpumap_soft.bitmap));

	/* Both maps, as far as there can be processors: Xen writes over them. */
	call->note = (long)((uint32_t)wanted(&a->cpumap_hard, &call->areas[1]) |
			    wanted(&a->cpumap_soft, &call->areas[2]) << MOST_PROCESSORS);
	if (a->vcpu >= call->domain->max_vcpus)
		expect_only(call, ERR(EINVAL));
	else if (!call->domain->has_vcpus)
		expect_only(call, ERR(ESRCH));
	else if (!a->flags || null)
		expect_only(call, ERR(EINVAL));
	else
		expect_maps(call, a);
}

static void check_map(struct call *call, uint32_t vcpu, uint32_t kind, uint64_t of,
		      uint64_t expected)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t now = 0, *map = memset(d + 1, 0, sizeof(now));
	long result;

	memset(d, 0, sizeof(*d));
	d->u.vcpuaffinity.vcpu = vcpu;
	d->u.vcpuaffinity.flags = kind;
	d->u.vcpuaffinity.cpumap_hard.nr_bits = d->u.vcpuaffinity.cpumap_soft.nr_bits = 64;
	memcpy(&d->u.vcpuaffinity.cpumap_hard.bitmap, &map, sizeof(map));
	memcpy(&d->u.vcpuaffinity.cpumap_soft.bitmap, &map, sizeof(map));
	result = domctl_aside(call->run, DOMCTL(getvcpuaffinity), call->domain->id);
	memcpy(&now, map, sizeof(now));
	if (result || (now & of) != expected)
		call_wrong(call, "a processor %s run on %lx afterwards, expected %lx (%ld)",
			   kind == XEN_VCPUAFFINITY_HARD ? "may" : "shall", now, expected, result);
}

/* What of a map is in force is told in its place. */
static void check_in_force(struct call *call, const struct xenctl_bitmap *map,
			   const struct area *area, uint64_t expected)
{
	if (map->nr_bits < 64)
		expected &= (1ull << map->nr_bits) - 1;
	if (wanted(map, area) != expected)
		call_wrong(call, "of a map %lx is told to be in force, expected %lx",
			   wanted(map, area), expected);
}

/* A processor runs where it shall only if it may run there, too. */
static void check_told(struct call *call, const struct xen_domctl_vcpuaffinity *a, uint64_t may)
{
	uint64_t shall = (uint64_t)call->note >> MOST_PROCESSORS & processors(call->run);

	if (a->flags & XEN_VCPUAFFINITY_HARD)
		check_in_force(call, &a->cpumap_hard, &call->areas[1], may);
	if (!(a->flags & XEN_VCPUAFFINITY_SOFT))
		return;
	check_in_force(call, &a->cpumap_soft, &call->areas[2], shall & may);
	/* Called again with what it was told, it sets no more than that. */
	check_map(call, a->vcpu, XEN_VCPUAFFINITY_SOFT, may, shall & may);
}

/* Where it shall run cannot be read: where it may run is set first, and must be taken back. */
static void check_undone(struct call *call, uint32_t vcpu, uint64_t there, uint64_t may)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t other = there & ~may ? there & ~may : may & (0 - may);
	uint64_t *map = (void *)(d + 1), nowhere = call->run->door->unmapped;
	long result;

	memset(d, 0, sizeof(*d));
	*map = other;
	d->u.vcpuaffinity.vcpu = vcpu;
	d->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
	d->u.vcpuaffinity.cpumap_hard.nr_bits = d->u.vcpuaffinity.cpumap_soft.nr_bits = 64;
	memcpy(&d->u.vcpuaffinity.cpumap_hard.bitmap, &map, sizeof(map));
	memcpy(&d->u.vcpuaffinity.cpumap_soft.bitmap, &nowhere, sizeof(nowhere));
	result = domctl_aside(call->run, DOMCTL(setvcpuaffinity), call->domain->id);
	if (result != ERR(EFAULT))
		call_wrong(call, "where a processor shall run was taken from nowhere (%ld)", result);
	check_map(call, vcpu, XEN_VCPUAFFINITY_HARD, there, may);
}

/* When the call failed everything is as it was. */
static void after_set(struct call *call)
{
	const struct xen_domctl_vcpuaffinity *a = affinity(call);
	uint64_t there = processors(call->run), *hard;

	if (!there || !call->domain || !call->domain->has_vcpus ||
	    a->vcpu >= call->domain->max_vcpus || a->vcpu >= COUNT(call->domain->vcpu_hard))
		return;
	hard = &call->domain->vcpu_hard[a->vcpu];
	if (!call->result && a->flags & XEN_VCPUAFFINITY_HARD)
		*hard = (uint64_t)call->note & there;
	check_map(call, a->vcpu, XEN_VCPUAFFINITY_HARD, there, *hard ? *hard : there);
	if (!call->result)
		check_told(call, a, *hard ? *hard : there);
	if (chance(call, 25))
		check_undone(call, a->vcpu, there, *hard ? *hard : there);
}

static struct xenctl_bitmap *node_map(const struct call *call)
{
	return &domctl_of(call)->u.nodeaffinity.nodemap;
}

static void generate_nodes(struct call *call)
{
	draw_map(call, node_map(call));
	call->note = (long)wanted(node_map(call), &call->areas[1]);
}

/* One of them must be there; of several nobody knows which numbers they have. */
static void expect_nodes(struct call *call)
{
	expect_only(call, call->note & 1 ? 0 : ERR(EINVAL));
	if (call->run->machine.nodes > 1) {
		expect_also(call, 0);
		expect_also(call, ERR(EINVAL));
	}
	if (handle_value(&node_map(call)->bitmap) != area_sure(&call->areas[1]))
		expect_only(call, ERR(EFAULT));
}

static void after_nodes(struct call *call)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t now = 0, *map = memset(d + 1, 0, sizeof(now));
	long result;

	if (call->result)
		return;
	memset(d, 0, sizeof(*d));
	d->u.nodeaffinity.nodemap.nr_bits = 64;
	memcpy(&d->u.nodeaffinity.nodemap.bitmap, &map, sizeof(map));
	result = domctl_aside(call->run, DOMCTL(getnodeaffinity), call->domain->id);
	memcpy(&now, map, sizeof(now));
	if (result || (now ^ (uint64_t)call->note) & 1)
		call_wrong(call, "a domain may use nodes %lx afterwards, expected %lx (%ld)", now,
			   (uint64_t)call->note, result);
}

static const struct field node_fields[] = {
	DOMCTL_FIELD(nodeaffinity.nodemap.nr_bits, FLOW_IN),
	FIELDS_END,
};

static const struct field set_fields[] = {
	DOMCTL_FIELD(vcpuaffinity.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.flags, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.cpumap_hard.nr_bits, FLOW_IN),
	DOMCTL_FIELD(vcpuaffinity.cpumap_soft.nr_bits, FLOW_IN),
	FIELDS_END,
};

const struct operation domctl_affinity[] = {
	{ .name = "setvcpuaffinity", .command = DOMCTL(setvcpuaffinity), .danger = DANGER_OWN,
	  .traits = TRAIT_REPLACES, .fields = set_fields, .generate = generate_set,
	  .expect = expect_set, .after = after_set },
	{ .name = "setnodeaffinity", .command = DOMCTL(setnodeaffinity), .danger = DANGER_OWN,
	  .traits = TRAIT_REPLACES, .weight = 4, .fields = node_fields, .generate = generate_nodes,
	  .expect = expect_nodes, .after = after_nodes },
};
const size_t domctl_affinity_count = COUNT(domctl_affinity);

/* A domain's virtual nodes: set by domctl, told by memory_op. */
#include "domctl.h"
#include "memory.h"
#include "who.h"

#define MOST_NODES 4u
#define MOST_RANGES 6u
#define MOST_VCPUS 8u
#define LAWFUL_NODES 32u	/* their distances fill a page of Xen's */
#define LAWFUL_RANGES 170u
#define NO_VCPUS 0x10000u	/* more than any domain has */

static const struct xen_domctl_vnuma *wanted(const struct call *call)
{
	return &domctl_of(call)->u.vnuma;
}

/* How many elements a list of `count` is drawn with: what is refused anyway needs few. */
static uint32_t at_most(uint32_t count, uint32_t most)
{
	return count < most ? count : most;
}

/* The lists of a domctl, in the order in which they are taken. */
enum list { DISTANCES = 1, VCPUS, NODES, RANGES };

static uint32_t element(const struct call *call, enum list list, uint32_t i)
{
	uint32_t value;

	memcpy(&value, call->areas[list].at + i * sizeof(value), sizeof(value));
	return value;
}

static void put_element(struct call *call, enum list list, uint32_t i, uint32_t value)
{
	memcpy(call->areas[list].at + i * sizeof(value), &value, sizeof(value));
}

static xen_vmemrange_t range_of(const struct call *call, uint32_t i)
{
	xen_vmemrange_t range;

	memcpy(&range, call->areas[RANGES].at + i * sizeof(range), sizeof(range));
	return range;
}

/* Of so many the one that is wrong; mostly none. */
static uint32_t draw_wrong(struct call *call, uint32_t count)
{
	return chance(call, 8) ? (uint32_t)draw(call, count + 1) : count;
}

static void fill_lists(struct call *call, uint32_t nodes, uint32_t vcpus, uint32_t ranges)
{
	uint32_t wrong_node = draw_wrong(call, nodes), wrong_range = draw_wrong(call, ranges);
	uint32_t missing = call->run->machine.most_nodes;

	for (uint32_t i = 0; i < vcpus; i++)
		put_element(call, VCPUS, i, (uint32_t)draw(call, nodes) +
			    (chance(call, 4) ? nodes : 0));
	for (uint32_t i = 0; i < nodes; i++)
		put_element(call, NODES, i, i == wrong_node ?
			    missing + (chance(call, 50) ? 0 : (uint32_t)draw_interesting(call, 31)) :
			    chance(call, 50) ? missing - 1 : 0);
	for (uint32_t i = 0; i < ranges; i++) {
		xen_vmemrange_t range = range_of(call, i);

		range.flags = i == wrong_range ? 1u << draw(call, 32) : 0;
		memcpy(call->areas[RANGES].at + i * sizeof(range), &range, sizeof(range));
	}
}

/* Few, or as many as there may be. */
static uint32_t draw_few(struct call *call, uint32_t least, uint32_t few, uint32_t lawful)
{
	return chance(call, 3) ? lawful : least + (uint32_t)draw(call, few - least + 1);
}

/* Lists are as long as Xen reads them: one that is partly out of reach is always too short. */
static void generate_set(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);
	struct xen_domctl_vnuma *v = &d->u.vnuma;
	uint32_t nodes = draw_few(call, 1, MOST_NODES, LAWFUL_NODES), vcpus, ranges;

	memset(v, 0, sizeof(*v));
	v->nr_vnodes = nodes;
	if (chance(call, 8))
		v->nr_vnodes = chance(call, 50) ? 0 :
			LAWFUL_NODES + 1 + (uint32_t)draw_interesting(call, 31);
	v->nr_vmemranges = chance(call, 94) ? draw_few(call, 0, MOST_RANGES, LAWFUL_RANGES) :
		LAWFUL_RANGES + 1 + (uint32_t)draw_interesting(call, 31);
	v->nr_vcpus = chance(call, 90) ? vcpus_of_slot(d->domain) :
		(uint32_t)draw(call, MOST_VCPUS);
	if (chance(call, 5))
		v->nr_vcpus |= NO_VCPUS;
	v->pad = chance(call, 3) ? (uint32_t)draw_interesting(call, 32) : 0;
	vcpus = at_most(v->nr_vcpus, MOST_VCPUS);
	ranges = at_most(v->nr_vmemranges, LAWFUL_RANGES);
	buffer_take(call, &v->vdistance, nodes * nodes * sizeof(uint32_t), false, false);
	buffer_take(call, &v->vcpu_to_vnode, vcpus * sizeof(uint32_t), false, false);
	buffer_take(call, &v->vnode_to_pnode, nodes * sizeof(uint32_t), false, false);
	buffer_take(call, &v->vmemrange, ranges * sizeof(xen_vmemrange_t), false, false);
	fill_lists(call, nodes, vcpus, ranges);
}

static bool has_list(const struct call *call, const void *handle, enum list list)
{
	return !call->areas[list].size || handle_value(handle) == area_sure(&call->areas[list]);
}

static bool numbers_sane(const struct call *call)
{
	const struct xen_domctl_vnuma *v = wanted(call);

	return v->nr_vcpus == call->domain->max_vcpus && !v->pad && v->nr_vnodes &&
	       v->nr_vnodes <= LAWFUL_NODES && v->nr_vmemranges <= LAWFUL_RANGES;
}

static bool vcpus_have_nodes(const struct call *call)
{
	for (uint32_t i = 0; i < wanted(call)->nr_vcpus; i++)
		if (element(call, VCPUS, i) >= wanted(call)->nr_vnodes)
			return false;
	return true;
}

static bool nodes_exist(const struct call *call)
{
	for (uint32_t i = 0; i < wanted(call)->nr_vnodes; i++)
		if (element(call, NODES, i) >= call->run->machine.most_nodes)
			return false;
	return true;
}

static bool ranges_have_no_flags(const struct call *call)
{
	for (uint32_t i = 0; i < wanted(call)->nr_vmemranges; i++)
		if (range_of(call, i).flags)
			return false;
	return true;
}

static void expect_set(struct call *call)
{
	const struct xen_domctl_vnuma *v = wanted(call);

	if (!numbers_sane(call)) {
		expect_only(call, ERR(EINVAL));
	} else if (!has_list(call, &v->vdistance, DISTANCES) ||
		   !has_list(call, &v->vmemrange, RANGES) ||
		   !has_list(call, &v->vcpu_to_vnode, VCPUS)) {
		expect_only(call, ERR(EFAULT));
	} else if (!vcpus_have_nodes(call)) {
		expect_only(call, ERR(E2BIG));
	} else if (!has_list(call, &v->vnode_to_pnode, NODES)) {
		expect_only(call, ERR(EFAULT));
		/* It is read one by one: what comes first may be somebody else's. */
		if (reachable(call, handle_value(&v->vnode_to_pnode), sizeof(uint32_t)))
			expect_also(call, ERR(E2BIG));
	} else if (!nodes_exist(call)) {
		expect_only(call, ERR(E2BIG));
	} else {
		expect_only(call, ranges_have_no_flags(call) ? 0 : ERR(EINVAL));
	}
}

/* What Xen tells, and the room for its lists. */
struct told {
	struct xen_vnuma_topology_info info;
	uint32_t distances[LAWFUL_NODES * LAWFUL_NODES];
	uint32_t vcpus[MOST_VCPUS];
	xen_vmemrange_t ranges[LAWFUL_RANGES];
};

static void point(void *handle, const void *at)
{
	uint64_t address = (uintptr_t)at;

	memcpy(handle, &address, sizeof(address));
}

static void point_at(struct told *told, uint16_t id)
{
	told->info.domid = id;
	point(&told->info.vdistance, told->distances);
	point(&told->info.vcpu_to_vnode, told->vcpus);
	point(&told->info.vmemrange, told->ranges);
}

static long ask(struct call *call, const struct told *told)
{
	return aside(call->run, __HYPERVISOR_memory_op, XENMEM_get_vnumainfo, (uintptr_t)told, 0);
}

/* What was set is told, to the last byte. */
static void read_back(struct call *call)
{
	const struct xen_domctl_vnuma *v = wanted(call);
	struct told *told = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*told));
	long result;

	point_at(told, call->domain->id);
	told->info.nr_vnodes = v->nr_vnodes;
	told->info.nr_vcpus = v->nr_vcpus;
	told->info.nr_vmemranges = v->nr_vmemranges;
	result = ask(call, told);
	if (result)
		call_wrong(call, "asking for the nodes that were set gave %ld", result);
	else if (memcmp(told->distances, call->areas[DISTANCES].at, call->areas[DISTANCES].size) ||
		 memcmp(told->vcpus, call->areas[VCPUS].at, call->areas[VCPUS].size) ||
		 memcmp(told->ranges, call->areas[RANGES].at, call->areas[RANGES].size))
		call_wrong(call, "other nodes are told than were set");
}

static void after_set(struct call *call)
{
	if (call->result || !call->domain)
		return;
	call->domain->vnodes = wanted(call)->nr_vnodes;
	call->domain->vranges = wanted(call)->nr_vmemranges;
	if (read_back_now(call))
		read_back(call);
}

static struct xen_vnuma_topology_info *asked(const struct call *call)
{
	return (struct xen_vnuma_topology_info *)(void *)call->structure->at;
}

static void generate_get(struct call *call)
{
	struct xen_vnuma_topology_info *t = asked(call);

	t->domid = draw_who(call, true);
	t->pad = chance(call, 5) ? (uint16_t)draw_interesting(call, 16) : 0;
	t->nr_vnodes = chance(call, 85) ? MOST_NODES : (uint32_t)draw(call, MOST_NODES);
	t->nr_vcpus = chance(call, 85) ? MOST_VCPUS : (uint32_t)draw(call, MOST_VCPUS);
	t->nr_vmemranges = chance(call, 85) ? MOST_RANGES : (uint32_t)draw(call, MOST_RANGES);
	buffer_take(call, &t->vdistance, MOST_NODES * MOST_NODES * sizeof(uint32_t), true,
		    true);
	buffer_take(call, &t->vcpu_to_vnode, MOST_VCPUS * sizeof(uint32_t), true, true);
	buffer_take(call, &t->vmemrange, MOST_RANGES * sizeof(xen_vmemrange_t), true, true);
}

static bool can_be_told(const struct call *call, const void *handle, uint64_t size)
{
	return !size || reachable(call, handle_value(handle), size);
}

static void expect_get(struct call *call)
{
	const struct xen_vnuma_topology_info *t = asked(call);
	const struct domain_model *domain;

	if (t->pad) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (!who_allows(call, t->domid, LOOKUP_ANY, RIGHT_TARGET))
		return;
	domain = call->domain;
	if (!domain || !domain->vnodes)
		expect_only(call, ERR(EOPNOTSUPP));
	else if (t->nr_vnodes < domain->vnodes || t->nr_vcpus < domain->max_vcpus ||
		 t->nr_vmemranges < domain->vranges)
		expect_only(call, ERR(ENOBUFS));
	else
		expect_only(call, can_be_told(call, &t->vmemrange,
					      domain->vranges * sizeof(xen_vmemrange_t)) &&
			    can_be_told(call, &t->vdistance,
					domain->vnodes * domain->vnodes * sizeof(uint32_t)) &&
			    can_be_told(call, &t->vcpu_to_vnode,
					domain->max_vcpus * sizeof(uint32_t)) ? 0 : ERR(EFAULT));
}

/* What is set is told with just enough room; with less for any of the three it is not. */
static void refuse_less_room(struct call *call, const struct domain_model *domain)
{
	struct told *told = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint32_t *const rooms[] = {
		&told->info.nr_vnodes, &told->info.nr_vcpus, &told->info.nr_vmemranges,
	};
	unsigned int which = (unsigned int)draw(call, domain->vranges ? 3 : 2);
	long result;

	memset(told, 0, sizeof(*told));
	point_at(told, domain->id);
	told->info.nr_vnodes = domain->vnodes;
	told->info.nr_vcpus = domain->max_vcpus;
	told->info.nr_vmemranges = domain->vranges;
	--*rooms[which];
	result = ask(call, told);
	if (result != ERR(ENOBUFS))
		call_wrong(call, "nodes for which room %u is too little gave %ld, expected %ld", which,
			   result, ERR(ENOBUFS));
}

static void after_get(struct call *call)
{
	const struct xen_vnuma_topology_info *t = asked(call);
	const struct domain_model *domain = call->domain;

	if ((call->result && call->result != ERR(ENOBUFS)) || !domain)
		return;
	if (t->nr_vnodes != domain->vnodes || t->nr_vcpus != domain->max_vcpus ||
	    t->nr_vmemranges != domain->vranges)
		call_wrong(call, "%u nodes, %u processors, %u ranges are told, not %u, %u, %u",
			   t->nr_vnodes, t->nr_vcpus, t->nr_vmemranges, domain->vnodes,
			   domain->max_vcpus, domain->vranges);
	if (domain->vnodes && chance(call, 30))
		refuse_less_room(call, domain);
	if (call->result)
		return;
	check_rest(call, &call->areas[1], handle_value(&t->vdistance),
		   (uint64_t)t->nr_vnodes * t->nr_vnodes * sizeof(uint32_t));
	check_rest(call, &call->areas[2], handle_value(&t->vcpu_to_vnode),
		   t->nr_vcpus * sizeof(uint32_t));
	check_rest(call, &call->areas[3], handle_value(&t->vmemrange),
		   t->nr_vmemranges * sizeof(xen_vmemrange_t));
}

static const struct field set_fields[] = {
	DOMCTL_FIELD(vnuma.nr_vnodes, FLOW_IN),
	DOMCTL_FIELD(vnuma.nr_vcpus, FLOW_IN),
	DOMCTL_FIELD(vnuma.nr_vmemranges, FLOW_IN),
	DOMCTL_FIELD(vnuma.pad, FLOW_IN),
	FIELDS_END,
};

static const struct field get_fields[] = {
	FIELD(struct xen_vnuma_topology_info, domid, FLOW_IN),
	FIELD(struct xen_vnuma_topology_info, pad, FLOW_IN),
	FIELD(struct xen_vnuma_topology_info, nr_vnodes, FLOW_INOUT),
	FIELD(struct xen_vnuma_topology_info, nr_vcpus, FLOW_INOUT),
	FIELD(struct xen_vnuma_topology_info, nr_vmemranges, FLOW_INOUT),
	FIELDS_END,
};

const struct operation domctl_vnuma[] = {
	{ .name = "setvnumainfo", .command = DOMCTL(setvnumainfo), .danger = DANGER_OWN,
	  .traits = TRAIT_REPLACES, .weight = 8, .fields = set_fields, .generate = generate_set,
	  .expect = expect_set, .after = after_set },
};
const size_t domctl_vnuma_count = COUNT(domctl_vnuma);

const struct operation memory_vnuma[] = {
	{ .name = "get_vnumainfo", .command = XENMEM_get_vnumainfo, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS | TRAIT_WRITES_ON_ERROR,
	  .structure_size = sizeof(struct xen_vnuma_topology_info), .fields = get_fields,
	  .generate = generate_get, .expect = expect_get, .after = after_get },
};
const size_t memory_vnuma_count = COUNT(memory_vnuma);

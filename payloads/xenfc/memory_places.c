/* memory_op: where a domain sees which page. */
#include "memory.h"
#include "who.h"

#define NO_FRAME (1ull << 50)
#define MOST_ORDER 18u	/* of extents, for anybody */
#define LAWFUL_ORDER 9u	/* for everybody, if Xen was not told otherwise */
#define MOST_EXTENTS UINT64_MAX
#define MOST_INDEX 4u
#define BATCH 4u
#define NO_ANSWER 1	/* of any */

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static void also_no_map(struct call *call)
{
	if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EACCES));
}

static bool hvm(const struct call *call)
{
	return call->domain && call->domain->hvm;
}

/* As many as can be counted, or one more; nothing is left to be done, or what is no list can tell. */
static void exchange_most(struct call *call, struct xen_memory_exchange *e)
{
	unsigned int order = chance(call, 50) ? 0 : 1 + (unsigned int)draw(call, LAWFUL_ORDER);

	e->in.extent_order = e->out.extent_order = order;
	e->in.nr_extents = (MOST_EXTENTS >> order) + (order ? draw(call, 2) : 0);
	e->out.nr_extents = e->in.nr_extents;
	e->nr_exchanged = order || chance(call, 50) ? e->in.nr_extents : 0;
}

/* Everything of nobody, or frames that are not there. */
static void generate_exchange(struct call *call)
{
	struct xen_memory_exchange *e = structure(call);

	e->in.domid = e->out.domid = draw_who(call, false);
	e->in.nr_extents = e->out.nr_extents = (xen_ulong_t)draw(call, 4);
	e->nr_exchanged = chance(call, 80) ? 0 : (xen_ulong_t)draw(call, 5);
	if (chance(call, 10))
		*(chance(call, 50) ? &e->in.extent_order : &e->out.extent_order) =
			MOST_ORDER + 1 + (unsigned int)draw(call, chance(call, 50) ? 1 : 40);
	if (chance(call, 10))
		e->out.nr_extents++;
	if (chance(call, 10))
		e->out.domid ^= 1;
	if (chance(call, 10))
		exchange_most(call, e);
	for (unsigned int i = 0; i < 2; i++) {
		struct area *list = buffer_take(call, i ? &e->out.extent_start :
						&e->in.extent_start, 4 * 8, false, false);
		uint64_t frame = NO_FRAME, address = area_sure(list);

		for (unsigned int n = 0; n < 4; n++)
			memcpy(list->at + n * sizeof(frame), &frame, sizeof(frame));
		memcpy(i ? (void *)&e->out.extent_start : (void *)&e->in.extent_start, &address,
		       sizeof(address));
	}
}

static void expect_exchange(struct call *call)
{
	const struct xen_memory_exchange *e = structure(call);

	if (e->in.extent_order > MOST_ORDER || e->out.extent_order > MOST_ORDER) {
		expect_only(call, ERR(EPERM));
	} else if (e->nr_exchanged > e->in.nr_extents || e->in.domid != e->out.domid ||
		   e->in.nr_extents != e->out.nr_extents ||
		   e->in.nr_extents > MOST_EXTENTS >> e->in.extent_order) {
		expect_only(call, ERR(EINVAL));
	} else if (e->nr_exchanged == e->in.nr_extents) {
		expect_only(call, 0);
	} else if (e->in.nr_extents == MOST_EXTENTS) {
		expect_only(call, ERR(EFAULT));
	} else if (who_allows(call, e->in.domid, LOOKUP_ANY, RIGHT_TARGET)) {
		expect_only(call, ERR(EINVAL));
		/* HVM domains that have no processor yet have no place for tables either. */
		if (hvm(call))
			expect_also(call, ERR(ENOMEM));
	}
	if (e->in.extent_order)
		expect_also(call, ERR(EPERM));
}

/* Each space, at frames where a new domain has something or nothing. */
static void generate_add(struct call *call)
{
	struct xen_add_to_physmap *a = structure(call);

	a->domid = draw_who(call, true);
	a->space = draw_mostly(call, 90, 7);
	a->size = (uint16_t)draw(call, 3);
	a->idx = (xen_ulong_t)draw(call, MOST_INDEX);
	a->gpfn = chance(call, 90) ? draw(call, 4096) : ~0ull;
	/* Foreign pages are for lists only. */
	if (a->space == XENMAPSPACE_gmfn_range)
		a->idx |= NO_FRAME;
}

/* What the space itself answers about an HVM domain. */
static void expect_placed(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(ENOMEM));
	expect_also(call, ERR(EACCES));
	expect_also(call, ERR(ENOENT));
	expect_also(call, ERR(EPERM));
	/* A frame of the grant table that stands elsewhere already. */
	expect_also(call, ERR(EBUSY));
}

static void expect_add(struct call *call)
{
	const struct xen_add_to_physmap *a = structure(call);

	if (a->space == XENMAPSPACE_gmfn_foreign)
		expect_only(call, ERR(ENOSYS));
	else if (!who_allows(call, a->domid, LOOKUP_ANY, RIGHT_TARGET))
		also_no_map(call);
	else if (!hvm(call) || a->space == XENMAPSPACE_dev_mmio)
		expect_only(call, ERR(EACCES));
	else if (a->gpfn == ~0ull)
		expect_only(call, ERR(EINVAL));
	else
		expect_placed(call);
}

/* Where something was put the domain has memory. */
static void after_add(struct call *call)
{
	const struct xen_add_to_physmap *a = structure(call);
	struct xen_hvm_get_mem_type *t = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	memory_follow_fewer(call);
	if (call->result || !call->domain || a->space == XENMAPSPACE_gmfn_range)
		return;
	*t = (struct xen_hvm_get_mem_type){ .domid = call->domain->id, .pfn = a->gpfn };
	result = aside(call->run, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, (uintptr_t)t, 0);
	if (result || t->mem_type != HVMMEM_ram_rw)
		call_wrong(call, "where a page was put there is something of type %u, with %ld",
			   t->mem_type, result);
}

static void generate_batch(struct call *call)
{
	struct xen_add_to_physmap_batch *a = structure(call);
	void *handles[] = { &a->idxs, &a->gpfns, &a->errs };

	a->domid = draw_who(call, true);
	a->space = (uint16_t)draw_mostly(call, 90, 7);
	a->size = (uint16_t)draw(call, BATCH + 1);
	a->u.foreign_domid = draw_who(call, false);
	for (unsigned int i = 0; i < COUNT(handles); i++) {
		struct area *list = buffer_take(call, handles[i], BATCH * 8, i == 2, false);

		for (unsigned int n = 0; n < BATCH && i < 2; n++) {
			uint64_t value = draw(call, i ? 4096 : MOST_INDEX);

			memcpy(list->at + n * sizeof(value), &value, sizeof(value));
		}
	}
	for (unsigned int n = 0; n < BATCH; n++)
		((int32_t *)(void *)call->areas[3].at)[n] = NO_ANSWER;
}

static void expect_batch(struct call *call)
{
	const struct xen_add_to_physmap_batch *a = structure(call);

	if (a->space == XENMAPSPACE_gmfn_range) {
		expect_only(call, ERR(EOPNOTSUPP));
	} else if (!who_allows(call, a->domid, LOOKUP_ANY, RIGHT_TARGET)) {
		also_no_map(call);
	} else if (!hvm(call) || a->space == XENMAPSPACE_dev_mmio) {
		expect_only(call, ERR(EACCES));
	} else {
		expect_only(call, 0);
		if (a->size)
			expect_also(call, ERR(EFAULT));
	}
}

/* Each of a list has its own answer, and nothing behind it has one. */
static void after_batch(struct call *call)
{
	const struct xen_add_to_physmap_batch *a = structure(call);
	const int32_t *answers = (const void *)call->areas[3].at;

	memory_follow_fewer(call);
	if (call->result || handle_value(&a->errs) != area_sure(&call->areas[3]))
		return;
	for (unsigned int n = 0; n < BATCH; n++)
		if ((answers[n] == NO_ANSWER) != (n >= a->size))
			call_wrong(call, "of a list of %u the answer %u is %d", a->size, n, answers[n]);
}

static void generate_pod(struct call *call)
{
	struct xen_pod_target *t = structure(call);

	t->domid = draw_who(call, true);
	/* Less than the domain may have would be taken from the machine for it. */
	t->target_pages = (1ull << 32) + draw_interesting(call, 32);
}

static void expect_pod(struct call *call)
{
	const struct xen_pod_target *t = structure(call);

	if (!who_allows(call, t->domid, LOOKUP_ANY, RIGHT_CONTROL)) {
		if (expect_names(&call->expect, ERR(EPERM)))
			expect_also(call, ERR(EINVAL));
	} else if (!hvm(call)) {
		expect_only(call, ERR(EINVAL));
	} else if (call->command == XENMEM_set_pod_target &&
		   t->target_pages > call->domain->max_pages) {
		expect_only(call, ERR(EINVAL));
	} else {
		expect_only(call, 0);
	}
}

static void generate_access(struct call *call)
{
	struct xen_mem_access_op *a = structure(call);

	draw_fields(call);
	a->op = (uint8_t)draw_mostly(call, 90, 5);
	a->domid = draw_who(call, true);
}

/* Nobody listens to what such rights would report. */
static void expect_access(struct call *call)
{
	const struct xen_mem_access_op *a = structure(call);
	enum who who = who_is(call, a->domid, LOOKUP_NUMBER);

	if (who == WHO_SELF)
		expect_only(call, ERR(EPERM));
	else if (who_allows(call, a->domid, LOOKUP_NUMBER, RIGHT_ANYBODY))
		expect_only(call, ERR(EINVAL));
	else if (who == WHO_UNSURE)
		expect_also(call, ERR(EINVAL));
	if (hvm(call))
		expect_also(call, ERR(ENODEV));
	/* Xen may be built without it. */
	expect_also(call, ERR(ENOSYS));
}

static const struct field exchange_fields[] = {
	FIELD(struct xen_memory_exchange, in.nr_extents, FLOW_IN),
	FIELD(struct xen_memory_exchange, in.extent_order, FLOW_IN),
	FIELD(struct xen_memory_exchange, in.domid, FLOW_IN),
	FIELD(struct xen_memory_exchange, out.nr_extents, FLOW_IN),
	FIELD(struct xen_memory_exchange, out.extent_order, FLOW_IN),
	FIELD(struct xen_memory_exchange, out.domid, FLOW_IN),
	FIELD(struct xen_memory_exchange, nr_exchanged, FLOW_INOUT),
	FIELDS_END,
};

static const struct field add_fields[] = {
	/* Where it goes on after an interruption is kept here. */
	FIELD(struct xen_add_to_physmap, domid, FLOW_IN),
	FIELD(struct xen_add_to_physmap, size, FLOW_IN),
	FIELD(struct xen_add_to_physmap, space, FLOW_IN),
	FIELD(struct xen_add_to_physmap, idx, FLOW_IN),
	FIELD(struct xen_add_to_physmap, gpfn, FLOW_IN),
	FIELDS_END,
};

static const struct field batch_fields[] = {
	FIELD(struct xen_add_to_physmap_batch, domid, FLOW_IN),
	FIELD(struct xen_add_to_physmap_batch, space, FLOW_IN),
	FIELD(struct xen_add_to_physmap_batch, size, FLOW_IN),
	FIELD(struct xen_add_to_physmap_batch, u, FLOW_IN),
	FIELDS_END,
};

static const struct field pod_fields[] = {
	FIELD(struct xen_pod_target, target_pages, FLOW_IN),
	FIELD(struct xen_pod_target, tot_pages, FLOW_INOUT),
	FIELD(struct xen_pod_target, pod_cache_pages, FLOW_INOUT),
	FIELD(struct xen_pod_target, pod_entries, FLOW_INOUT),
	FIELD(struct xen_pod_target, domid, FLOW_IN),
	FIELDS_END,
};

static const struct field access_fields[] = {
	FIELD(struct xen_mem_access_op, op, FLOW_IN),
	FIELD(struct xen_mem_access_op, access, FLOW_IN),
	FIELD(struct xen_mem_access_op, domid, FLOW_IN),
	FIELD(struct xen_mem_access_op, nr, FLOW_IN),
	FIELD(struct xen_mem_access_op, pfn, FLOW_IN),
	FIELDS_END,
};

#define PLACES(command_name, class, traits_of, type, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = XENMEM_##command_name, .danger = class, \
	  .traits = traits_of, .weight = 6, .structure_size = sizeof(struct type), \
	  .fields = field_list, .generate = generator, .expect = expectation, .after = follow }

const struct operation memory_places[] = {
	PLACES(exchange, DANGER_OWN, TRAIT_WRITES_ON_ERROR, xen_memory_exchange, exchange_fields,
	     generate_exchange, expect_exchange, NULL),
	PLACES(add_to_physmap, DANGER_OWN, 0, xen_add_to_physmap, add_fields, generate_add,
	     expect_add, after_add),
	PLACES(add_to_physmap_batch, DANGER_OWN, 0, xen_add_to_physmap_batch, batch_fields,
	     generate_batch, expect_batch, after_batch),
	PLACES(get_pod_target, DANGER_SAFE, 0, xen_pod_target, pod_fields, generate_pod, expect_pod,
	     NULL),
	PLACES(set_pod_target, DANGER_OWN, TRAIT_WRITES_ON_ERROR, xen_pod_target, pod_fields,
	     generate_pod, expect_pod, NULL),
	PLACES(access_op, DANGER_OWN, 0, xen_mem_access_op, access_fields, generate_access,
	     expect_access, NULL),
};
const size_t memory_places_count = COUNT(memory_places);

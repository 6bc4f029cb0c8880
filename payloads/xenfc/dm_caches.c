/* dm_op: how the memory of a machine is to be cached, range by range; none is left after a call. */
#include "dm.h"

#define MOST_RANGES 64u
#define NO_FRAME (1ull << 60)	/* beyond what any processor can address */
#define FEW_FRAMES 64u
#define FAR (1u << 20)
#define CACHED 3u	/* types at the head of their list */

static struct xen_dm_op_pin_memory_cacheattr *caching_of(struct xen_dm_op *dm)
{
	return &dm->u.pin_memory_cacheattr;
}

static uint32_t draw_type(struct call *call)
{
	static const uint32_t types[] = {
		XEN_DMOP_MEM_CACHEATTR_WT, XEN_DMOP_MEM_CACHEATTR_WP, XEN_DMOP_MEM_CACHEATTR_WB,
		XEN_DMOP_MEM_CACHEATTR_UC, XEN_DMOP_MEM_CACHEATTR_WC, XEN_DMOP_MEM_CACHEATTR_UCM,
	};

	return types[draw(call, since(call, RELEASE(4, 21)) ? CACHED : COUNT(types))];
}

/* Since 4.21 only machines with devices of the host may have memory that is not cached. */
static uint32_t draw_uncached(struct call *call)
{
	return chance(call, 50) ? XEN_DMOP_MEM_CACHEATTR_UC : XEN_DMOP_MEM_CACHEATTR_WC;
}

static void generate_caching(struct call *call)
{
	struct xen_dm_op_pin_memory_cacheattr *c = caching_of(dm_of(call));

	c->start = FEW_FRAMES + draw(call, FEW_FRAMES);
	c->end = c->start + draw(call, FEW_FRAMES);
	c->type = chance(call, 20) ? draw_uncached(call) : draw_type(call);
	c->pad = chance(call, 5) ? 1u << draw(call, 32) : 0;
	if (chance(call, 10))
		c->end = c->start - 1;
	if (chance(call, 10))
		c->end |= NO_FRAME;
	if (chance(call, 20))
		c->type = chance(call, 50) ? XEN_DMOP_DELETE_MEM_CACHEATTR :
			2 + (uint32_t)draw(call, 2);
}

static bool is_type(uint32_t type)
{
	return type <= XEN_DMOP_MEM_CACHEATTR_UCM && type != 2 && type != 3;
}

static bool is_cached(uint32_t type)
{
	return type >= XEN_DMOP_MEM_CACHEATTR_WT && type <= XEN_DMOP_MEM_CACHEATTR_WB;
}

static void expect_caching(struct call *call)
{
	const struct xen_dm_op_pin_memory_cacheattr *c = caching_of(dm_of(call));

	if (dm_padded(call))
		return;
	if (c->pad || c->end < c->start || c->end >= NO_FRAME)
		expect_only(call, ERR(EINVAL));
	else if (c->type == XEN_DMOP_DELETE_MEM_CACHEATTR)
		expect_only(call, ERR(ENOENT));
	else
		expect_only(call, is_type(c->type) ? 0 : ERR(EINVAL));
	if (since(call, RELEASE(4, 21)) && expect_names(&call->expect, 0) && !is_cached(c->type))
		expect_also(call, ERR(EPERM));
}

static void pin(struct call *call, uint64_t start, uint64_t end, uint32_t type, long expected)
{
	struct xen_dm_op_pin_memory_cacheattr *c = caching_of(dm_aside_structure(call));
	long result;

	c->start = start;
	c->end = end;
	c->type = type;
	result = dm_aside(call, XEN_DMOP_pin_memory_cacheattr);
	if (result != expected)
		call_wrong(call, "caching frames %lx to %lx in way %x gave %ld, expected %ld", start,
			   end, type, result, expected);
}

/* With the one that is there already there are as many as there may be. */
static void have_all(struct call *call)
{
	for (uint64_t i = 1; i < MOST_RANGES; i++)
		pin(call, FAR + i, FAR + i, XEN_DMOP_MEM_CACHEATTR_WB, 0);
	pin(call, FAR, FAR, XEN_DMOP_MEM_CACHEATTR_WB, ERR(ENOSPC));
	for (uint64_t i = 1; i < MOST_RANGES; i++)
		pin(call, FAR + i, FAR + i, XEN_DMOP_DELETE_MEM_CACHEATTR, 0);
}

/* The same range may be changed, its neighbours be set; none may overlap it, and it goes once. */
static void after_caching(struct call *call)
{
	const struct xen_dm_op_pin_memory_cacheattr set = *caching_of(dm_of(call));
	uint64_t less = draw(call, FEW_FRAMES);

	if (call->result || !call->domain)
		return;
	pin(call, set.start, set.end, draw_type(call), 0);
	pin(call, set.end, set.end + 1 + less, draw_type(call), ERR(EBUSY));
	pin(call, set.start - 1 - less, set.start, draw_type(call), ERR(EBUSY));
	pin(call, set.start - 1, set.end + 1 + less, draw_type(call), ERR(EBUSY));
	pin(call, set.start, set.end + 1, XEN_DMOP_DELETE_MEM_CACHEATTR, ERR(ENOENT));
	pin(call, set.end + 1, set.end + 1 + less, draw_type(call), 0);
	pin(call, set.end + 1, set.end + 1 + less, XEN_DMOP_DELETE_MEM_CACHEATTR, 0);
	if (chance(call, 25))
		have_all(call);
	pin(call, set.start, set.end, XEN_DMOP_DELETE_MEM_CACHEATTR, 0);
	pin(call, set.start, set.end, XEN_DMOP_DELETE_MEM_CACHEATTR, ERR(ENOENT));
}

const struct operation dm_caches[] = {
	DM(pin_memory_cacheattr, DANGER_OWN, TRAIT_DEAR, generate_caching, expect_caching,
	   after_caching),
};
const size_t dm_caches_count = COUNT(dm_caches);

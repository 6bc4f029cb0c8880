/*
 * How much memory a machine has for its paging, and the log of what was written to: each order about
 * them with all that it tells, and those that must be refused and leave the log as it is.
 */
#include "machine_paging.h"

#include "domctl.h"
#include "surroundings.h"

#define FIRST 40u	/* three frames that nothing else of a machine is in */
#define GIVEN 3u
#define LAST 700u	/* one far behind them, too: Xen takes no word about the very last one of all */
#define MANY 600u	/* frames, more than Xen looks at in one go */
#define WRITTEN (7ull << FIRST)
#define ASKED 43u	/* frames: they fill six bytes of a list of eight */
#define NOT_ASKED (0xffffull << 48)
#define NO_SUCH_ORDER 77u
#define NO_SUCH_MODE 2u	/* of asking for the log */

static struct xen_domctl_shadow_op *cleared(const struct surroundings *s)
{
	struct xen_domctl *d = domctl_aside_structure(s->call->run);

	memset(d, 0, sizeof(*d));
	return &d->u.shadow_op;
}

static void must(const struct surroundings *s, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(s->call, "%s the paging of a machine gave %ld, expected %ld", what, result,
			   expected);
}

static long order(const struct surroundings *s, uint32_t operation)
{
	domctl_aside_structure(s->call->run)->u.shadow_op.op = operation;
	return domctl_aside(s->call->run, XEN_DOMCTL_shadow_op, s->id);
}

/* It is told as a whole number of megabytes when it is set, and afterwards. */
static void check_memory(const struct surroundings *s, uint32_t megabytes)
{
	struct xen_domctl_shadow_op *op = cleared(s);

	op->mb = megabytes;
	must(s, "memory for", order(s, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION), 0);
	if (op->mb != megabytes)
		call_wrong(s->call, "%u MiB for paging were set, not %u", op->mb, megabytes);
	cleared(s);
	must(s, "asking for the memory for", order(s, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION), 0);
	if (op->mb != megabytes)
		call_wrong(s->call, "there are %u MiB for paging, not %u", op->mb, megabytes);
}

static void give_frames(const struct surroundings *s)
{
	struct run *run = s->call->run;
	struct xen_memory_reservation *r = memset(run->door->arena + ARENA_ASIDE, 0, sizeof(*r));
	xen_pfn_t *frames = (void *)(r + 1);

	r->domid = s->id;
	r->nr_extents = GIVEN + 1;
	set_xen_guest_handle(r->extent_start, frames);
	for (unsigned int i = 0; i < GIVEN; i++)
		frames[i] = FIRST + i;
	frames[GIVEN] = LAST;
	must(s, "frames for", aside(run, __HYPERVISOR_memory_op, XENMEM_populate_physmap,
				    (uintptr_t)r, 0), GIVEN + 1);
}

/* One of them alone, and all others with many that are not there. */
static void write_frames(const struct surroundings *s)
{
	struct run *run = s->call->run;
	struct xen_dm_op *o = memset(run->door->arena + ARENA_ASIDE, 0, sizeof(*o));
	struct xen_dm_op_modified_memory_extent *extent = (void *)(o + 1);
	struct xen_dm_op_buf *list = memset(extent + 2, 0, 2 * sizeof(*list));

	extent[0] = (struct xen_dm_op_modified_memory_extent){ .first_pfn = FIRST, .nr = 1 };
	extent[1] = (struct xen_dm_op_modified_memory_extent){ .first_pfn = FIRST + 1, .nr = MANY };
	o->op = XEN_DMOP_modified_memory;
	o->u.modified_memory.nr_extents = 2;
	set_xen_guest_handle(list[0].h, o);
	list[0].size = sizeof(*o);
	set_xen_guest_handle(list[1].h, extent);
	list[1].size = 2 * sizeof(*extent);
	must(s, "writing to frames of", aside(run, __HYPERVISOR_dm_op, s->id, 2,
						  (uintptr_t)list), 0);
}

/* As many frames as were asked for are told, no bit behind their last byte, and how many they are. */
static void check_log(const struct surroundings *s, uint32_t operation, uint64_t bits,
		      uint32_t count)
{
	struct xen_domctl_shadow_op *op = cleared(s);
	uint64_t *list = (void *)((struct xen_domctl *)domctl_aside_structure(s->call->run) + 1);

	*list = UINT64_MAX;
	op->pages = ASKED;
	set_xen_guest_handle(op->dirty_bitmap, (uint8_t *)list);
	must(s, "the log of", order(s, operation), 0);
	if (*list != (bits | NOT_ASKED))
		call_wrong(s->call, "frames %lx are told to be written to, not %lx",
			   *list, (uint64_t)(bits | NOT_ASKED));
	if (op->pages != ASKED || op->stats.dirty_count != count || op->stats.fault_count)
		call_wrong(s->call, "of %u frames %u are told to be written to, %u by itself, not %u",
			   (uint32_t)op->pages, op->stats.dirty_count, op->stats.fault_count, count);
}

static void clean(const struct surroundings *s, uint64_t list, uint32_t mode, long expected)
{
	struct xen_domctl_shadow_op *op = cleared(s);

	op->pages = ASKED;
	op->mode = mode;
	memcpy(&op->dirty_bitmap, &list, sizeof(list));
	must(s, "cleaning the log of", order(s, XEN_DOMCTL_SHADOW_OP_CLEAN), expected);
}

static void check_logged(const struct surroundings *s)
{
	clean(s, 0, 0, 0);
	write_frames(s);
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, WRITTEN, GIVEN);
	clean(s, s->call->run->door->unmapped, 0, ERR(EFAULT));
	clean(s, 0, NO_SUCH_MODE, ERR(EINVAL));
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, WRITTEN, GIVEN);
	if (chance(s->call, 50))
		check_log(s, XEN_DOMCTL_SHADOW_OP_CLEAN, WRITTEN, GIVEN);
	else
		clean(s, 0, 0, 0);
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, 0, 0);
	write_frames(s);
}

void machine_paging(const struct surroundings *s)
{
	uint32_t megabytes;

	cleared(s);
	must(s, "asking for the memory for", order(s, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION), 0);
	megabytes = domctl_aside_structure(s->call->run)->u.shadow_op.mb;
	check_memory(s, megabytes + 1);
	check_memory(s, megabytes);
	give_frames(s);
	cleared(s);
	must(s, "an order that is none, to", order(s, NO_SUCH_ORDER), ERR(EINVAL));
	must(s, "enabling nothing of", order(s, XEN_DOMCTL_SHADOW_OP_ENABLE), ERR(EINVAL));
	cleared(s)->mode = XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY;
	must(s, "logging, as a mode of,", order(s, XEN_DOMCTL_SHADOW_OP_ENABLE), 0);
	must(s, "logging twice, as a mode of,", order(s, XEN_DOMCTL_SHADOW_OP_ENABLE), ERR(EINVAL));
	check_logged(s);
	cleared(s);
	must(s, "no longer logging", order(s, XEN_DOMCTL_SHADOW_OP_OFF), 0);
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, 0, GIVEN);
	cleared(s);
	must(s, "not logging, again,", order(s, XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

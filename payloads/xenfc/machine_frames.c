/*
 * Frames of a machine: of which type they are, where their pages go when they are moved, that what
 * is put in their place takes them from the machine, which have memory later only, which of them
 * were written to, and that they outlive a new beginning.  Each is asked about afterwards.
 */
#include "machine_frames.h"

#include "domctl.h"
#include "surroundings.h"
#include "window.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>

#define FIRST 32u	/* frames that nothing else of a machine is in */
#define SECOND 33u
#define BEYOND 34u	/* no page is there at first */
#define LATE 4u
#define MARK 0x6d

static void must(const struct surroundings *s, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(s->call, "%s frames of a machine gave %ld, expected %ld", what, result,
			   expected);
}

static void *cleared(const struct surroundings *s, size_t size)
{
	return memset(s->call->run->door->arena + ARENA_ASIDE, 0, size);
}

static long memory(const struct surroundings *s, unsigned int command)
{
	return aside(s->call->run, __HYPERVISOR_memory_op, command,
		     (uintptr_t)s->call->run->door->arena + ARENA_ASIDE, 0);
}

static long reserve(const struct surroundings *s, unsigned int command, xen_pfn_t first, long count)
{
	struct xen_memory_reservation *r = cleared(s, sizeof(*r));
	xen_pfn_t *frames = (void *)(r + 1);

	r->domid = s->id;
	r->nr_extents = (xen_ulong_t)count;
	set_xen_guest_handle(r->extent_start, frames);
	for (long i = 0; i < count; i++)
		frames[i] = first + (xen_pfn_t)i;
	return memory(s, command);
}

static uint64_t pages_of(const struct surroundings *s)
{
	const struct xen_domctl_getdomaininfo *info = domain_read(s->call->run, s->id);

	return info ? info->tot_pages : 0;
}

static void check_pages(const struct surroundings *s, const char *what, uint64_t expected)
{
	uint64_t pages = pages_of(s);

	if (pages != expected)
		call_wrong(s->call, "after %s frames a machine has %lu pages, expected %lu", what,
			   pages, expected);
}

static void check_type(const struct surroundings *s, xen_pfn_t frame, uint16_t type)
{
	struct xen_hvm_get_mem_type *t = cleared(s, sizeof(*t));

	t->domid = s->id;
	t->pfn = frame;
	must(s, "asking for the type of", aside(s->call->run, __HYPERVISOR_hvm_op,
						HVMOP_get_mem_type, (uintptr_t)t, 0), 0);
	if (t->mem_type != type)
		call_wrong(s->call, "frame %lu of a machine is of type %u, expected %u",
			   (uint64_t)frame, t->mem_type, type);
}

static struct xen_dm_op *device(const struct surroundings *s, uint32_t command)
{
	struct xen_dm_op *o = cleared(s, sizeof(*o));

	o->op = command;
	return o;
}

static long ask_device(const struct surroundings *s, struct xen_dm_op *o)
{
	struct xen_dm_op_buf *list = (void *)(o + 1);

	memset(list, 0, sizeof(*list));
	set_xen_guest_handle(list->h, o);
	list->size = sizeof(*o);
	return aside(s->call->run, __HYPERVISOR_dm_op, s->id, 1, (uintptr_t)list);
}

static long set_type(const struct surroundings *s, xen_pfn_t first, uint32_t count, uint16_t type)
{
	struct xen_dm_op *o = device(s, XEN_DMOP_set_mem_type);

	o->u.set_mem_type.mem_type = type;
	o->u.set_mem_type.first_pfn = first;
	o->u.set_mem_type.nr = count;
	return ask_device(s, o);
}

/* As far as there is memory; where there is none it stops. */
static void change_types(const struct surroundings *s)
{
	must(s, "making read-only", set_type(s, FIRST, 2, HVMMEM_ram_ro), 0);
	check_type(s, FIRST, HVMMEM_ram_ro);
	check_type(s, SECOND, HVMMEM_ram_ro);
	check_type(s, BEYOND, HVMMEM_mmio_dm);
	must(s, "giving no type to", set_type(s, FIRST, 1, HVMMEM_unused), ERR(EINVAL));
	must(s, "making writable", set_type(s, FIRST, 1, HVMMEM_ram_rw), 0);
	check_type(s, FIRST, HVMMEM_ram_rw);
	check_type(s, SECOND, HVMMEM_ram_ro);
	must(s, "making writable", set_type(s, SECOND, 1, HVMMEM_ram_rw), 0);
	check_type(s, SECOND, HVMMEM_ram_rw);
}

static long move_some(const struct surroundings *s, xen_pfn_t from, xen_pfn_t to, uint32_t count)
{
	struct xen_dm_op *o = device(s, XEN_DMOP_relocate_memory);

	o->u.relocate_memory.size = count;
	o->u.relocate_memory.src_gfn = from;
	o->u.relocate_memory.dst_gfn = to;
	return ask_device(s, o);
}

static long move(const struct surroundings *s, xen_pfn_t from, xen_pfn_t to)
{
	return move_some(s, from, to, 1);
}

/* The first byte of a frame, and what it is from now on. */
static uint8_t exchange_byte(const struct surroundings *s, xen_pfn_t frame, uint8_t byte)
{
	struct run *run = s->call->run;
	uint8_t *page = window_page(WINDOW_SECOND), before = 0;
	long result = window_open(run, WINDOW_SECOND, frame, s->id);

	must(s, "looking into", result, 0);
	if (result)
		return 0;
	before = *page;
	*page = byte;
	must(s, "no longer looking into", window_close(run, WINDOW_SECOND), 0);
	return before;
}

/* Since some point releases of 4.19 and later, what is no memory has another error. */
static long move_nothing(const struct surroundings *s, long result)
{
	return result == ERR(EACCES) && since(s->call, RELEASE(4, 19)) ? ERR(EINVAL) : result;
}

/* A page that is moved is where it was moved to and only there; the one that was there is gone. */
static void move_pages(const struct surroundings *s, uint64_t pages)
{
	exchange_byte(s, FIRST, MARK);
	must(s, "moving", move(s, FIRST, BEYOND), 0);
	check_type(s, FIRST, HVMMEM_mmio_dm);
	check_type(s, BEYOND, HVMMEM_ram_rw);
	check_pages(s, "moving", pages);
	must(s, "moving what is not there to", move_nothing(s, move(s, FIRST, SECOND)), ERR(EINVAL));
	check_type(s, SECOND, HVMMEM_ram_rw);
	must(s, "moving some, the first of which is not there, of",
	     move_nothing(s, move_some(s, FIRST, BEYOND + 1, 2)), ERR(EINVAL));
	check_type(s, SECOND, HVMMEM_ram_rw);
	check_type(s, BEYOND + 2, HVMMEM_mmio_dm);
	must(s, "moving two", move_some(s, SECOND, SECOND + 2, 2), 0);
	check_type(s, BEYOND, HVMMEM_mmio_dm);
	must(s, "moving two back", move_some(s, SECOND + 2, SECOND, 2), 0);
	check_type(s, BEYOND, HVMMEM_ram_rw);
	check_type(s, BEYOND + 1, HVMMEM_mmio_dm);
	must(s, "moving over", move(s, BEYOND, SECOND), 0);
	check_type(s, BEYOND, HVMMEM_mmio_dm);
	check_pages(s, "moving over", pages - 1);
	if (exchange_byte(s, SECOND, 0) != MARK)
		call_wrong(s->call, "a page that was moved is not where it was moved to");
}

/* Only PV domains exchange pages for others. */
static void exchange_none(const struct surroundings *s)
{
	struct xen_memory_exchange *e = cleared(s, sizeof(*e));
	xen_pfn_t *frame = (void *)(e + 1);

	e->in.domid = e->out.domid = s->id;
	e->in.nr_extents = e->out.nr_extents = 1;
	set_xen_guest_handle(e->in.extent_start, frame);
	set_xen_guest_handle(e->out.extent_start, frame);
	*frame = SECOND;
	must(s, "exchanging", memory(s, XENMEM_exchange), ERR(EOPNOTSUPP));
	check_type(s, SECOND, HVMMEM_ram_rw);
}

/* A page of Xen's takes the place of the machine's, and is in one place only. */
static void share_pages(const struct surroundings *s, uint64_t pages)
{
	unsigned int space = chance(s->call, 50) ? XENMAPSPACE_shared_info : XENMAPSPACE_grant_table;

	surroundings_share(s, space, SECOND);
	check_pages(s, "sharing", pages - 1);
	surroundings_share(s, space, FIRST);
	check_type(s, SECOND, HVMMEM_mmio_dm);
	check_type(s, FIRST, HVMMEM_ram_rw);
	check_pages(s, "sharing other", pages - 1);
}

/* Once; then there is nothing that could be taken. */
static void take_back(const struct surroundings *s, uint64_t pages)
{
	must(s, "giving", reserve(s, XENMEM_populate_physmap, BEYOND, 1), 1);
	check_pages(s, "giving", pages + 1);
	must(s, "taking back", reserve(s, XENMEM_decrease_reservation, BEYOND, 1), 1);
	check_type(s, BEYOND, HVMMEM_mmio_dm);
	check_pages(s, "taking back", pages);
	must(s, "taking back twice", reserve(s, XENMEM_decrease_reservation, BEYOND, 1), 0);
}

static void check_late(const struct surroundings *s, unsigned int command, uint64_t target,
		       uint64_t pages, uint64_t late)
{
	struct xen_pod_target *t = cleared(s, sizeof(*t));

	t->domid = s->id;
	t->target_pages = target;
	must(s, "asking about or setting late", memory(s, command), 0);
	if (t->tot_pages != pages + late || t->pod_cache_pages != late || t->pod_entries != late)
		call_wrong(s->call, "of %lu late frames %lu are told, %lu pages for them, %lu in all",
			   late, (uint64_t)t->pod_entries, (uint64_t)t->pod_cache_pages,
			   (uint64_t)t->tot_pages);
}

/* The last of the late frames and the one behind them, which has its page, as one piece. */
static void take_half_late(const struct surroundings *s)
{
	struct xen_memory_reservation *r = cleared(s, sizeof(*r));
	xen_pfn_t *frames = (void *)(r + 1);

	r->domid = s->id;
	r->nr_extents = 1;
	r->extent_order = 1;
	set_xen_guest_handle(r->extent_start, frames);
	frames[0] = BEYOND + LATE - 1;
	must(s, "taking half late", memory(s, XENMEM_decrease_reservation), 1);
}

/*
 * Memory that comes with the first touch: as many pages wait as there are such frames, and no more,
 * once the machine has any other.  The frame behind them has its page, and goes with the last one.
 */
static void give_late(const struct surroundings *s, uint64_t pages)
{
	surroundings_late(s, BEYOND, LATE);
	check_late(s, XENMEM_set_pod_target, pages + LATE + draw(s->call, 2 * LATE), pages, LATE);
	check_late(s, XENMEM_get_pod_target, 0, pages, LATE);
	take_half_late(s);
	check_late(s, XENMEM_get_pod_target, 0, pages - 1, LATE - 1);
	must(s, "taking late", reserve(s, XENMEM_decrease_reservation, BEYOND, LATE - 1), LATE - 1);
	check_late(s, XENMEM_get_pod_target, 0, pages - 1, 0);
}

void machine_frames(const struct surroundings *s)
{
	uint64_t pages = pages_of(s);

	must(s, "giving", reserve(s, XENMEM_populate_physmap, FIRST, 2), 2);
	check_pages(s, "giving", pages + 2);
	change_types(s);
	move_pages(s, pages + 2);
	exchange_none(s);
	share_pages(s, pages + 1);
	take_back(s, pages);
	must(s, "giving", reserve(s, XENMEM_populate_physmap, BEYOND + LATE, 1), 1);
	give_late(s, pages + 1);
}

static void check_shut(const struct surroundings *s, bool shut)
{
	const struct xen_domctl_getdomaininfo *info = domain_read(s->call->run, s->id);
	uint32_t code = info ? info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask : 0;

	if (!info || !(info->flags & XEN_DOMINF_shutdown) != !shut ||
	    code != (shut ? SHUTDOWN_soft_reset : XEN_DOMINF_shutdownmask))
		call_wrong(s->call, "a machine that is%s shut down has flags %x", shut ? "" : " not",
			   info ? info->flags : 0);
}

static long reset(const struct surroundings *s)
{
	cleared(s, sizeof(struct xen_domctl));
	return domctl_aside(s->call->run, XEN_DOMCTL_soft_reset, s->id);
}

/* Only once it ended it can begin anew, with the same pages; then it runs on and has no port. */
void machine_reset(const struct surroundings *s)
{
	uint64_t pages = pages_of(s);
	struct evtchn_alloc_unbound *port;
	struct sched_remote_shutdown *end;
	struct evtchn_status *status;

	must(s, "resetting, as it has not ended,", reset(s), ERR(EINVAL));
	port = cleared(s, sizeof(*port));
	port->dom = s->id;
	port->remote_dom = DOMID_SELF;
	must(s, "a port for", aside(s->call->run, __HYPERVISOR_event_channel_op,
				    EVTCHNOP_alloc_unbound, (uintptr_t)port, 0), 0);
	end = cleared(s, sizeof(*end));
	end->domain_id = s->id;
	end->reason = SHUTDOWN_soft_reset;
	must(s, "ending", aside(s->call->run, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown,
				(uintptr_t)end, 0), 0);
	check_shut(s, true);
	must(s, "resetting", reset(s), 0);
	check_shut(s, false);
	/* What stands where Xen's page stood is the machine's own. */
	if (pages_of(s) != pages)
		check_pages(s, "resetting", pages + 1);
	status = cleared(s, sizeof(*status));
	status->dom = s->id;
	status->port = 1;
	must(s, "asking about a port and", aside(s->call->run, __HYPERVISOR_event_channel_op,
						 EVTCHNOP_status, (uintptr_t)status, 0), 0);
	if (status->status != EVTCHNSTAT_closed)
		call_wrong(s->call, "after it was reset a machine has a port of status %u",
			   status->status);
}

static long log_order(const struct surroundings *s, uint32_t operation, uint64_t *bits)
{
	struct xen_domctl *d = domctl_aside_structure(s->call->run);
	uint64_t address = (uintptr_t)(d + 1);
	long result;

	memset(d, 0, sizeof(*d) + sizeof(*bits));
	d->u.shadow_op.op = operation;
	d->u.shadow_op.pages = 64;
	memcpy(&d->u.shadow_op.dirty_bitmap, &address, sizeof(address));
	result = domctl_aside(s->call->run, DOMCTL(shadow_op), s->id);
	memcpy(bits, d + 1, sizeof(*bits));
	return result;
}

static void check_log(const struct surroundings *s, uint32_t operation, uint64_t right)
{
	uint64_t bits;

	must(s, "asking which were written to of", log_order(s, operation, &bits), 0);
	if (bits != right)
		call_wrong(s->call, "frames %lx of a machine are told to be written to, not %lx",
			   bits, right);
}

/* Its device model says what it wrote to: a list of one range. */
static void say_written(const struct surroundings *s, uint32_t listed, struct
			xen_dm_op_modified_memory_extent range, long expected)
{
	struct xen_dm_op *o = device(s, XEN_DMOP_modified_memory);
	struct xen_dm_op_modified_memory_extent *extent = (void *)(o + 1);
	struct xen_dm_op_buf *list = memset(extent + 1, 0, 2 * sizeof(*list));

	*extent = range;
	o->u.modified_memory.nr_extents = listed;
	set_xen_guest_handle(list[0].h, o);
	list[0].size = sizeof(*o);
	set_xen_guest_handle(list[1].h, extent);
	list[1].size = sizeof(*extent);
	must(s, "saying what was written to of",
	     aside(s->call->run, __HYPERVISOR_dm_op, s->id, 2, (uintptr_t)list), expected);
}

/* A log is of a machine with a processor, and Xen takes no word about the very last frame. */
void machine_log(const struct surroundings *s)
{
	struct xen_domctl *d = domctl_aside_structure(s->call->run);
	const struct xen_dm_op_modified_memory_extent one = { .first_pfn = BEYOND, .nr = 1 };
	const struct xen_dm_op_modified_memory_extent padded = {
		.first_pfn = BEYOND, .nr = 1, .pad = 1u << draw(s->call, 32),
	};
	uint64_t bits, written = 1ull << BEYOND;

	memset(d, 0, sizeof(*d));
	d->u.max_vcpus.max = 1;
	must(s, "a processor for", domctl_aside(s->call->run, DOMCTL(max_vcpus), s->id), 0);
	must(s, "giving", reserve(s, XENMEM_populate_physmap, BEYOND, 2), 2);
	must(s, "logging", log_order(s, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, &bits), 0);
	must(s, "logging twice", log_order(s, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, &bits),
	     ERR(EINVAL));
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, 0);
	say_written(s, 1, (struct xen_dm_op_modified_memory_extent){ .first_pfn = BEYOND },
		    ERR(EINVAL));
	say_written(s, 2, one, ERR(EINVAL));
	say_written(s, 1, padded, ERR(EINVAL));
	say_written(s, 1, one, 0);
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, written);
	check_log(s, XEN_DOMCTL_SHADOW_OP_CLEAN, written);
	check_log(s, XEN_DOMCTL_SHADOW_OP_PEEK, 0);
	must(s, "no longer logging", log_order(s, XEN_DOMCTL_SHADOW_OP_OFF, &bits), 0);
}

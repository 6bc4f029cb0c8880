/* Frames of a machine, beside a stand-in for Xen that makes one mistake at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "machine_frames.h"
#include "surroundings.h"
#include "window.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>

#define FRAMES 64u
#define PAGES 12u	/* that it has besides */
#define CALLS 10u

enum careless {
	NOTHING, STAYS_WRITABLE, FIRST_ONLY, TYPE_OF_NONE, NOT_TAKEN_BACK, STAYS_THERE, NOT_MOVED,
	MOVED_FROM_NOWHERE, REPLACED_KEPT, SHARED_KEPT, SHARED_TWICE, NEVER_GIVEN, KEPT,
	TAKEN_TWICE, LOGGED_TWICE, NOT_LOGGED, LOG_STAYS, LOG_GOES, NO_RANGE, RANGES_BEYOND, PADDED,
	TOO_MANY_WAIT, STILL_WAIT, HALF_NOT_TAKEN, HALF_KEPT, MOVED_AFTER_NONE, FIRST_MOVED, EXCHANGED,
	ALWAYS_RESET, STAYS_SHUT, STAYS_OPEN, LOST_BY_RESET, MISTAKES,
};

struct frame {
	bool there, xens;
	uint16_t type;
	uint8_t byte;
};

static struct run run;
static struct door door;
static struct frame frames[FRAMES];
static xen_pfn_t seen;
static uint64_t pages, written, late, waiting;	/* late frames, and pages that wait for them */
static bool logging, shut, port_open;
static enum careless careless;

static void give(xen_pfn_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		frames[first + i] = (struct frame){ .there = true };
	pages += careless == NEVER_GIVEN ? 0 : count;
}

/* What was in a frame goes; a page of Xen's is only taken out. */
static void vacate(xen_pfn_t frame, enum careless keeps)
{
	if (frames[frame].there && !frames[frame].xens && careless != keeps)
		pages--;
	frames[frame] = (struct frame){ .there = false };
}

static void share(xen_pfn_t frame)
{
	for (xen_pfn_t i = 0; i < FRAMES && careless != SHARED_TWICE; i++)
		if (frames[i].xens)
			frames[i].there = frames[i].xens = false;
	vacate(frame, SHARED_KEPT);
	frames[frame] = (struct frame){ .there = true, .xens = true };
}

static long tell_late(const struct xen_memory_reservation *r)
{
	late += r->nr_extents;
	return (long)r->nr_extents;
}

static long target(struct xen_pod_target *t, bool set)
{
	if (set)
		waiting = careless == TOO_MANY_WAIT ? t->target_pages - pages : late;
	t->tot_pages = pages + waiting;
	t->pod_cache_pages = waiting;
	t->pod_entries = late;
	return 0;
}

/* The first of two is late, the other one has its page. */
static long take_half_late(xen_pfn_t first)
{
	if (careless == HALF_NOT_TAKEN)
		return 0;
	late--;
	waiting--;
	vacate(first + 1, HALF_KEPT);
	return 1;
}

static long take(xen_pfn_t first, uint64_t count)
{
	if (late) {
		late = 0;
		waiting = careless == STILL_WAIT ? waiting : 0;
		return (long)count;
	}
	if (!frames[first].there)
		return careless == TAKEN_TWICE;
	vacate(first, KEPT);
	return 1;
}

static long memory(unsigned int command, void *structure)
{
	struct xen_memory_reservation *r = structure;
	struct xen_add_to_physmap *a = structure;
	xen_pfn_t *list;

	if (command == XENMEM_add_to_physmap) {
		share(a->gpfn);
		return 0;
	}
	if (command == XENMEM_set_pod_target || command == XENMEM_get_pod_target)
		return target(structure, command == XENMEM_set_pod_target);
	memcpy(&list, &r->extent_start, sizeof(list));
	if (command == XENMEM_populate_physmap && r->mem_flags)
		return tell_late(r);
	if (command == XENMEM_populate_physmap) {
		give(list[0], r->nr_extents);
		return (long)r->nr_extents;
	}
	if (command == XENMEM_exchange)
		return careless == EXCHANGED ? 0 : ERR(EOPNOTSUPP);
	assert_int_equal(command, XENMEM_decrease_reservation);
	if (r->extent_order)
		return take_half_late(list[0]);
	return take(list[0], r->nr_extents);
}

static long set_types(const struct xen_dm_op_set_mem_type *s)
{
	uint64_t count = careless == FIRST_ONLY ? 1 : s->nr;

	if (s->mem_type == HVMMEM_unused)
		return careless == TYPE_OF_NONE ? 0 : ERR(EINVAL);
	if (careless == STAYS_WRITABLE || (careless == NOT_TAKEN_BACK && !s->mem_type))
		return 0;
	for (uint64_t i = 0; i < count; i++)
		frames[s->first_pfn + i].type = s->mem_type;
	return 0;
}

static long move(uint64_t from, uint64_t to)
{
	struct frame moved = frames[from];

	if (!moved.there)
		return careless == MOVED_FROM_NOWHERE ? 0 : ERR(EINVAL);
	if (careless == NOT_MOVED)
		moved.byte = 0;
	vacate(to, REPLACED_KEPT);
	frames[to] = moved;
	if (careless != STAYS_THERE)
		frames[from].there = false;
	return 0;
}

static long relocate(const struct xen_dm_op_relocate_memory *m)
{
	uint32_t count = careless == FIRST_MOVED ? 1 : m->size;
	long result = 0;

	for (uint32_t i = 0; i < count && (!result || careless == MOVED_AFTER_NONE); i++)
		result = move(m->src_gfn + i, m->dst_gfn + i);
	return result;
}

static long note_written(const struct xen_dm_op *o, const struct xen_dm_op_buf *buffer)
{
	const struct xen_dm_op_modified_memory_extent *extent;

	if (buffer->size < o->u.modified_memory.nr_extents * sizeof(*extent))
		return careless == RANGES_BEYOND ? 0 : ERR(EINVAL);
	memcpy(&extent, &buffer->h, sizeof(extent));
	if (extent->pad)
		return careless == PADDED ? 0 : ERR(EINVAL);
	if (!extent->nr)
		return careless == NO_RANGE ? 0 : ERR(EINVAL);
	if (careless != NOT_LOGGED)
		written |= 1ull << extent->first_pfn;
	return 0;
}

static long log_order(const struct xen_domctl_shadow_op *s)
{
	uint64_t address = handle_value(&s->dirty_bitmap);
	bool was = logging;

	if (s->op == XEN_DOMCTL_SHADOW_OP_PEEK || s->op == XEN_DOMCTL_SHADOW_OP_CLEAN) {
		memcpy((void *)(uintptr_t)address, &written, sizeof(written));
		if (careless == LOG_GOES || (s->op == XEN_DOMCTL_SHADOW_OP_CLEAN && careless != LOG_STAYS))
			written = 0;
		return 0;
	}
	logging = s->op == XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;
	return was && logging && careless != LOGGED_TWICE ? ERR(EINVAL) : 0;
}

static long reset(void)
{
	if (!shut && careless != ALWAYS_RESET)
		return ERR(EINVAL);
	shut = careless == STAYS_SHUT;
	port_open = careless == STAYS_OPEN;
	pages -= careless == LOST_BY_RESET;
	return 0;
}

static void tell_state(struct xen_domctl_getdomaininfo *info)
{
	info->tot_pages = pages;
	info->flags = shut ? XEN_DOMINF_shutdown | SHUTDOWN_soft_reset << XEN_DOMINF_shutdownshift :
		XEN_DOMINF_shutdownmask << XEN_DOMINF_shutdownshift;
}

static long control(struct xen_domctl *d)
{
	if (d->cmd == XEN_DOMCTL_shadow_op)
		return log_order(&d->u.shadow_op);
	if (d->cmd == XEN_DOMCTL_soft_reset)
		return reset();
	if (d->cmd == XEN_DOMCTL_getdomaininfo)
		tell_state(&d->u.getdomaininfo);
	return 0;
}

static long port(unsigned int command, struct evtchn_status *s)
{
	if (command == EVTCHNOP_alloc_unbound)
		port_open = true;
	else
		s->status = port_open ? EVTCHNSTAT_unbound : EVTCHNSTAT_closed;
	return 0;
}

static long device(const struct xen_dm_op_buf *list)
{
	const struct xen_dm_op *o;

	memcpy(&o, &list->h, sizeof(o));
	if (o->op == XEN_DMOP_modified_memory)
		return note_written(o, list + 1);
	return o->op == XEN_DMOP_set_mem_type ? set_types(&o->u.set_mem_type) :
		relocate(&o->u.relocate_memory);
}

static long tell_type(struct xen_hvm_get_mem_type *t)
{
	t->mem_type = frames[t->pfn].there ? frames[t->pfn].type : HVMMEM_mmio_dm;
	return 0;
}

static long look(uint64_t entry)
{
	uint8_t *page = window_page(WINDOW_SECOND);

	if (entry) {
		seen = entry / DOOR_PAGE;
		*page = frames[seen].byte;
	} else {
		frames[seen].byte = *page;
	}
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t a[5])
{
	(void)from;
	switch (number) {
	case __HYPERVISOR_domctl:
		return control((void *)(uintptr_t)a[0]);
	case __HYPERVISOR_memory_op:
		return memory((unsigned int)a[0], (void *)(uintptr_t)a[1]);
	case __HYPERVISOR_event_channel_op:
		return port((unsigned int)a[0], (void *)(uintptr_t)a[1]);
	case __HYPERVISOR_sched_op:
		shut = true;
		return 0;
	case __HYPERVISOR_hvm_op:
		return tell_type((void *)(uintptr_t)a[1]);
	case __HYPERVISOR_dm_op:
		return device((const void *)(uintptr_t)a[2]);
	default:
		return look(a[1]);
	}
}

static bool anything_is_wrong(enum careless mistake)
{
	const struct surroundings around = { .call = &run.call, .id = DOMID_RUNNING };

	careless = mistake;
	for (unsigned int i = 0; i < CALLS; i++) {
		call_begin(&run.call, &run, i);
		memset(frames, 0, sizeof(frames));
		pages = PAGES;
		written = 0;
		late = waiting = 0;
		logging = shut = port_open = false;
		machine_frames(&around);
		machine_log(&around);
		machine_reset(&around);
		if (run.call.wrong[0])
			return true;
	}
	return false;
}

static void each_mistake_is_seen(void **state)
{
	(void)state;
	if (anything_is_wrong(NOTHING))
		fail_msg("%s", run.call.wrong);
	for (unsigned int mistake = NOTHING + 1; mistake < MISTAKES; mistake++)
		assert_true(anything_is_wrong(mistake));
}

static int begin(void **state)
{
	(void)state;
	door = (struct door){ .hypercall = hypercall, .owns_kernel = true,
			      .arena = aligned_alloc(DOOR_PAGE, ARENA_BYTES) };
	run.door = &door;
	return door.arena ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(door.arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_mistake_is_seen) };

	return cmocka_run_group_tests(tests, begin, end);
}

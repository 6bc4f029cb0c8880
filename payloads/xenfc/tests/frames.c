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
	TAKEN_TWICE, LOGGED_TWICE, NOT_LOGGED, LOG_STAYS, LOG_GOES, NO_RANGE, RANGES_BEYOND, MISTAKES,
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
static uint64_t pages, written;
static bool logging;
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

static long memory(unsigned int command, void *structure)
{
	struct xen_memory_reservation *r = structure;
	struct xen_add_to_physmap *a = structure;
	xen_pfn_t *list;

	if (command == XENMEM_add_to_physmap) {
		share(a->gpfn);
		return 0;
	}
	memcpy(&list, &r->extent_start, sizeof(list));
	if (command == XENMEM_populate_physmap) {
		give(list[0], r->nr_extents);
		return (long)r->nr_extents;
	}
	assert_int_equal(command, XENMEM_decrease_reservation);
	if (!frames[list[0]].there)
		return careless == TAKEN_TWICE;
	vacate(list[0], KEPT);
	return 1;
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

static long relocate(const struct xen_dm_op_relocate_memory *m)
{
	struct frame moved = frames[m->src_gfn];

	if (!moved.there)
		return careless == MOVED_FROM_NOWHERE ? 0 : ERR(EINVAL);
	if (careless == NOT_MOVED)
		moved.byte = 0;
	vacate(m->dst_gfn, REPLACED_KEPT);
	frames[m->dst_gfn] = moved;
	if (careless != STAYS_THERE)
		frames[m->src_gfn].there = false;
	return 0;
}

static long note_written(const struct xen_dm_op *o, const struct xen_dm_op_buf *buffer)
{
	const struct xen_dm_op_modified_memory_extent *extent;

	if (buffer->size < o->u.modified_memory.nr_extents * sizeof(*extent))
		return careless == RANGES_BEYOND ? 0 : ERR(EINVAL);
	memcpy(&extent, &buffer->h, sizeof(extent));
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

static long control(struct xen_domctl *d)
{
	if (d->cmd == XEN_DOMCTL_shadow_op)
		return log_order(&d->u.shadow_op);
	if (d->cmd == XEN_DOMCTL_getdomaininfo)
		d->u.getdomaininfo.tot_pages = pages;
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
		logging = false;
		machine_frames(&around);
		machine_log(&around);
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

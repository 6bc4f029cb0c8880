#include "surroundings.h"

#include "domctl.h"
#include "guest_code.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#define LATE_PAGES 16u		/* frames that have memory once they are touched */
#define LATE_COUNT 4u
#define SHARED_FRAME 24u
#define NOBODYS_FRAME 300u
#define ENLIGHTENMENTS 0x1fffu
#define TABLE_OF_GRANTS 0
#define SAVED_AT (ARENA_ASIDE + DOOR_PAGE)
#define UNKNOWN_PAGE XEN_DOMCTL_PFINFO_XTAB
#define FIRST_BYTE_OF_HYPERCALL 0xb8

static void must(const struct surroundings *s, const char *what, long result, long expected)
{
	if (result != expected && s->certain)
		call_wrong(s->call, "%s a machine that runs gave %ld, expected %ld", what, result,
			   expected);
}

static void *cleared(const struct surroundings *s, size_t size)
{
	return memset(s->call->run->door->arena + ARENA_ASIDE, 0, size);
}

static uint64_t buffer(const struct surroundings *s)
{
	return (uintptr_t)s->call->run->door->arena + SAVED_AT;
}

static long memory(const struct surroundings *s, unsigned int command)
{
	return aside(s->call->run, __HYPERVISOR_memory_op, command,
		     (uintptr_t)s->call->run->door->arena + ARENA_ASIDE, 0);
}

static long control(const struct surroundings *s, uint32_t command)
{
	return domctl_aside(s->call->run, command, s->id);
}

static void set_parameter(const struct surroundings *s, uint32_t index, uint64_t value)
{
	struct xen_hvm_param *p = cleared(s, sizeof(*p));

	p->domid = s->id;
	p->index = index;
	p->value = value;
	must(s, "setting a parameter of", aside(s->call->run, __HYPERVISOR_hvm_op, HVMOP_set_param,
						(uintptr_t)p, 0), 0);
}

void surroundings_late(const struct surroundings *s, uint64_t first, unsigned int count)
{
	struct xen_memory_reservation *r = cleared(s, sizeof(*r));
	xen_pfn_t *frames = (void *)(r + 1);

	r->domid = s->id;
	r->nr_extents = count;
	r->mem_flags = XENMEMF_populate_on_demand;
	set_xen_guest_handle(r->extent_start, frames);
	for (unsigned int i = 0; i < count; i++)
		frames[i] = first + i;
	must(s, "giving memory on demand to", memory(s, XENMEM_populate_physmap), count);
}

/* Frames whose memory comes with the first touch, and the few pages for them. */
static void populate_late(const struct surroundings *s)
{
	struct xen_pod_target *t;

	surroundings_late(s, LATE_PAGES, LATE_COUNT);
	t = cleared(s, sizeof(*t));
	t->domid = s->id;
	t->target_pages = GUEST_PAGES + LATE_COUNT;
	must(s, "setting the target of", memory(s, XENMEM_set_pod_target), 0);
}

void surroundings_share(const struct surroundings *s, unsigned int space, uint64_t frame)
{
	struct xen_add_to_physmap *a = cleared(s, sizeof(*a));

	a->domid = s->id;
	a->space = space;
	a->gpfn = frame;
	must(s, "giving a page of Xen's to", memory(s, XENMEM_add_to_physmap), 0);
}

static struct xen_domctl_shadow_op *paging(const struct surroundings *s, uint32_t operation)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));

	d->u.shadow_op.op = operation;
	return &d->u.shadow_op;
}

static void log_writes(const struct surroundings *s)
{
	paging(s, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
	must(s, "logging the writes of", control(s, XEN_DOMCTL_shadow_op), 0);
}

static void look_at_log(const struct surroundings *s)
{
	struct xen_domctl_shadow_op *p = paging(s, chance(s->call, 50) ? XEN_DOMCTL_SHADOW_OP_PEEK :
						XEN_DOMCTL_SHADOW_OP_CLEAN);
	uint64_t address = buffer(s);

	p->pages = 256;
	memcpy(&p->dirty_bitmap, &address, sizeof(address));
	must(s, "asking what was written by", control(s, XEN_DOMCTL_shadow_op), 0);
	if (p->pages != 256 && s->certain)
		call_wrong(s->call, "256 pages were asked about, %lu were told",
			   (uint64_t)p->pages);
	paging(s, XEN_DOMCTL_SHADOW_OP_OFF);
	must(s, "ending the log of", control(s, XEN_DOMCTL_shadow_op), 0);
}

/* A page as hypercalls are made through it; and one where there is none. */
static void write_hypercalls(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));

	d->u.hypercall_init.gmfn = 6;
	must(s, "writing hypercalls for", control(s, XEN_DOMCTL_hypercall_init), 0);
	d->u.hypercall_init.gmfn = NOBODYS_FRAME;
	must(s, "writing hypercalls nowhere for", control(s, XEN_DOMCTL_hypercall_init),
	     ERR(EINVAL));
}

/* What Xen cannot copy leaves the machine as it was: it must run all the same. */
static void fail_to_copy(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));
	uint64_t nowhere = s->call->run->door->unmapped, too_little = buffer(s);

	must(s, "asking for the size of", control(s, XEN_DOMCTL_gethvmcontext), 0);
	memcpy(&d->u.hvmcontext.buffer, &nowhere, sizeof(nowhere));
	must(s, "a state that cannot be told of", control(s, XEN_DOMCTL_gethvmcontext),
	     ERR(EFAULT));
	memcpy(&d->u.hvmcontext.buffer, &too_little, sizeof(too_little));
	d->u.hvmcontext.size--;
	must(s, "too little room for the state of", control(s, XEN_DOMCTL_gethvmcontext),
	     ERR(ENOSPC));
}

static void fail_to_load(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));
	uint64_t nowhere = s->call->run->door->unmapped, nothing = buffer(s);

	d->u.hvmcontext.size = 16;
	memcpy(&d->u.hvmcontext.buffer, &nowhere, sizeof(nowhere));
	must(s, "a state that cannot be read for", control(s, XEN_DOMCTL_sethvmcontext),
	     ERR(EFAULT));
	memset((void *)(uintptr_t)nothing, 0xff, d->u.hvmcontext.size);
	memcpy(&d->u.hvmcontext.buffer, &nothing, sizeof(nothing));
	must(s, "a state that is none for", control(s, XEN_DOMCTL_sethvmcontext), ERR(ENODATA));
}

static void fail_to_set(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));

	d->u.ext_vcpucontext.sysenter_callback_eip = 1;
	d->u.ext_vcpucontext.size = sizeof(d->u.ext_vcpucontext);
	must(s, "callbacks for", control(s, XEN_DOMCTL_set_ext_vcpucontext), ERR(EINVAL));
	d = cleared(s, sizeof(*d));
	d->u.debug_op.op = XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON + 1;
	must(s, "an unknown way to debug", control(s, XEN_DOMCTL_debug_op), ERR(ENOSYS));
}

static void fail_to_tell_writes(const struct surroundings *s)
{
	struct xen_domctl_shadow_op *p = paging(s, chance(s->call, 50) ? XEN_DOMCTL_SHADOW_OP_PEEK :
						XEN_DOMCTL_SHADOW_OP_CLEAN);

	p->pages = 256;
	memcpy(&p->dirty_bitmap, &s->call->run->door->unmapped, sizeof(uint64_t));
	must(s, "a log that cannot be told of", control(s, XEN_DOMCTL_shadow_op), ERR(EFAULT));
}

void surroundings_before(const struct surroundings *s)
{
	bool log = chance(s->call, 50);

	if (chance(s->call, 50))
		set_parameter(s, HVM_PARAM_VIRIDIAN, HVMPV_base_freq |
			      (draw(s->call, ENLIGHTENMENTS + 1) & HVMPV_feature_mask));
	if (chance(s->call, 30) && !log)
		populate_late(s);
	if (chance(s->call, 50)) {
		surroundings_share(s, XENMAPSPACE_shared_info, SHARED_FRAME);
		surroundings_share(s, XENMAPSPACE_grant_table, SHARED_FRAME + 1);
	}
	if (chance(s->call, 30))
		write_hypercalls(s);
	fail_to_copy(s);
	fail_to_load(s);
	fail_to_set(s);
	if (log) {
		log_writes(s);
		fail_to_tell_writes(s);
	}
}

static struct xen_dm_op *device(const struct surroundings *s, uint32_t command)
{
	struct xen_dm_op *o = cleared(s, sizeof(*o));

	o->op = command;
	return o;
}

static void ask_device(const struct surroundings *s, const char *what, long expected)
{
	struct run *run = s->call->run;
	struct xen_dm_op *o = (void *)(run->door->arena + ARENA_ASIDE);
	struct xen_dm_op_buf *list = (void *)(o + 1);

	memset(list, 0, sizeof(*list));
	set_xen_guest_handle(list->h, o);
	list->size = sizeof(*o);
	must(s, what, aside(run, __HYPERVISOR_dm_op, s->id, 1, (uintptr_t)list), expected);
}

static void signal_pci(const struct surroundings *s)
{
	struct xen_dm_op_set_pci_intx_level *l = &device(s, XEN_DMOP_set_pci_intx_level)->u.
		set_pci_intx_level;

	l->device = (uint8_t)draw(s->call, 32);
	l->intx = (uint8_t)draw(s->call, 4);
	l->level = (uint8_t)draw(s->call, 2);
	ask_device(s, "an interrupt of a device of", 0);
}

static void signal_isa(const struct surroundings *s)
{
	struct xen_dm_op_set_isa_irq_level *l = &device(s, XEN_DMOP_set_isa_irq_level)->u.
		set_isa_irq_level;

	l->isa_irq = (uint8_t)draw(s->call, 16);
	l->level = (uint8_t)draw(s->call, 2);
	ask_device(s, "an old interrupt of", 0);
}

static void route_link(const struct surroundings *s)
{
	struct xen_dm_op_set_pci_link_route *r = &device(s, XEN_DMOP_set_pci_link_route)->u.
		set_pci_link_route;

	r->link = (uint8_t)draw(s->call, 4);
	r->isa_irq = (uint8_t)draw(s->call, 16);
	ask_device(s, "routing interrupts of", 0);
}

static void signal_everywhere(const struct surroundings *s)
{
	for (unsigned int i = 0; i < 8; i++)
		switch (draw(s->call, 3)) {
		case 0:
			signal_pci(s);
			break;
		case 1:
			signal_isa(s);
			break;
		default:
			route_link(s);
		}
}

/* What is reserved must not be set, where all the rest would do. */
static void set_reserved(const struct surroundings *s)
{
	switch (draw(s->call, 5)) {
	case 0:
		device(s, XEN_DMOP_inject_event)->u.inject_event.pad0 = 1;
		break;
	case 1:
		device(s, XEN_DMOP_inject_event)->u.inject_event.pad1 = 1;
		break;
	case 2:
		device(s, XEN_DMOP_inject_msi)->u.inject_msi.pad = 1;
		break;
	case 3:
		device(s, XEN_DMOP_set_mem_type)->u.set_mem_type.pad = 1;
		break;
	default:
		device(s, XEN_DMOP_relocate_memory)->u.relocate_memory.pad = 1;
	}
	ask_device(s, "setting what is reserved for", ERR(EINVAL));
}

static void fail_to_tell_processor(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));

	memcpy(&d->u.vcpucontext.ctxt, &s->call->run->door->unmapped, sizeof(uint64_t));
	must(s, "a processor that cannot be told of", control(s, XEN_DOMCTL_getvcpucontext),
	     ERR(EFAULT));
}

void surroundings_while(const struct surroundings *s)
{
	if (s->controllers && chance(s->call, 50))
		signal_everywhere(s);
	set_reserved(s);
	fail_to_tell_processor(s);
	if (chance(s->call, 30)) {
		must(s, "pausing", control(s, XEN_DOMCTL_pausedomain), 0);
		must(s, "going on with", control(s, XEN_DOMCTL_unpausedomain), 0);
	}
}

/* What the frames of a machine without page tables of its own type are: nothing, or not there. */
static void look_at_frames(const struct surroundings *s)
{
	uint64_t list[] = { 0, 2, NOBODYS_FRAME }, address = buffer(s);
	struct xen_domctl *d = cleared(s, sizeof(*d));

	memcpy((void *)(uintptr_t)address, list, sizeof(list));
	d->u.getpageframeinfo3.num = COUNT(list);
	memcpy(&d->u.getpageframeinfo3.array, &address, sizeof(address));
	must(s, "asking about pages of", control(s, XEN_DOMCTL_getpageframeinfo3), 0);
	memcpy(list, (void *)(uintptr_t)address, sizeof(list));
	if (s->certain && (list[0] || list[1] || list[2] != UNKNOWN_PAGE))
		call_wrong(s->call, "pages of a machine that runs are %lx, %lx; of none %lx",
			   list[0], list[1], list[2]);
}

static void look_at_processor(const struct surroundings *s)
{
	struct xen_domctl *d = cleared(s, sizeof(*d));
	uint64_t address = buffer(s);

	memcpy(&d->u.vcpucontext.ctxt, &address, sizeof(address));
	must(s, "asking for the processor of", control(s, XEN_DOMCTL_getvcpucontext), 0);
}

void surroundings_after(const struct surroundings *s)
{
	if (chance(s->call, 50))
		look_at_log(s);
	if (chance(s->call, 50)) {
		look_at_frames(s);
		look_at_processor(s);
	}
}

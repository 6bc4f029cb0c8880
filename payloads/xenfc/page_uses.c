/*
 * All the uses of a page that hold it, or make it of some kind, as long as the call takes or until
 * they are taken back: after each it must be as free as before.  Whether it is, exchanging it and
 * pinning it shows.
 */
#include "page_uses.h"

#include "grant_own.h"
#include "second.h"
#include "window.h"

#define PAGE_BITS 12
#define DESCRIPTORS_OF_A_PAGE 512u
#define MOST_LOCAL_DESCRIPTORS 8192u
#define KEPT_PAGE 28u	/* of the arena: the last one for calls beside the sequence */
#define LOCAL_SELECTOR 7u	/* the first of the local table */

struct use {
	struct call *call;
	uint64_t frame;
};

static void must(const struct use *use, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(use->call, "%s a page of ours gave %ld, expected %ld", what, result,
			   expected);
}

static void *structure(const struct use *use, size_t size)
{
	return memset(use->call->run->door->arena + ARENA_ASIDE, 0, size);
}

static long mmuext(const struct use *use, unsigned int command, uint64_t to, uint64_t from)
{
	struct mmuext_op *op = structure(use, sizeof(*op));
	const uint64_t arguments[5] = { (uintptr_t)op, 1, 0, DOMID_SELF };

	op->cmd = command;
	op->arg1.mfn = to;
	op->arg2.src_mfn = from;
	return make_hypercall(use->call->run, __HYPERVISOR_mmuext_op, arguments);
}

/* A page that is still of some kind cannot become a page table. */
static void must_be_free(const struct use *use)
{
	must(use, "pinning", mmuext(use, MMUEXT_PIN_L1_TABLE, use->frame, 0), 0);
	must(use, "unpinning", mmuext(use, MMUEXT_UNPIN_TABLE, use->frame, 0), 0);
}

static void flush(const struct use *use)
{
	struct gnttab_cache_flush *f = structure(use, sizeof(*f));
	bool clean = chance(use->call, 70);
	long expected;

	f->a.dev_bus_addr = use->frame << PAGE_BITS;
	f->length = (uint16_t)(1 + draw(use->call, DOOR_PAGE));
	f->op = clean ? GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL : GNTTAB_CACHE_INVAL;
	expected = since(use->call, RELEASE(4, 21)) ? ERR(ENOSYS) : clean ? 0 : ERR(EOPNOTSUPP);
	must(use, "flushing", own_aside(use->call, GNTTABOP_cache_flush, f), expected);
}

/* Whole pages, so that nothing but zero bytes are in it afterwards. */
static void copy(const struct use *use, bool into)
{
	struct gnttab_copy *c = structure(use, sizeof(*c));
	uint64_t other = own_frame(use->call, DEST);

	memset(own_page(use->call, DEST), 0, DOOR_PAGE);
	c->source.domid = c->dest.domid = DOMID_SELF;
	c->source.u.gmfn = into ? other : use->frame;
	c->dest.u.gmfn = into ? use->frame : other;
	c->len = DOOR_PAGE;
	must(use, into ? "copying by grants to" : "copying by grants from",
	     own_aside(use->call, GNTTABOP_copy, c), 0);
	if (c->status)
		call_wrong(use->call, "copying a page of ours has status %d", c->status);
}

static void copy_by_mmu(const struct use *use, bool into)
{
	uint64_t other = own_frame(use->call, DEST);

	must(use, into ? "copying to" : "copying from",
	     mmuext(use, MMUEXT_COPY_PAGE, into ? use->frame : other,
		    into ? other : use->frame), 0);
}

/* An empty descriptor may be in any page. */
static void describe(const struct use *use)
{
	uint64_t slot = draw(use->call, DESCRIPTORS_OF_A_PAGE) * 8;

	must(use, "writing a descriptor to",
	     aside(use->call->run, __HYPERVISOR_update_descriptor, use->frame << PAGE_BITS | slot,
		   0, 0), 0);
}

/* The page would do, alone or twice, but the last one of the table is nobody's. */
static void be_half_a_table(const struct use *use)
{
	uint64_t frames[3] = { use->frame, use->frame, NO_FRAME };
	uint64_t first = draw(use->call, 2), pages = 3 - first;

	memcpy(structure(use, sizeof(frames)), frames + first, pages * sizeof(frames[0]));
	must(use, "a table of descriptors that begins with",
	     aside(use->call->run, __HYPERVISOR_set_gdt,
		   (uintptr_t)(use->call->run->door->arena + ARENA_ASIDE),
		   pages * DESCRIPTORS_OF_A_PAGE, 0), ERR(EINVAL));
}

static long descriptor_table(const struct use *use, uint64_t descriptors)
{
	uint64_t pages = (descriptors + DESCRIPTORS_OF_A_PAGE - 1) / DESCRIPTORS_OF_A_PAGE;
	uint64_t *list = structure(use, (FIRST_RESERVED_GDT_PAGE + 1) * sizeof(*list));

	for (uint64_t i = 0; i < pages; i++)
		list[i] = use->frame;
	return aside(use->call->run, __HYPERVISOR_set_gdt, (uintptr_t)list, descriptors, 0);
}

/* An empty table of descriptors, the largest one too: the kernel uses none. */
static void be_a_table(const struct use *use)
{
	must(use, "more than the largest table of descriptors in",
	     descriptor_table(use, FIRST_RESERVED_GDT_ENTRY + 1), ERR(EINVAL));
	must(use, "a table of descriptors in",
	     descriptor_table(use, chance(use->call, 50) ? DESCRIPTORS_OF_A_PAGE :
			      FIRST_RESERVED_GDT_ENTRY), 0);
	must(use, "no table of descriptors after", descriptor_table(use, 0), 0);
}

/* Xen maps it when it is looked at first. */
static void look_into_local_table(const struct use *use)
{
	static const uint8_t load_rights[] = { 0x0f, 0x02, 0xc8 };	/* lar %eax, %ecx */
	struct registers registers = { .rax = LOCAL_SELECTOR };
	struct door *door = use->call->run->door;
	int vector = door->execute ? door->execute(door, load_rights, sizeof(load_rights),
						   &registers) : NO_FAULT;

	if (vector != NO_FAULT)
		call_wrong(use->call, "looking into a local table of ours ended in exception %d",
			   vector);
}

static long local_table(const struct use *use, uint64_t at, uint64_t descriptors)
{
	return mmuext(use, MMUEXT_SET_LDT, at, descriptors);
}

static void be_a_local_table(const struct use *use)
{
	uint64_t at = (uintptr_t)window_page(WINDOW_SECOND);

	must(use, "showing", window_show(use->call->run, WINDOW_SECOND, use->frame), 0);
	must(use, "more than the largest local table in",
	     local_table(use, at, MOST_LOCAL_DESCRIPTORS + 1), ERR(EINVAL));
	must(use, "a local table in",
	     local_table(use, at, chance(use->call, 50) ? DESCRIPTORS_OF_A_PAGE :
			 MOST_LOCAL_DESCRIPTORS), 0);
	look_into_local_table(use);
	must(use, "no local table after", local_table(use, 0, 0), 0);
	window_close(use->call->run, WINDOW_SECOND);
}

static void event(const struct use *use, unsigned int command, const char *what, long expected)
{
	must(use, what, aside(use->call->run, __HYPERVISOR_event_channel_op, command,
			      (uintptr_t)(use->call->run->door->arena + ARENA_ASIDE), 0), expected);
}

static void hold_control(const struct use *use, uint64_t frame, const char *what, long expected)
{
	struct evtchn_init_control *control = structure(use, sizeof(*control));

	control->control_gfn = frame;
	event(use, EVTCHNOP_init_control, what, expected);
}

static void hold_array(const struct use *use, uint64_t frame, const char *what, long expected)
{
	struct evtchn_expand_array *array = structure(use, sizeof(*array));

	array->array_gfn = frame;
	event(use, EVTCHNOP_expand_array, what, expected);
}

static void hold_no_events(const struct use *use)
{
	struct evtchn_reset *reset = structure(use, sizeof(*reset));

	reset->dom = DOMID_SELF;
	event(use, EVTCHNOP_reset, "no events after", 0);
}

/* The newer kind of event channels; going back takes all ports away, so not from a kernel with some. */
static void hold_events(const struct use *use)
{
	if (use->call->run->machine.has_ports)
		return;
	hold_control(use, use->frame, "a control block in", 0);
	hold_array(use, use->frame, "events in", 0);
	hold_no_events(use);
	must(use, "clearing", mmuext(use, MMUEXT_CLEAR_PAGE, use->frame, 0), 0);
}

static long tell_ends_in(const struct use *use, uint64_t frame)
{
	struct physdev_pirq_eoi_gmfn *p = structure(use, sizeof(*p));

	p->gmfn = frame;
	return aside(use->call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2,
		     (uintptr_t)p, 0);
}

/* Where interrupts must be ended is told in one page only, which Xen keeps for good. */
static void be_refused(const struct use *use)
{
	long result = tell_ends_in(use, own_frame(use->call, KEPT_PAGE));

	if (result != ERR(EBUSY))
		must(use, "telling the ends of interrupts in", result, 0);
	must(use, "telling them in another", tell_ends_in(use, use->frame), ERR(EBUSY));
}

static long be_information(const struct use *use, uint32_t vcpu)
{
	struct vcpu_register_vcpu_info *info = structure(use, sizeof(*info));

	info->mfn = use->frame;
	return aside(use->call->run, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu,
		     (uintptr_t)info);
}

/* Neither as the first page for them, nor as a later one. */
static void refuse_events_in_table(const struct use *use)
{
	uint64_t other = own_frame(use->call, DEST);

	if (use->call->run->machine.has_ports)
		return;
	hold_control(use, use->frame, "a control block in, as a table,", ERR(EINVAL));
	hold_control(use, other, "a control block beside", 0);
	hold_array(use, use->frame, "events in, as a table,", ERR(EINVAL));
	hold_no_events(use);
	memset(own_page(use->call, DEST), 0, DOOR_PAGE);
}

/* As a table of pages it is nothing else, and whoever was refused holds it no longer. */
static void refuse_table(const struct use *use)
{
	struct run *run = use->call->run;
	uint64_t other = own_frame(use->call, DEST), *list;

	must(use, "clearing, as a table,", mmuext(use, MMUEXT_CLEAR_PAGE, use->frame, 0),
	     ERR(EINVAL));
	must(use, "copying to, as a table,", mmuext(use, MMUEXT_COPY_PAGE, use->frame, other),
	     ERR(EINVAL));
	must(use, "a base in, as a table,", mmuext(use, MMUEXT_NEW_USER_BASEPTR, use->frame, 0),
	     ERR(EINVAL));
	must(use, "writing a descriptor to, as a table,",
	     aside(run, __HYPERVISOR_update_descriptor, use->frame << PAGE_BITS, 0, 0), ERR(EINVAL));
	list = structure(use, sizeof(*list));
	*list = use->frame;
	must(use, "descriptors in, as a table,",
	     aside(run, __HYPERVISOR_set_gdt, (uintptr_t)list, DESCRIPTORS_OF_A_PAGE, 0),
	     ERR(EINVAL));
	must(use, "information in, as a table,", be_information(use, 0),
	     since(use->call, RELEASE(4, 18)) ? ERR(EBUSY) : ERR(EINVAL));
	/* The first processor's is somewhere else already, so it is not even looked at. */
	if (run->machine.vcpus > SECOND_VCPU)
		must(use, "information of the second processor in, as a table,",
		     be_information(use, SECOND_VCPU),
		     since(use->call, RELEASE(4, 18)) ? ERR(EACCES) : ERR(EINVAL));
	must(use, "telling the ends of interrupts in, as a table,", tell_ends_in(use, use->frame),
	     ERR(EINVAL));
	refuse_events_in_table(use);
}

static void be_pinned(const struct use *use)
{
	must(use, "pinning", mmuext(use, MMUEXT_PIN_L1_TABLE, use->frame, 0), 0);
	must(use, "pinning twice", mmuext(use, MMUEXT_PIN_L1_TABLE, use->frame, 0), ERR(EINVAL));
	refuse_table(use);
	must(use, "unpinning", mmuext(use, MMUEXT_UNPIN_TABLE, use->frame, 0), 0);
	must(use, "unpinning twice", mmuext(use, MMUEXT_UNPIN_TABLE, use->frame, 0), ERR(EINVAL));
}

void page_use(struct call *call, uint64_t frame)
{
	const struct use use = { call, frame };

	flush(&use);
	copy(&use, true);
	copy(&use, false);
	copy_by_mmu(&use, true);
	copy_by_mmu(&use, false);
	must_be_free(&use);
	describe(&use);
	must_be_free(&use);
	be_half_a_table(&use);
	must_be_free(&use);
	be_a_table(&use);
	must_be_free(&use);
	be_a_local_table(&use);
	must_be_free(&use);
	hold_events(&use);
	must_be_free(&use);
	be_refused(&use);
	must_be_free(&use);
	be_pinned(&use);
	must_be_free(&use);
}

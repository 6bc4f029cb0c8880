/* dm_op: interrupts, events and memory of a machine whose devices somebody else makes. */
#include "dm.h"

#define DEVICES 32u
#define PINS 4u
#define LINKS 4u
#define ISA_INTERRUPTS 16u
#define NO_FRAME (1ull << 40)	/* beyond what any domain of ours has */
#define REASONS 6u

static void expect_vcpus(struct call *call)
{
	if (!dm_padded(call))
		expect_only(call, 0);
}

static void after_vcpus(struct call *call)
{
	uint32_t told = dm_of(call)->u.nr_vcpus.vcpus;

	if (!call->result && told != call->domain->max_vcpus)
		call_wrong(call, "%u processors were told, there are %u", told,
			   call->domain->max_vcpus);
}

/*
 * Xen 4.17 takes a lock of the interrupt controllers of a domain that was made without any, as
 * ours are: it hangs, or changes memory that is no lock.  Without --allow fatal one thing that
 * does not exist is named: mostly the level or the link, else what is `refused` already.
 */
static uint8_t draw_level(struct call *call, bool refused)
{
	uint8_t level = (uint8_t)draw_mostly(call, 90, 3);

	return !refused && level <= 1 && !may_break_xen(call) ? level + 2 : level;
}

static void generate_pci_level(struct call *call)
{
	struct xen_dm_op_set_pci_intx_level *s = &dm_of(call)->u.set_pci_intx_level;

	s->device = (uint8_t)draw_mostly(call, 90, DEVICES + 1);
	s->intx = (uint8_t)draw_mostly(call, 90, PINS + 1);
	s->domain = chance(call, 10);
	s->bus = chance(call, 10);
	s->level = draw_level(call, s->device >= DEVICES || s->intx >= PINS || s->domain || s->bus);
}

static void expect_pci_level(struct call *call)
{
	const struct xen_dm_op_set_pci_intx_level *s = &dm_of(call)->u.set_pci_intx_level;

	if (!dm_padded(call))
		expect_only(call, s->domain || s->bus || s->device >= DEVICES ||
			    s->intx >= PINS || s->level > 1 ? ERR(EINVAL) : 0);
}

static void generate_isa_level(struct call *call)
{
	struct xen_dm_op_set_isa_irq_level *s = &dm_of(call)->u.set_isa_irq_level;

	s->isa_irq = (uint8_t)draw_mostly(call, 90, ISA_INTERRUPTS + 1);
	s->level = draw_level(call, s->isa_irq >= ISA_INTERRUPTS);
}

static void expect_isa_level(struct call *call)
{
	const struct xen_dm_op_set_isa_irq_level *s = &dm_of(call)->u.set_isa_irq_level;

	if (!dm_padded(call))
		expect_only(call, s->isa_irq >= ISA_INTERRUPTS || s->level > 1 ? ERR(EINVAL) : 0);
}

static void generate_route(struct call *call)
{
	struct xen_dm_op_set_pci_link_route *s = &dm_of(call)->u.set_pci_link_route;

	s->link = (uint8_t)draw_mostly(call, 90, LINKS + 1);
	s->isa_irq = (uint8_t)draw_mostly(call, 90, ISA_INTERRUPTS + 1);
	if (s->link < LINKS && !may_break_xen(call))
		s->isa_irq |= ISA_INTERRUPTS;
}

static void expect_route(struct call *call)
{
	const struct xen_dm_op_set_pci_link_route *s = &dm_of(call)->u.set_pci_link_route;

	if (!dm_padded(call))
		expect_only(call, s->link >= LINKS || s->isa_irq >= ISA_INTERRUPTS ?
			    ERR(EINVAL) : 0);
}

/* Frames that the domain cannot have. */
static void generate_type(struct call *call)
{
	struct xen_dm_op_set_mem_type *s = &dm_of(call)->u.set_mem_type;

	s->mem_type = (uint16_t)draw(call, 6);
	s->pad = chance(call, 10);
	s->nr = (uint32_t)draw_interesting(call, 32);
	s->first_pfn = NO_FRAME | draw_interesting(call, 40);
}

static void generate_event(struct call *call)
{
	struct xen_dm_op_inject_event *e = &dm_of(call)->u.inject_event;

	e->vcpuid = draw_mostly(call, 85, 5);
	e->vector = (uint8_t)draw(call, 256);
	e->type = (uint8_t)draw(call, 8);
	e->insn_len = (uint8_t)draw(call, 16);
	e->pad0 = chance(call, 5);
	e->pad1 = chance(call, 5);
	e->error_code = (uint32_t)draw_interesting(call, 32);
	e->cr2 = draw_interesting(call, 64);
}

/* One event waits at a time, and its processor never runs. */
static void expect_event(struct call *call)
{
	const struct xen_dm_op_inject_event *e = &dm_of(call)->u.inject_event;

	if (dm_padded(call))
		return;
	expect_only(call, ERR(EINVAL));
	if (e->pad0 || e->pad1 || !call->domain->has_vcpus ||
	    e->vcpuid >= call->domain->max_vcpus)
		return;
	expect_only(call, 0);
	expect_also(call, ERR(EBUSY));
}

/* Xen does not put another one in the place of the one that waits. */
static void after_event(struct call *call)
{
	struct xen_dm_op *dm = dm_aside_structure(call);
	long result;

	if (call->result || !call->domain)
		return;
	dm->u.inject_event = dm_of(call)->u.inject_event;
	result = dm_aside(call, XEN_DMOP_inject_event);
	if (result != ERR(EBUSY))
		call_wrong(call, "an event while one waits gave %ld, expected %ld", result,
			   ERR(EBUSY));
}

static void generate_shutdown(struct call *call)
{
	dm_of(call)->u.remote_shutdown.reason = (uint32_t)draw(call, REASONS);
}

static void after_shutdown(struct call *call)
{
	if (call->result || !call->domain)
		return;
	if (!call->domain->shut)
		call->domain->shut_code = (uint8_t)dm_of(call)->u.remote_shutdown.reason;
	call->domain->shut = true;
}

/* Too many frames, or no buffer for what is told of them. */
static void generate_track(struct call *call)
{
	struct xen_dm_op_track_dirty_vram *t = &dm_of(call)->u.track_dirty_vram;

	t->nr = (uint32_t)draw_interesting(call, 32);
	t->pad = chance(call, 10);
	t->first_pfn = draw_interesting(call, 40);
}

static void generate_padded(struct call *call)
{
	dm_of(call)->u.relocate_memory.pad = 1 + (uint16_t)draw(call, 0xffff);
	dm_of(call)->u.relocate_memory.size = (uint32_t)draw_interesting(call, 32);
	dm_of(call)->u.relocate_memory.src_gfn = draw_interesting(call, 64);
}

/* Nobody keeps a log of what was written to. */
static void generate_modified(struct call *call)
{
	dm_of(call)->u.modified_memory.nr_extents = (uint32_t)draw_interesting(call, 32);
}

static void expect_modified(struct call *call)
{
	if (dm_padded(call))
		return;
	/* There is one buffer too few: older releases look whether there is a log first. */
	expect_only(call, 0);
	expect_also(call, ERR(EINVAL));
	if (dm_of(call)->u.modified_memory.nr_extents)
		expect_also(call, ERR(EFAULT));
}

const struct operation dm_machine[] = {
	{ .name = "nr_vcpus", .command = XEN_DMOP_nr_vcpus, .danger = DANGER_SAFE, .weight = 4,
	  .since = RELEASE(4, 14), .structure_size = sizeof(struct xen_dm_op_nr_vcpus),
	  .expect = expect_vcpus, .after = after_vcpus },
	DM(set_pci_intx_level, DANGER_OWN, 0, generate_pci_level, expect_pci_level, NULL),
	DM(set_isa_irq_level, DANGER_OWN, 0, generate_isa_level, expect_isa_level, NULL),
	DM(set_pci_link_route, DANGER_OWN, 0, generate_route, expect_route, NULL),
	DM(set_mem_type, DANGER_OWN, 0, generate_type, expect_invalid, NULL),
	DM(inject_event, DANGER_OWN, 0, generate_event, expect_event, after_event),
	DM(remote_shutdown, DANGER_OWN, 0, generate_shutdown, expect_vcpus, after_shutdown),
	DM(track_dirty_vram, DANGER_OWN, 0, generate_track, expect_invalid, NULL),
	DM(relocate_memory, DANGER_OWN, 0, generate_padded, expect_invalid, NULL),
	DM(modified_memory, DANGER_OWN, 0, generate_modified, expect_modified, NULL),
};
const size_t dm_machine_count = COUNT(dm_machine);

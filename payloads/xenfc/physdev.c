/*
 * physdev_op: ends of interrupts, and I/O rights.  Only interrupts that nobody has are named where
 * naming them would take something away.
 */
#include "physdev.h"
#include "interrupt.h"

#define IO_PORTS 0x10000u
#define MAPPED_PORTS 0x100u	/* of which we have the bits */
#define QUIET_PORT 0x80u	/* it and the next tell nothing, and reading them changes nothing */
#define GENERAL_PROTECTION 13
#define XEN_MEMORY 0xffff830000000000ull

static void *structure(const struct call *call)
{
	return call->structure->at;
}

bool physdev_by_control(struct call *call)
{
	if (!call->run->machine.control)
		expect_only(call, ERR(EPERM));
	return call->run->machine.control;
}

/* One of ours would be taken for handled. */
static void generate_no_irq(struct call *call)
{
	uint32_t *irq = structure(call);

	*irq = IRQ_BEYOND | (uint32_t)draw_interesting(call, 32);
}

static void generate_no_frame(struct call *call)
{
	struct physdev_pirq_eoi_gmfn *p = structure(call);

	p->gmfn = 1ull << 50 | draw_interesting(call, 50);
}

static void generate_status(struct call *call)
{
	struct physdev_irq_status_query *q = structure(call);

	q->irq = draw_mostly(call, 80, call->run->machine.pirqs + 2);
}

static void expect_status(struct call *call)
{
	const struct physdev_irq_status_query *q = structure(call);

	expect_only(call, q->irq < call->run->machine.pirqs ? 0 : ERR(EINVAL));
}

static void after_status(struct call *call)
{
	const struct physdev_irq_status_query *q = structure(call);

	if (!call->result && !(q->flags & XENIRQSTAT_needs_eoi))
		call_wrong(call, "an interrupt that needs no end was told");
}

static void generate_iopl(struct call *call)
{
	struct physdev_set_iopl *s = structure(call);

	s->iopl = 4 + (uint32_t)draw_interesting(call, 31);
}

static void generate_own_iopl(struct call *call)
{
	struct physdev_set_iopl *s = structure(call);

	s->iopl = (uint32_t)draw(call, 5);
}

static void expect_own_iopl(struct call *call)
{
	const struct physdev_set_iopl *s = structure(call);

	expect_only(call, s->iopl > 3 ? ERR(EINVAL) : 0);
}

static uint64_t map_address(const struct call *call)
{
	return (uintptr_t)(call->run->door->arena + ARENA_ASIDE);
}

/* Too many ports, or a map in Xen's own memory. */
static void generate_bitmap(struct call *call)
{
	struct physdev_set_iobitmap *s = structure(call);
	uint64_t at = map_address(call);

	s->nr_ports = IO_PORTS + 1 + (chance(call, 50) ? 0 : (uint32_t)draw_interesting(call, 31));
	if (chance(call, 40)) {
		at = XEN_MEMORY + draw(call, DOOR_PAGE);
		s->nr_ports = (uint32_t)draw(call, IO_PORTS + 1);
	}
	memcpy(&s->bitmap, &at, sizeof(at));
}

/* Looked at when a port is used, which we do not. */
static void generate_own_bitmap(struct call *call)
{
	struct physdev_set_iobitmap *s = structure(call);
	uint64_t at = map_address(call);

	s->nr_ports = (uint32_t)draw(call, IO_PORTS + 1);
	memcpy(&s->bitmap, &at, sizeof(at));
}

/* Without a higher level of rights a port may be used whose bit is clear and within the map. */
static void use_port(struct call *call, uint32_t port, uint32_t nr_ports, bool clear)
{
	static const uint8_t in[] = { 0xec };
	struct physdev_set_iobitmap *s = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*s));
	uint8_t *map = memset(s + 1, 0xff, MAPPED_PORTS / 8 + 1);	/* Xen reads two bytes */
	struct registers registers = { .rdx = port };
	int right = clear && port < nr_ports ? NO_FAULT : GENERAL_PROTECTION, vector;

	if (clear)
		map[port / 8] &= (uint8_t)~(1u << port % 8);
	s->nr_ports = nr_ports;
	set_xen_guest_handle(s->bitmap, map);
	aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, (uintptr_t)s, 0);
	vector = call->run->door->execute(call->run->door, in, sizeof(in), &registers);
	if (vector != right)
		call_wrong(call, "reading port %x, whose bit is %s in a map of %u, ended in exception "
			   "%d, expected %d", port, clear ? "clear" : "set", nr_ports, vector, right);
}

static void after_own_bitmap(struct call *call)
{
	struct physdev_set_iopl *p = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint32_t port = (uint32_t)(QUIET_PORT + draw(call, 2));

	if (call->result || !call->run->door->execute)
		return;
	p->iopl = 0;
	aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, (uintptr_t)p, 0);
	use_port(call, port, IO_PORTS, true);
	use_port(call, port, IO_PORTS, false);
	use_port(call, port, port + 1, true);
	use_port(call, port, port, true);
	use_port(call, port, 0, true);
}

/* Some rights are asked for before the structure is looked at. */
static bool physdev_expect(struct call *call)
{
	bool early = call->operation && (call->command == PHYSDEVOP_pci_mmcfg_reserved ?
		!call->run->machine.control : call->command == PHYSDEVOP_dbgp_op &&
		!call->run->machine.hardware);

	return early || command_expect(call);
}

static const struct field irq_fields[] = {
	FIELD(struct physdev_eoi, irq, FLOW_IN),
	FIELDS_END,
};

static const struct field frame_fields[] = {
	FIELD(struct physdev_pirq_eoi_gmfn, gmfn, FLOW_IN),
	FIELDS_END,
};

static const struct field status_fields[] = {
	FIELD(struct physdev_irq_status_query, irq, FLOW_IN),
	FIELD(struct physdev_irq_status_query, flags, FLOW_OUT),
	FIELDS_END,
};

static const struct field iopl_fields[] = {
	FIELD(struct physdev_set_iopl, iopl, FLOW_IN),
	FIELDS_END,
};

static const struct field bitmap_fields[] = {
	FIELD(struct physdev_set_iobitmap, bitmap, FLOW_IN),
	FIELD(struct physdev_set_iobitmap, nr_ports, FLOW_IN),
	FIELDS_END,
};

static const struct operation operations[] = {
	PHYSDEV("eoi", eoi, DANGER_SAFE, 0, physdev_eoi, irq_fields, generate_no_irq,
		expect_invalid, NULL),
	PHYSDEV("pirq_eoi_gmfn_v1", pirq_eoi_gmfn_v1, DANGER_SAFE, 0, physdev_pirq_eoi_gmfn,
		frame_fields, generate_no_frame, expect_invalid, NULL),
	PHYSDEV("pirq_eoi_gmfn_v2", pirq_eoi_gmfn_v2, DANGER_SAFE, 0, physdev_pirq_eoi_gmfn,
		frame_fields, generate_no_frame, expect_invalid, NULL),
	PHYSDEV("irq_status_query", irq_status_query, DANGER_SAFE, TRAIT_READS,
		physdev_irq_status_query, status_fields, generate_status, expect_status,
		after_status),
	PHYSDEV("set_iopl", set_iopl, DANGER_SAFE, 0, physdev_set_iopl, iopl_fields,
		generate_iopl, expect_invalid, NULL),
	PHYSDEV("set_iopl_own", set_iopl, DANGER_OWN, TRAIT_KERNEL, physdev_set_iopl, iopl_fields,
		generate_own_iopl, expect_own_iopl, NULL),
	PHYSDEV("set_iobitmap", set_iobitmap, DANGER_SAFE, 0, physdev_set_iobitmap, bitmap_fields,
		generate_bitmap, expect_invalid, NULL),
	PHYSDEV("set_iobitmap_own", set_iobitmap, DANGER_OWN, TRAIT_KERNEL, physdev_set_iobitmap,
		bitmap_fields, generate_own_bitmap, expect_success, after_own_bitmap),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ physdev_route, &physdev_route_count },
	{ physdev_pci, &physdev_pci_count },
	{ physdev_interrupt, &physdev_interrupt_count },
};

static bool exists(uint32_t command)
{
	return command < 40;
}

const struct family family_physdev = {
	.name = "physdev",
	.hypercall = __HYPERVISOR_physdev_op,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = command_generate,
	.expect = physdev_expect,
};

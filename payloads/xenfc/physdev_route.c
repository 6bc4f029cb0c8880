/* physdev_op: where interrupts come from, and whose they are. */
#include "physdev.h"
#include "who.h"

#define FIRST_APIC 0xfec00000u	/* where a PC has its first one */
#define APIC_REGISTERS 0x40u
#define LEGACY_INTERRUPTS 16u
#define NEW_INTERRUPT (-1)	/* of messages: any that is free */
#define MOST_MESSAGES 32u	/* of one device */

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_apic(struct call *call)
{
	struct physdev_apic *a = structure(call);

	a->apic_physbase = FIRST_APIC;
	if (call->command == PHYSDEVOP_apic_write || chance(call, 40))
		a->apic_physbase ^= 1ul << draw(call, 63);
	a->reg = (uint32_t)draw(call, APIC_REGISTERS);
	a->value = (uint32_t)draw_interesting(call, 32);
}

static void expect_apic(struct call *call)
{
	const struct physdev_apic *a = structure(call);

	if (!physdev_by_control(call))
		return;
	expect_only(call, ERR(EINVAL));
	if (a->apic_physbase == FIRST_APIC)
		expect_also(call, 0);
}

static void expect_vector(struct call *call)
{
	if (physdev_by_control(call))
		expect_only(call, 0);
}

static void after_vector(struct call *call)
{
	const struct physdev_irq *p = structure(call);

	if (!call->result && p->vector != p->irq)
		call_wrong(call, "the vector of interrupt %u is %u", p->irq, p->vector);
}

/* Message signalled ones of a device that is not there. */
static void generate_map(struct call *call)
{
	struct physdev_map_pirq *m = structure(call);

	m->domid = draw_who(call, !call->run->machine.control);
	m->type = chance(call, 90) ? (int)draw(call, 6) : (int)draw_interesting(call, 32);
	if (chance(call, 25))
		m->type = MAP_PIRQ_TYPE_MULTI_MSI;
	m->index = (int)(chance(call, 50) ? draw(call, LEGACY_INTERRUPTS) :
			 IRQ_BEYOND | draw_interesting(call, 32));
	if (chance(call, 20))
		m->index = NEW_INTERRUPT;
	m->pirq = chance(call, 60) ? -1 : (int)draw_interesting(call, 32);
	if (!m->pirq && !may_break_xen(call))
		m->pirq = -1;
	call->note = m->pirq;
	m->bus = NO_BUS;
	m->devfn = (int)draw(call, 256);
	m->entry_nr = (int)(chance(call, 50) ? draw(call, 3) :
			    draw_mostly(call, 50, MOST_MESSAGES + 1));
	m->table_base = chance(call, 20) ? DOOR_PAGE : 0;
}

static bool is_message_type(int type)
{
	return type == MAP_PIRQ_TYPE_MSI || type == MAP_PIRQ_TYPE_MSI_SEG ||
	       type == MAP_PIRQ_TYPE_MULTI_MSI;
}

/*
 * Messages need an interrupt that is free, a place for it, and their device, which is not there.
 * Where nobody translates them each device has one only.
 */
static void expect_messages(struct call *call, const struct physdev_map_pirq *m)
{
	bool several = m->type == MAP_PIRQ_TYPE_MULTI_MSI;

	expect_only(call, ERR(EINVAL));
	if (!several && m->index != NEW_INTERRUPT)
		return;
	if (m->pirq < 0 && several && (m->entry_nr <= 0 || m->entry_nr > (int)MOST_MESSAGES)) {
		expect_only(call, ERR(EDOM));
		return;
	}
	if (m->pirq < 0 && several && m->entry_nr != 1 && !call->run->machine.iommu) {
		expect_only(call, ERR(EOPNOTSUPP));
		return;
	}
	if (m->pirq < 0)
		expect_only(call, ERR(ENODEV));
	else
		expect_also(call, ERR(ENODEV));
	if (!call->run->machine.hardware)
		expect_also(call, ERR(EPERM));
	if (!call->domain || !call->domain->has_pirqs)
		return;
	/* Of one that is mapped already Xen only warns. */
	expect_also(call, 0);
	expect_also(call, ERR(ENOSPC));
}

static void expect_map(struct call *call)
{
	const struct physdev_map_pirq *m = structure(call);

	if (m->type == MAP_PIRQ_TYPE_MULTI_MSI && m->table_base) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (!who_allows(call, m->domid, LOOKUP_ANY, RIGHT_CONTROL))
		return;
	if (is_message_type(m->type)) {
		expect_messages(call, m);
		return;
	}
	expect_only(call, ERR(EINVAL));
	if (m->type != MAP_PIRQ_TYPE_GSI || m->index < 0 || (uint32_t)m->index >= IRQ_BEYOND)
		return;
	/* Of one that is mapped already Xen only warns. */
	expect_also(call, 0);
	expect_also(call, ERR(EPERM));
	if (call->domain && call->domain->has_pirqs) {
		expect_also(call, ERR(ENOSPC));
		expect_also(call, ERR(EEXIST));
	}
}

static long unmap_aside(struct call *call, uint16_t id, int pirq)
{
	struct physdev_unmap_pirq *u = (void *)(call->run->door->arena + ARENA_ASIDE);

	*u = (struct physdev_unmap_pirq){ .domid = id, .pirq = pirq };
	return aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, (uintptr_t)u, 0);
}

/* What was mapped is there to be taken away, once; half of them stay. */
static void after_map(struct call *call)
{
	const struct physdev_map_pirq *m = structure(call);
	long first, second;

	if (call->result || !call->domain)
		return;
	if (call->note >= 0 ? m->pirq != call->note :
	    !call->domain->has_pirqs && m->pirq < (int)LEGACY_INTERRUPTS)
		call_wrong(call, "interrupt %d is %d of a domain, which was asked for %ld", m->index,
			   m->pirq, call->note);
	call->domain->has_pirqs = true;
	if (m->type != MAP_PIRQ_TYPE_GSI || chance(call, 50))
		return;
	first = unmap_aside(call, m->domid, m->pirq);
	second = unmap_aside(call, m->domid, m->pirq);
	if (first || second != ERR(EINVAL))
		call_wrong(call, "unmapping interrupt %d of a domain twice gave %ld and %ld", m->pirq,
			   first, second);
}

static void generate_unmap(struct call *call)
{
	struct physdev_unmap_pirq *u = structure(call);

	u->domid = draw_who(call, true);
	u->pirq = (int)draw_mostly(call, 60, 2 * LEGACY_INTERRUPTS);
	if (!model_slot(&call->run->model, u->domid))
		u->pirq |= (int)IRQ_BEYOND;
}

static void expect_unmap(struct call *call)
{
	const struct physdev_unmap_pirq *u = structure(call);

	if (!who_allows(call, u->domid, LOOKUP_ANY, RIGHT_CONTROL))
		return;
	expect_only(call, ERR(EINVAL));
	if (call->domain && call->domain->has_pirqs)
		expect_also(call, 0);
}

static void generate_gsi(struct call *call)
{
	struct physdev_setup_gsi *s = structure(call);

	draw_fields(call);
	s->gsi = (int)(IRQ_BEYOND | (uint32_t)draw_interesting(call, 32));
	if (!call->run->machine.control && chance(call, 50))
		s->gsi = (int)draw(call, LEGACY_INTERRUPTS);
}

static void expect_gsi(struct call *call)
{
	const struct physdev_setup_gsi *s = structure(call);

	expect_only(call, s->gsi < 0 || s->gsi >= (int)LEGACY_INTERRUPTS ? ERR(EINVAL) :
		    ERR(EPERM));
}

static void expect_free(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(ENOSPC));
}

/* What was given out is not free any more. */
static void after_free(struct call *call)
{
	const struct physdev_get_free_pirq *given = structure(call);
	struct physdev_get_free_pirq *f = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result)
		return;
	*f = (struct physdev_get_free_pirq){ .type = given->type };
	result = aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, (uintptr_t)f, 0);
	if (!result && f->pirq == given->pirq)
		call_wrong(call, "interrupt %u was given out twice", given->pirq);
}

static const struct field apic_fields[] = {
	FIELD(struct physdev_apic, apic_physbase, FLOW_IN),
	FIELD(struct physdev_apic, reg, FLOW_IN),
	FIELD(struct physdev_apic, value, FLOW_INOUT),
	FIELDS_END,
};

static const struct field vector_fields[] = {
	FIELD(struct physdev_irq, irq, FLOW_IN),
	FIELD(struct physdev_irq, vector, FLOW_OUT),
	FIELDS_END,
};

static const struct field map_fields[] = {
	FIELD(struct physdev_map_pirq, domid, FLOW_IN),
	FIELD(struct physdev_map_pirq, type, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, index, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, pirq, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, bus, FLOW_IN),
	FIELD(struct physdev_map_pirq, devfn, FLOW_IN),
	FIELD(struct physdev_map_pirq, entry_nr, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, table_base, FLOW_IN),
	FIELDS_END,
};

static const struct field unmap_fields[] = {
	FIELD(struct physdev_unmap_pirq, domid, FLOW_IN),
	FIELD(struct physdev_unmap_pirq, pirq, FLOW_IN),
	FIELDS_END,
};

static const struct field gsi_fields[] = {
	FIELD(struct physdev_setup_gsi, gsi, FLOW_IN),
	FIELD(struct physdev_setup_gsi, triggering, FLOW_IN),
	FIELD(struct physdev_setup_gsi, polarity, FLOW_IN),
	FIELDS_END,
};

static const struct field free_fields[] = {
	FIELD(struct physdev_get_free_pirq, type, FLOW_IN),
	FIELD(struct physdev_get_free_pirq, pirq, FLOW_OUT),
	FIELDS_END,
};

const struct operation physdev_route[] = {
	PHYSDEV("apic_read", apic_read, DANGER_SAFE, TRAIT_TELLS | TRAIT_WRITES_ON_ERROR, physdev_apic,
		apic_fields, generate_apic, expect_apic, NULL),
	PHYSDEV("apic_write", apic_write, DANGER_SAFE, 0, physdev_apic, apic_fields,
		generate_apic, expect_apic, NULL),
	PHYSDEV("alloc_irq_vector", alloc_irq_vector, DANGER_SAFE, TRAIT_READS, physdev_irq,
		vector_fields, NULL, expect_vector, after_vector),
	PHYSDEV("map_pirq", map_pirq, DANGER_OWN, TRAIT_WRITES_ON_ERROR, physdev_map_pirq,
		map_fields, generate_map, expect_map, after_map),
	PHYSDEV("unmap_pirq", unmap_pirq, DANGER_OWN, 0, physdev_unmap_pirq, unmap_fields,
		generate_unmap, expect_unmap, NULL),
	PHYSDEV("setup_gsi", setup_gsi, DANGER_SAFE, 0, physdev_setup_gsi, gsi_fields,
		generate_gsi, expect_gsi, NULL),
	PHYSDEV("get_free_pirq", get_free_pirq, DANGER_HOST, TRAIT_KERNEL, physdev_get_free_pirq,
		free_fields, NULL, expect_free, after_free),
};
const size_t physdev_route_count = COUNT(physdev_route);

/*
 * domctl: I/O memory, ports and interrupts that a domain may use, and what is left of the right
 * when it is taken away.
 */
#include "domctl.h"

#define FIRST_FRAME (1ull << 24)	/* beyond most machines' memory */
#define FRAMES (1u << 20)
#define MOST_FRAMES 16u
#define MAPPED_AT 0xf0000u	/* where machines have no memory */

static struct xen_domctl_iomem_permission *right_of(const struct call *call)
{
	return &domctl_of(call)->u.iomem_permission;
}

static void generate_right(struct call *call)
{
	struct xen_domctl_iomem_permission *p = right_of(call);

	p->first_mfn = FIRST_FRAME + draw(call, FRAMES);
	p->nr_mfns = 1 + draw(call, MOST_FRAMES);
	p->allow_access = 1;
}

/* No right can be passed on to what the caller has not itself. */
static void expect_right(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(EPERM));
}

static void take_away(struct call *call, uint64_t first, uint64_t count)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	long result;

	memset(d, 0, sizeof(*d));
	d->u.iomem_permission.first_mfn = first;
	d->u.iomem_permission.nr_mfns = count;
	result = domctl_aside(call->run, DOMCTL(iomem_permission), call->domain->id);
	if (result)
		call_wrong(call, "taking the right to %lu frames away gave %ld", count, result);
}

static long map(struct call *call, uint64_t first, uint64_t count, bool add)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);

	memset(d, 0, sizeof(*d));
	d->u.memory_mapping.first_gfn = MAPPED_AT;
	d->u.memory_mapping.first_mfn = first;
	d->u.memory_mapping.nr_mfns = count;
	d->u.memory_mapping.add_mapping = add;
	return domctl_aside(call->run, DOMCTL(memory_mapping), call->domain->id);
}

/* Of a domain without a memory map, mapping only asks for the right. */
static void check_right(struct call *call, uint64_t first, uint64_t count, long expected)
{
	long result = map(call, first, count, call->domain->hvm);

	if (call->domain->hvm && !result && map(call, first, count, false))
		call_wrong(call, "%lu frames from %lx on cannot be taken out of the map again",
			   count, first);
	if (call->domain->hvm && result == ERR(ENOMEM) && !expected)
		return;	/* there is none for the map */
	if (result != expected)
		call_wrong(call, "mapping %lu frames from %lx on gave %ld, expected %ld", count,
			   first, result, expected);
}

static void check_frames(struct call *call, uint64_t first, uint64_t end, long expected)
{
	for (uint64_t frame = first; frame < end; frame++)
		check_right(call, frame, 1, expected);
}

/* A right reaches no further than it was given. */
static void check_neighbours(struct call *call, uint64_t first, uint64_t end)
{
	check_right(call, first - 1, 1, ERR(EPERM));
	check_right(call, end, 1, ERR(EPERM));
}

/* Later point releases of 4.17 and all others ask for none where nothing would be mapped. */
static bool tells_of_rights(struct call *call, uint64_t forbidden)
{
	return call->domain->hvm || map(call, forbidden, 1, false);
}

static void after_right(struct call *call)
{
	uint64_t first = right_of(call)->first_mfn, count = right_of(call)->nr_mfns;
	uint64_t middle = first + draw(call, count), taken = 1 + draw(call, first + count - middle);
	bool told;

	if (call->result || !call->domain)
		return;
	told = tells_of_rights(call, first - 1);
	if (told) {
		check_right(call, first, count, 0);
		check_neighbours(call, first, first + count);
		take_away(call, middle, taken);
		check_frames(call, first, middle, 0);
		check_frames(call, middle, middle + taken, ERR(EPERM));
		check_frames(call, middle + taken, first + count, 0);
	}
	take_away(call, first, count);
	if (told)
		check_frames(call, first - 1, first + count + 1, ERR(EPERM));
}

/*
 * What the hardware domain surely has it may give and take away, and what Xen keeps for itself it may
 * not; of all else it is not known.
 */
struct span {
	uint64_t first, last;
};

static bool touches(uint64_t first, uint64_t last, const struct span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (first <= spans[i].last && last >= spans[i].first)
			return true;
	return false;
}

static void expect_passed_on(struct call *call, bool has, bool lacks)
{
	if (!lacks || !call->run->machine.hardware)
		expect_only(call, 0);
	if (!has || !call->run->machine.hardware)
		expect_also(call, ERR(EPERM));
}

static const struct span display = { 0xa0, 0xbf };	/* frames of it */
static const struct span kept_frames[] = { { 0xfee00, 0xfee00 } };	/* of interrupts */

/* A range that wraps is refused; the frames of a new domain's memory are nobody's devices. */
static void generate_iomem(struct call *call)
{
	struct xen_domctl_iomem_permission *p = &domctl_of(call)->u.iomem_permission;

	p->first_mfn = draw_interesting(call, 64);
	p->nr_mfns = chance(call, 50) ? draw(call, 16) : draw_interesting(call, 64);
	p->allow_access = 0;
	if (chance(call, 40))
		p->first_mfn = chance(call, 60) ? display.first + draw(call, 16) :
			kept_frames[0].first - draw(call, 4);
}

static void expect_iomem(struct call *call)
{
	const struct xen_domctl_iomem_permission *p = &domctl_of(call)->u.iomem_permission;
	uint64_t last = p->first_mfn + p->nr_mfns - 1;

	expect_only(call, ERR(EINVAL));
	if (last < p->first_mfn)
		return;
	call->expect.count = 0;
	expect_passed_on(call, p->first_mfn >= display.first && last <= display.last,
			 touches(p->first_mfn, last, kept_frames, COUNT(kept_frames)));
}

#define IO_PORTS 0x10000u

static const struct span nobodys_ports = { 0x100, 0x16f };
static const struct span kept_ports[] = {
	{ 0x20, 0x21 }, { 0x40, 0x43 }, { 0x61, 0x61 }, { 0xa0, 0xa1 },
};

static void generate_ioport(struct call *call)
{
	struct xen_domctl_ioport_permission *p = &domctl_of(call)->u.ioport_permission;

	p->first_port = (uint32_t)draw_interesting(call, chance(call, 80) ? 16 : 32);
	p->nr_ports = (uint32_t)draw_interesting(call, chance(call, 80) ? 8 : 32);
	p->allow_access = (uint8_t)draw(call, 2);
	if (!chance(call, 40))
		return;
	p->first_port = (uint32_t)(chance(call, 60) ? nobodys_ports.first + draw(call, 0x70) :
				   kept_ports[draw(call, COUNT(kept_ports))].first);
	p->nr_ports = 1 + (uint32_t)draw(call, 8);
}

static void expect_ioport(struct call *call)
{
	const struct xen_domctl_ioport_permission *p = &domctl_of(call)->u.ioport_permission;
	uint32_t end = p->first_port + p->nr_ports;

	expect_only(call, ERR(EINVAL));
	if (end <= p->first_port || end > IO_PORTS)
		return;
	call->expect.count = 0;
	expect_passed_on(call, p->first_port >= nobodys_ports.first && end - 1 <= nobodys_ports.last,
			 touches(p->first_port, end - 1, kept_ports, COUNT(kept_ports)));
}

static void generate_irq(struct call *call)
{
	struct xen_domctl_irq_permission *p = &domctl_of(call)->u.irq_permission;

	p->pirq = chance(call, 50) ? (uint32_t)draw(call, 64) : draw_last_interrupt(call);
	p->allow_access = 0;
}

/* No right can be passed on to what the caller has not itself. */
static void expect_irq(struct call *call)
{
	if (domctl_of(call)->u.irq_permission.pirq >= call->run->machine.pirqs) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	expect_only(call, 0);
	expect_also(call, ERR(EPERM));
}

static const struct field iomem_fields[] = {
	DOMCTL_FIELD(iomem_permission.first_mfn, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.nr_mfns, FLOW_IN),
	FIELDS_END,
};

static const struct field ioport_fields[] = {
	DOMCTL_FIELD(ioport_permission.first_port, FLOW_IN),
	DOMCTL_FIELD(ioport_permission.nr_ports, FLOW_IN),
	FIELDS_END,
};

static const struct field irq_fields[] = {
	DOMCTL_FIELD(irq_permission.pirq, FLOW_IN),
	FIELDS_END,
};

static const struct field right_fields[] = {
	DOMCTL_FIELD(iomem_permission.first_mfn, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.nr_mfns, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.allow_access, FLOW_IN),
	FIELDS_END,
};

#define RIGHT(command_name, field_list, generator, expectation) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .fields = field_list, .generate = generator, .expect = expectation }

/* The last one as a row of its own: the right comes and goes. */
const struct operation domctl_rights[] = {
	RIGHT(iomem_permission, iomem_fields, generate_iomem, expect_iomem),
	RIGHT(ioport_permission, ioport_fields, generate_ioport, expect_ioport),
	RIGHT(irq_permission, irq_fields, generate_irq, expect_irq),
	{ .name = "iomem_right", .command = DOMCTL(iomem_permission), .danger = DANGER_OWN,
	  .weight = 4, .fields = right_fields, .generate = generate_right,
	  .expect = expect_right, .after = after_right },
};
const size_t domctl_rights_count = COUNT(domctl_rights);

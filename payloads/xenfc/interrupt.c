/*
 * Physical interrupts: none can be bound that is not there; one that nobody uses is mapped, bound
 * to a port of ours, and the port closed.
 */
#include "interrupt.h"

#include "domctl.h"
#include "physdev.h"
#include "port.h"

/* Those of the oldest machines that no device of today has, and Xen does not use either. */
static const int unused[] = { 5, 7, 10, 11, 12 };
#define CONSOLE_INTERRUPT 4	/* of the first serial line, which is mostly Xen's */

static struct evtchn_bind_pirq *beyond(const struct call *call)
{
	return (struct evtchn_bind_pirq *)(void *)call->structure->at;
}

/* Most others are the kernel's; of the last one a guest has not the right. */
static void generate_beyond(struct call *call)
{
	draw_fields(call);
	beyond(call)->pirq = draw_last_interrupt(call);
	if (call->run->machine.control && beyond(call)->pirq < call->run->machine.pirqs)
		beyond(call)->pirq++;
}

static void expect_beyond(struct call *call)
{
	expect_only(call, beyond(call)->pirq < call->run->machine.pirqs ? ERR(EPERM) : ERR(EINVAL));
}

static void *structure(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static long ask(struct call *call, unsigned int hypercall, unsigned int command)
{
	return aside(call->run, hypercall, command,
		     (uintptr_t)(call->run->door->arena + ARENA_ASIDE), 0);
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s an interrupt of our own gave %ld, expected %ld", what, result,
			   expected);
}

static long bind(struct call *call, uint32_t pirq, uint32_t *port)
{
	struct evtchn_bind_pirq *b = structure(call, sizeof(*b));
	long result;

	b->pirq = pirq;
	b->flags = chance(call, 50) ? BIND_PIRQ__WILL_SHARE : 0;
	result = ask(call, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq);
	*port = b->port;
	return result;
}

static void end_of_interrupt(struct call *call, uint32_t pirq)
{
	struct physdev_eoi *e = structure(call, sizeof(*e));

	e->irq = pirq;
	must(call, "ending", ask(call, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi), 0);
}

static void check_bound(struct call *call, uint32_t pirq, uint32_t port)
{
	struct evtchn_status *s = structure(call, sizeof(*s));

	s->dom = DOMID_SELF;
	s->port = port;
	must(call, "asking about", ask(call, __HYPERVISOR_event_channel_op, EVTCHNOP_status), 0);
	if (s->status != EVTCHNSTAT_pirq || s->u.pirq != pirq)
		call_wrong(call, "the port of interrupt %u has status %u, interrupt %u", pirq,
			   s->status, s->u.pirq);
}

static void move(struct call *call, uint32_t port)
{
	struct evtchn_bind_vcpu *b = structure(call, sizeof(*b));

	b->port = port;
	must(call, "moving", ask(call, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu), 0);
}

/* Our right to it can be passed on, and taken away again. */
static void pass_on(struct call *call, uint16_t id, uint32_t pirq)
{
	for (unsigned int allow = 2; allow--; ) {
		struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));

		d->u.irq_permission.pirq = pirq;
		d->u.irq_permission.allow_access = (uint8_t)allow;
		must(call, allow ? "giving the right to" : "taking away the right to",
		     domctl_aside(call->run, XEN_DOMCTL_irq_permission, id), 0);
	}
}

static void pass_on_to_all(struct call *call, uint32_t pirq)
{
	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		if (call->run->model.own[i].exists)
			pass_on(call, call->run->model.own[i].id, pirq);
}

static void be_bound(struct call *call, uint32_t pirq)
{
	uint32_t port, second;
	long result = bind(call, pirq, &port);

	if (result == ERR(EBUSY))	/* a driver of Xen's has it */
		return;
	must(call, "binding", result, 0);
	if (result)
		return;
	must(call, "binding twice", bind(call, pirq, &second), ERR(EEXIST));
	check_bound(call, pirq, port);
	move(call, port);
	end_of_interrupt(call, pirq);
	port_close(call, port);
}

/* What is refused is refused the same way once more: nothing of it was done. */
static void be_refused(struct call *call, int pirq)
{
	struct physdev_map_pirq *m = structure(call, sizeof(*m));
	uint32_t port;
	long result;

	m->domid = DOMID_SELF;
	m->type = MAP_PIRQ_TYPE_GSI;
	m->index = m->pirq = pirq;
	if (ask(call, __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq))
		return;
	result = bind(call, (uint32_t)pirq, &port);
	if (result)
		must(call, "binding once more, which was refused,",
		     bind(call, (uint32_t)pirq, &port), result);
	else
		port_close(call, port);
}

static void generate_life(struct call *call)
{
	struct physdev_map_pirq *m = (void *)call->structure->at;

	m->domid = DOMID_SELF;
	m->type = MAP_PIRQ_TYPE_GSI;
	m->index = m->pirq = unused[draw(call, COUNT(unused))];
}

/*
 * It stays mapped: with the mapping Xen would take the right to it away.  A second time changes
 * nothing.
 */
static void expect_life(struct call *call)
{
	if (physdev_by_control(call))
		expect_only(call, 0);
}

/* Without the right there is none that could be bound, either. */
static void after_life(struct call *call)
{
	const struct physdev_map_pirq *m = (void *)call->structure->at;
	uint32_t port;

	if (call->result == ERR(EPERM))
		must(call, "binding", bind(call, (uint32_t)m->pirq, &port), ERR(EPERM));
	if (call->result)
		return;
	pass_on_to_all(call, (uint32_t)m->pirq);
	be_bound(call, (uint32_t)m->pirq);
	be_refused(call, CONSOLE_INTERRUPT);
}

static const struct field bind_fields[] = {
	FIELD(struct evtchn_bind_pirq, pirq, FLOW_IN),
	FIELD(struct evtchn_bind_pirq, flags, FLOW_IN),
	FIELD(struct evtchn_bind_pirq, port, FLOW_OUT),
	FIELDS_END,
};

const struct operation evtchn_interrupt[] = {
	{ .name = "bind_pirq", .command = EVTCHNOP_bind_pirq, .danger = DANGER_SAFE,
	  .structure_size = sizeof(struct evtchn_bind_pirq), .fields = bind_fields,
	  .generate = generate_beyond, .expect = expect_beyond },
};
const size_t evtchn_interrupt_count = COUNT(evtchn_interrupt);

static const struct field life_fields[] = {
	FIELD(struct physdev_map_pirq, domid, FLOW_IN),
	FIELD(struct physdev_map_pirq, type, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, index, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, pirq, FLOW_INOUT),
	FIELD(struct physdev_map_pirq, entry_nr, FLOW_INOUT),
	FIELDS_END,
};

/* As a row of physdev_op, which is how it comes and goes. */
const struct operation physdev_interrupt[] = {
	PHYSDEV("interrupt_of_our_own", map_pirq, DANGER_HOST, TRAIT_KERNEL | TRAIT_ALONE,
		physdev_map_pirq, life_fields, generate_life, expect_life, after_life),
};
const size_t physdev_interrupt_count = COUNT(physdev_interrupt);

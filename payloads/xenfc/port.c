/* A port of the caller's own domain, from its making to its end. */
#include "port.h"

#include "port_event.h"
#include "run.h"

void *port_structure(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static long ask(struct call *call, unsigned int command)
{
	return aside(call->run, __HYPERVISOR_event_channel_op, command,
		     (uintptr_t)(call->run->door->arena + ARENA_ASIDE), 0);
}

void port_must(struct call *call, unsigned int command, const char *what, long expected)
{
	long result = ask(call, command);

	if (result != expected)
		call_wrong(call, "%s a port of our own gave %ld, expected %ld", what, result,
			   expected);
}

void port_close(struct call *call, uint32_t port)
{
	struct evtchn_close *close = port_structure(call, sizeof(*close));

	close->port = port;
	port_must(call, EVTCHNOP_close, "closing", 0);
	port_check_silent(call, port);
}

static void check_status(struct call *call, uint32_t port, uint32_t status)
{
	struct evtchn_status *s = port_structure(call, sizeof(*s));

	s->dom = DOMID_SELF;
	s->port = port;
	port_must(call, EVTCHNOP_status, "asking about", 0);
	if (s->status != status)
		call_wrong(call, "a port of our own has status %u, expected %u", s->status, status);
	if (s->vcpu)
		call_wrong(call, "a port of our own is told to be for processor %u", s->vcpu);
}

static void check_waits_for(struct call *call, uint32_t port, uint16_t remote)
{
	const struct evtchn_status *s = (void *)(call->run->door->arena + ARENA_ASIDE);

	check_status(call, port, EVTCHNSTAT_unbound);
	if (s->u.unbound.dom != remote)
		call_wrong(call, "a port for domain %u waits for domain %u", remote,
			   s->u.unbound.dom);
}

static void check_bound_to(struct call *call, uint32_t port, uint32_t other)
{
	const struct evtchn_status *s = (void *)(call->run->door->arena + ARENA_ASIDE);

	check_status(call, port, EVTCHNSTAT_interdomain);
	if (s->u.interdomain.dom != call->run->machine.domid || s->u.interdomain.port != other)
		call_wrong(call, "port %u of ours is told to be bound to %u of domain %u, not to %u",
			   port, s->u.interdomain.port, s->u.interdomain.dom, other);
}

void port_move(struct call *call, uint32_t port, uint32_t vcpu, long expected)
{
	struct evtchn_bind_vcpu *bind = port_structure(call, sizeof(*bind));

	bind->port = port;
	bind->vcpu = vcpu;
	port_must(call, EVTCHNOP_bind_vcpu, "moving", expected);
}

void port_send(struct call *call, uint32_t port, long expected)
{
	struct evtchn_send *s = port_structure(call, sizeof(*s));

	s->port = port;
	port_must(call, EVTCHNOP_send, "sending to", expected);
}

/* Only domains that use the newer kind of ports (a Linux does) have priorities. */
static void set_priority(struct call *call, uint32_t port)
{
	struct evtchn_set_priority *s = port_structure(call, sizeof(*s));
	long right, result;

	s->port = port;
	s->priority = (uint32_t)draw(call, 2 * EVTCHN_FIFO_PRIORITY_MIN);
	right = s->priority > EVTCHN_FIFO_PRIORITY_MIN ? ERR(EINVAL) : 0;
	result = ask(call, EVTCHNOP_set_priority);
	if (result != right && result != ERR(ENOSYS))
		call_wrong(call, "the priority %u of a port gave %ld", s->priority, result);
}

static void bind_to_itself(struct call *call, uint32_t port)
{
	struct evtchn_bind_interdomain *b = port_structure(call, sizeof(*b));
	uint32_t other;

	b->remote_dom = DOMID_SELF;
	b->remote_port = port;
	port_must(call, EVTCHNOP_bind_interdomain, "binding", 0);
	other = b->local_port;
	port_check_waits(call, other, true);
	check_bound_to(call, port, other);
	check_bound_to(call, other, port);
	port_send(call, other, 0);
	port_check_event(call, other, port);
	port_check_event(call, port, other);
	port_move(call, other, 0, 0);
	port_close(call, other);
	check_waits_for(call, port, call->run->machine.domid);
}

void port_check_bound(struct call *call, uint32_t port, uint32_t status, long moving,
		      long sending)
{
	/* Nothing but we can send to it. */
	if (!sending)
		port_check_waits(call, port, false);
	check_status(call, port, status);
	port_move(call, port, 0, moving);
	port_send(call, port, sending);
	if (!sending)
		port_check_event(call, port, port);
	port_close(call, port);
}

void port_live(struct call *call, uint32_t port, uint16_t remote)
{
	uint16_t self = call->run->machine.domid;

	check_waits_for(call, port, remote == DOMID_SELF ? self : remote);
	port_move(call, port, call->run->machine.vcpus, ERR(ENOENT));
	port_move(call, port, 0, 0);
	port_send(call, port, 0);
	set_priority(call, port);
	if (remote == DOMID_SELF || remote == self)
		bind_to_itself(call, port);
	port_close(call, port);
	check_status(call, port, EVTCHNSTAT_closed);
	port_send(call, port, ERR(EINVAL));
}

/* event_channel_op: ports of domains of ours; those of the caller alone are in evtchn_local.c. */
#include "domctl.h"
#include "evtchn.h"
#include "fifo.h"
#include "interrupt.h"
#include "port.h"
#include "port_event.h"
#include "second.h"
#include "who.h"

/* Xen makes room for ports in buckets; those beyond the model's may or may not be there. */
#define PORTS_SURE_TO_END 1024u

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_alloc(struct call *call)
{
	struct evtchn_alloc_unbound *a = (void *)structure(call);

	a->dom = draw_who(call, true);
	a->remote_dom = chance(call, 50) ? DOMID_SELF : draw_who(call, true);
}

/* Ports are given out from the lowest one on; MODEL_PORTS: none is known to be free. */
static uint32_t lowest_free(const struct domain_model *domain)
{
	uint32_t port = 0;

	while (port < MODEL_PORTS && domain->ports[port].state != PORT_FREE)
		port++;
	return port;
}

static void expect_alloc(struct call *call)
{
	const struct evtchn_alloc_unbound *a = (void *)structure(call);
	uint32_t port;

	if (!who_allows(call, a->dom, LOOKUP_ANY, RIGHT_TARGET)) {
		/* A port is looked for before the right; a domain that is dying has none. */
		if (who_is(call, a->dom, LOOKUP_ANY) == WHO_UNSURE)
			expect_also(call, ERR(EINVAL));
		return;
	}
	expect_only(call, 0);
	if (!call->domain)
		return;
	port = lowest_free(call->domain);
	expect_only(call, port > call->domain->max_evtchn_port ? ERR(ENOSPC) : 0);
	if (port == MODEL_PORTS)
		expect_also(call, ERR(ENOSPC));
}

static void after_alloc(struct call *call)
{
	const struct evtchn_alloc_unbound *a = (void *)structure(call);
	uint32_t port;

	if (call->result)
		return;
	if (!call->domain) {
		port_live(call, a->port, a->remote_dom);
		return;
	}
	port = lowest_free(call->domain);
	if (port < MODEL_PORTS && a->port != port)
		call_wrong(call, "port %u was given, %u is the lowest free one", a->port, port);
	if (port < MODEL_PORTS)
		call->domain->ports[port] = (struct port_model){
			PORT_UNBOUND, a->remote_dom == DOMID_SELF ? call->run->machine.domid :
				      a->remote_dom,
		};
}

static void generate_interdomain(struct call *call)
{
	struct evtchn_bind_interdomain *b = (void *)structure(call);

	b->remote_dom = draw_who(call, true);
	b->remote_port = draw_mostly(call, 90, chance(call, 60) ? 3 : 8);
	/* Ports of others and of ourselves may wait for somebody. */
	if (!model_slot(&call->run->model, b->remote_dom))
		b->remote_port = chance(call, 50) ? 0 : b->remote_port | PORT_BEYOND;
}

static bool waits_for_us(const struct call *call, const struct domain_model *domain, uint32_t port)
{
	return domain->ports[port].state == PORT_UNBOUND &&
	       domain->ports[port].remote == call->run->machine.domid;
}

static void expect_interdomain(struct call *call)
{
	const struct evtchn_bind_interdomain *b = (void *)structure(call);
	const struct domain_model *domain;

	/* The port is looked at first: no right is asked for before one waits for us. */
	if (!who_allows(call, b->remote_dom, LOOKUP_ANY, RIGHT_ANYBODY)) {
		if (expect_names(&call->expect, ERR(EPERM))) {
			expect_only(call, ERR(EINVAL));
			expect_also(call, ERR(ESRCH));
		}
		return;
	}
	domain = call->domain;
	if (!domain)
		expect_only(call, ERR(EINVAL));
	else if (b->remote_port < MODEL_PORTS && waits_for_us(call, domain, b->remote_port))
		expect_only(call, 0);
	else
		expect_only(call, ERR(EINVAL));
	if (domain && b->remote_port >= MODEL_PORTS && b->remote_port < PORTS_SURE_TO_END)
		expect_also(call, 0);
}

static void must(struct call *call, const char *what, long result)
{
	if (result)
		call_wrong(call, "%s a domain that is to suspend gave %ld", what, result);
}

static void subscribe(struct call *call, uint32_t port)
{
	struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));

	d->u.subscribe.port = port;
	must(call, "a port for", domctl_aside(call->run, XEN_DOMCTL_subscribe, call->domain->id));
}

/* Who asked for it is told when a domain suspends, and of no other end of it; then it goes on. */
static void check_suspended(struct call *call, const struct evtchn_bind_interdomain *b)
{
	struct sched_remote_shutdown *r = (void *)(call->run->door->arena + ARENA_ASIDE);
	bool suspends = chance(call, 70);

	port_check_waits(call, b->local_port, true);
	subscribe(call, b->remote_port);
	*r = (struct sched_remote_shutdown){
		.domain_id = call->domain->id, .reason = suspends ? SHUTDOWN_suspend : SHUTDOWN_reboot,
	};
	must(call, "ending", aside(call->run, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown,
				   (uintptr_t)r, 0));
	port_check_waits(call, b->local_port, suspends);
	must(call, "going on with", domctl_aside(call->run, XEN_DOMCTL_resumedomain,
						 call->domain->id));
	subscribe(call, 0);
}

/* Our end is closed at once; the other one then waits for us again.  Xen itself may end HVM domains. */
static void after_interdomain(struct call *call)
{
	const struct evtchn_bind_interdomain *b = (void *)structure(call);

	if (call->result)
		return;
	if (call->domain && !call->domain->hvm && !call->domain->shut && chance(call, 60))
		check_suspended(call, b);
	port_close(call, b->local_port);
}

static void generate_status(struct call *call)
{
	struct evtchn_status *s = (void *)structure(call);

	s->dom = draw_who(call, true);
	s->port = draw_mostly(call, 90, MODEL_PORTS);
}

static void expect_status(struct call *call)
{
	const struct evtchn_status *s = (void *)structure(call);

	if (!who_allows(call, s->dom, LOOKUP_ANY, RIGHT_TARGET)) {
		/* The port is looked at before the right. */
		if (expect_names(&call->expect, ERR(EPERM)) && s->port)
			expect_also(call, ERR(EINVAL));
		return;
	}
	expect_only(call, s->port < MODEL_PORTS ? 0 : ERR(EINVAL));
	if (s->port >= MODEL_PORTS && s->port < PORT_BEYOND)
		expect_also(call, 0);
	/* Ports that Xen itself is bound to are not told about. */
	if (!call->domain && s->port)
		expect_also(call, ERR(EACCES));
}

static void after_status(struct call *call)
{
	const struct evtchn_status *s = (void *)structure(call);
	const struct domain_model *domain = model_domain(&call->run->model, s->dom);
	const struct port_model *port;

	if (call->result || !domain || s->port >= MODEL_PORTS)
		return;
	port = &domain->ports[s->port];
	if (s->vcpu)
		call_wrong(call, "a port that nobody moved is for processor %u", s->vcpu);
	if (port->state != PORT_UNBOUND && s->status != EVTCHNSTAT_closed)
		call_wrong(call, "a closed port has status %u", s->status);
	if (port->state == PORT_UNBOUND &&
	    (s->status != EVTCHNSTAT_unbound || s->u.unbound.dom != port->remote))
		call_wrong(call, "a port for domain %u has status %u, domain %u", port->remote,
			   s->status, s->u.unbound.dom);
}

static const struct field alloc_fields[] = {
	FIELD(struct evtchn_alloc_unbound, dom, FLOW_IN),
	FIELD(struct evtchn_alloc_unbound, remote_dom, FLOW_IN),
	FIELD(struct evtchn_alloc_unbound, port, FLOW_OUT),
	FIELDS_END,
};

static const struct field interdomain_fields[] = {
	FIELD(struct evtchn_bind_interdomain, remote_dom, FLOW_IN),
	FIELD(struct evtchn_bind_interdomain, remote_port, FLOW_IN),
	FIELD(struct evtchn_bind_interdomain, local_port, FLOW_OUT),
	FIELDS_END,
};

static const struct field status_fields[] = {
	FIELD(struct evtchn_status, dom, FLOW_IN),
	FIELD(struct evtchn_status, port, FLOW_IN),
	FIELD(struct evtchn_status, status, FLOW_OUT),
	FIELD(struct evtchn_status, vcpu, FLOW_OUT),
	FIELD(struct evtchn_status, u, FLOW_INOUT),
	FIELDS_END,
};

static const struct operation operations[] = {
	EVTCHN(alloc_unbound, DANGER_OWN, evtchn_alloc_unbound, alloc_fields, generate_alloc,
	       expect_alloc, after_alloc),
	EVTCHN(bind_interdomain, DANGER_OWN, evtchn_bind_interdomain, interdomain_fields,
	       generate_interdomain, expect_interdomain, after_interdomain),
	{ .name = "status", .command = EVTCHNOP_status, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .structure_size = sizeof(struct evtchn_status),
	  .fields = status_fields, .generate = generate_status, .expect = expect_status,
	  .after = after_status },
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ evtchn_local, &evtchn_local_count },
	{ evtchn_interrupt, &evtchn_interrupt_count },
	{ evtchn_fifo, &evtchn_fifo_count },
	{ evtchn_second, &evtchn_second_count },
};

static bool exists(uint32_t command)
{
	return command < 16;
}

const struct family family_evtchn = {
	.name = "evtchn",
	.hypercall = __HYPERVISOR_event_channel_op,
	.structure_size = 64,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = command_generate,
	.expect = command_expect,
};

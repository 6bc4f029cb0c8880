/* event_channel_op: ports of domains of ours, and what the caller's own refuse. */
#include "fifo.h"
#include "interrupt.h"
#include "port.h"
#include "run.h"
#include "who.h"

#define PORT_BEYOND (1u << 20)	/* no domain has so many */
#define VIRQS 24u
/* Xen makes room for ports in buckets; those beyond the model's may or may not be there. */
#define PORTS_SURE_TO_END 1024u

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

/* Processors that the caller does not have: the first, or any. */
static uint32_t draw_no_vcpu(struct call *call)
{
	uint32_t vcpus = call->run->machine.vcpus;

	return vcpus + (chance(call, 50) ? 0 : (uint32_t)draw_interesting(call, 31));
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
	b->remote_port = draw_mostly(call, 90, 8);
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

/* Our end is closed at once; the other one then waits for us again. */
static void after_interdomain(struct call *call)
{
	const struct evtchn_bind_interdomain *b = (void *)structure(call);

	if (!call->result)
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
	if (port->state != PORT_UNBOUND && s->status != EVTCHNSTAT_closed)
		call_wrong(call, "a closed port has status %u", s->status);
	if (port->state == PORT_UNBOUND &&
	    (s->status != EVTCHNSTAT_unbound || s->u.unbound.dom != port->remote))
		call_wrong(call, "a port for domain %u has status %u, domain %u", port->remote,
			   s->status, s->u.unbound.dom);
}

static void generate_virq(struct call *call)
{
	struct evtchn_bind_virq *b = (void *)structure(call);

	b->virq = draw_mostly(call, 70, VIRQS);
	b->vcpu = chance(call, 70) ? 0 : draw_no_vcpu(call);
}

static bool virq_is_global(uint32_t virq)
{
	return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
	       virq != VIRQ_XENPMU;
}

static void expect_virq(struct call *call)
{
	const struct evtchn_bind_virq *b = (void *)structure(call);

	if (b->virq >= VIRQS) {
		expect_only(call, ERR(EINVAL));
	} else if (b->vcpu) {
		expect_only(call, virq_is_global(b->virq) && b->virq < VIRQ_ARCH_0 ?
			    ERR(EINVAL) : ERR(ENOENT));
		if (b->virq >= VIRQ_ARCH_0)
			expect_also(call, ERR(EINVAL));
	} else {
		expect_only(call, 0);
		expect_also(call, ERR(EEXIST));
		/* Global ones belong to a domain each since 4.20. */
		expect_also(call, ERR(EBUSY));
	}
}

/* An interrupt tells one port only, whoever bound it. */
static void bind_virq_twice(struct call *call)
{
	struct evtchn_bind_virq *b = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	memcpy(b, structure(call), sizeof(*b));
	result = aside(call->run, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uintptr_t)b,
		       0);
	if (result != ERR(EEXIST))
		call_wrong(call, "binding it twice gave %ld, expected %ld", result, ERR(EEXIST));
}

static void after_virq(struct call *call)
{
	const struct evtchn_bind_virq *b = (void *)structure(call);

	if (call->result)
		return;
	bind_virq_twice(call);
	port_check_bound(call, b->port, EVTCHNSTAT_virq,
			 virq_is_global(b->virq) ? 0 : ERR(EINVAL), ERR(EINVAL));
}

static void generate_ipi(struct call *call)
{
	struct evtchn_bind_ipi *b = (void *)structure(call);

	b->vcpu = chance(call, 50) ? 0 : draw_no_vcpu(call);
}

static void expect_ipi(struct call *call)
{
	const struct evtchn_bind_ipi *b = (void *)structure(call);

	expect_only(call, b->vcpu ? ERR(ENOENT) : 0);
}

static void after_ipi(struct call *call)
{
	const struct evtchn_bind_ipi *b = (void *)structure(call);

	if (!call->result)
		port_check_bound(call, b->port, EVTCHNSTAT_ipi, ERR(EINVAL), 0);
}

/* Ports of the caller that cannot be there: its real ones are its kernel's. */
static void generate_no_port(struct call *call)
{
	uint32_t *port = (void *)structure(call);

	draw_fields(call);
	*port = chance(call, 30) ? 0 : PORT_BEYOND | (uint32_t)draw_interesting(call, 32);
}

static void expect_no_port(struct call *call)
{
	expect_only(call, ERR(EINVAL));
}

static void generate_bind_vcpu(struct call *call)
{
	struct evtchn_bind_vcpu *b = (void *)structure(call);

	generate_no_port(call);
	b->vcpu = chance(call, 50) ? 0 : draw_no_vcpu(call);
}

static void expect_bind_vcpu(struct call *call)
{
	const struct evtchn_bind_vcpu *b = (void *)structure(call);

	expect_only(call, b->vcpu ? ERR(ENOENT) : ERR(EINVAL));
}

static void generate_unmask(struct call *call)
{
	struct evtchn_unmask *u = (void *)structure(call);

	u->port = PORT_BEYOND | (uint32_t)draw_interesting(call, 32);
}

static void generate_reset(struct call *call)
{
	struct evtchn_reset *r = (void *)structure(call);

	r->dom = draw_who(call, false);
}

static void expect_reset(struct call *call)
{
	const struct evtchn_reset *r = (void *)structure(call);

	if (who_allows(call, r->dom, LOOKUP_ANY, RIGHT_TARGET))
		expect_only(call, call->domain->paused ? 0 : ERR(EINVAL));
}

static void after_reset(struct call *call)
{
	if (call->result || !call->domain)
		return;
	for (unsigned int i = 1; i < MODEL_PORTS; i++)
		call->domain->ports[i] = (struct port_model){ .state = PORT_FREE };
}

/* A kernel of ours never asked for the newer kind of ports. */
static void expect_no_array(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
}

static void generate_control(struct call *call)
{
	struct evtchn_init_control *c = (void *)structure(call);

	draw_fields(call);
	c->vcpu = draw_no_vcpu(call);
}

static void expect_control(struct call *call)
{
	expect_only(call, ERR(ENOENT));
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

static const struct field virq_fields[] = {
	FIELD(struct evtchn_bind_virq, virq, FLOW_IN),
	FIELD(struct evtchn_bind_virq, vcpu, FLOW_IN),
	FIELD(struct evtchn_bind_virq, port, FLOW_OUT),
	FIELDS_END,
};

static const struct field ipi_fields[] = {
	FIELD(struct evtchn_bind_ipi, vcpu, FLOW_IN),
	FIELD(struct evtchn_bind_ipi, port, FLOW_OUT),
	FIELDS_END,
};

static const struct field port_fields[] = {
	FIELD(struct evtchn_close, port, FLOW_IN),
	FIELDS_END,
};

static const struct field bind_vcpu_fields[] = {
	FIELD(struct evtchn_bind_vcpu, port, FLOW_IN),
	FIELD(struct evtchn_bind_vcpu, vcpu, FLOW_IN),
	FIELDS_END,
};

static const struct field reset_fields[] = {
	FIELD(struct evtchn_reset, dom, FLOW_IN),
	FIELDS_END,
};

static const struct field array_fields[] = {
	FIELD(struct evtchn_expand_array, array_gfn, FLOW_IN),
	FIELDS_END,
};

static const struct field control_fields[] = {
	FIELD(struct evtchn_init_control, control_gfn, FLOW_IN),
	FIELD(struct evtchn_init_control, offset, FLOW_IN),
	FIELD(struct evtchn_init_control, vcpu, FLOW_IN),
	FIELDS_END,
};

#define EVTCHN(command_name, class, type, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = EVTCHNOP_##command_name, .danger = class, \
	  .structure_size = sizeof(struct type), .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

static const struct operation operations[] = {
	EVTCHN(alloc_unbound, DANGER_OWN, evtchn_alloc_unbound, alloc_fields, generate_alloc,
	       expect_alloc, after_alloc),
	EVTCHN(bind_interdomain, DANGER_OWN, evtchn_bind_interdomain, interdomain_fields,
	       generate_interdomain, expect_interdomain, after_interdomain),
	{ .name = "status", .command = EVTCHNOP_status, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .structure_size = sizeof(struct evtchn_status),
	  .fields = status_fields, .generate = generate_status, .expect = expect_status,
	  .after = after_status },
	EVTCHN(bind_virq, DANGER_OWN, evtchn_bind_virq, virq_fields, generate_virq, expect_virq,
	       after_virq),
	EVTCHN(bind_ipi, DANGER_OWN, evtchn_bind_ipi, ipi_fields, generate_ipi, expect_ipi,
	       after_ipi),
	EVTCHN(close, DANGER_SAFE, evtchn_close, port_fields, generate_no_port, expect_no_port,
	       NULL),
	EVTCHN(send, DANGER_SAFE, evtchn_send, port_fields, generate_no_port, expect_no_port,
	       NULL),
	EVTCHN(bind_vcpu, DANGER_SAFE, evtchn_bind_vcpu, bind_vcpu_fields, generate_bind_vcpu,
	       expect_bind_vcpu, NULL),
	EVTCHN(unmask, DANGER_SAFE, evtchn_unmask, port_fields, generate_unmask, expect_no_port,
	       NULL),
	EVTCHN(reset, DANGER_OWN, evtchn_reset, reset_fields, generate_reset, expect_reset,
	       after_reset),
	{ .name = "expand_array", .command = EVTCHNOP_expand_array, .danger = DANGER_SAFE,
	  .traits = TRAIT_KERNEL, .weight = 3,
	  .structure_size = sizeof(struct evtchn_expand_array), .fields = array_fields,
	  .expect = expect_no_array },
	EVTCHN(init_control, DANGER_SAFE, evtchn_init_control, control_fields, generate_control,
	       expect_control, NULL),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ evtchn_interrupt, &evtchn_interrupt_count },
	{ evtchn_fifo, &evtchn_fifo_count },
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

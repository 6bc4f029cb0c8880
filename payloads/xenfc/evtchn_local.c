/* event_channel_op: ports that are for the caller alone, and such as cannot be there. */
#include "evtchn.h"
#include "port.h"
#include "second.h"
#include "who.h"

#define VIRQS 24u
#define RESET_CONTINUED 14u	/* internal to Xen */

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
		/* Our kernel may have bound it. */
		if (call->run->machine.has_ports)
			expect_also(call, ERR(EEXIST));
		/* Global ones belong to a domain each since 4.20. */
		if (since(call, RELEASE(4, 20)))
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

/* Whichever processor it was moved to, it is nobody's when its port is closed. */
static void bind_virq_again(struct call *call)
{
	for (unsigned int i = 0; i < 2 && !call->wrong[0]; i++) {
		struct evtchn_bind_virq *b = port_structure(call, sizeof(*b));
		uint32_t port;

		memcpy(b, structure(call), sizeof(*b));
		port_must(call, EVTCHNOP_bind_virq, "binding again", 0);
		port = b->port;
		port_move(call, port, SECOND_VCPU, 0);
		port_close(call, port);
	}
}

static void after_virq(struct call *call)
{
	const struct evtchn_bind_virq *b = (void *)structure(call);

	if (call->result)
		return;
	bind_virq_twice(call);
	port_check_bound(call, b->port, EVTCHNSTAT_virq,
			 virq_is_global(b->virq) ? 0 : ERR(EINVAL), ERR(EINVAL));
	if (virq_is_global(b->virq) && call->run->machine.vcpus > SECOND_VCPU)
		bind_virq_again(call);
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

/* How Xen goes on with what it interrupted: who asks for it himself has nothing to go on with. */
static void generate_continued(struct call *call)
{
	struct evtchn_reset *r = (void *)structure(call);

	r->dom = draw_who(call, true);
}

static void expect_continued(struct call *call)
{
	const struct evtchn_reset *r = (void *)structure(call);

	if (who_allows(call, r->dom, LOOKUP_ANY, RIGHT_TARGET))
		expect_only(call, call->domain && !call->domain->paused ? ERR(EINVAL) : ERR(EBUSY));
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

const struct operation evtchn_local[] = {
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
	{ .name = "reset_continued", .command = RESET_CONTINUED, .danger = DANGER_OWN, .weight = 3,
	  .since = RELEASE(4, 15), .structure_size = sizeof(struct evtchn_reset), .fields = reset_fields,
	  .generate = generate_continued, .expect = expect_continued },
	{ .name = "expand_array", .command = EVTCHNOP_expand_array, .danger = DANGER_SAFE,
	  .traits = TRAIT_KERNEL, .weight = 3,
	  .structure_size = sizeof(struct evtchn_expand_array), .fields = array_fields,
	  .expect = expect_no_array },
	EVTCHN(init_control, DANGER_SAFE, evtchn_init_control, control_fields, generate_control,
	       expect_control, NULL),
};
const size_t evtchn_local_count = COUNT(evtchn_local);

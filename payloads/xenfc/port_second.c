/*
 * event_channel_op: ports for the caller's second processor, which was never started.  Each is told to
 * be for that one, its events are announced there and nowhere else, and a port that was closed is the
 * first one's again.
 */
#include "evtchn.h"
#include "port.h"
#include "port_event.h"
#include "second.h"

#define WORD_BITS (8u * (uint32_t)sizeof(xen_ulong_t))
#define MOST_PORTS (WORD_BITS * WORD_BITS)

static void check_whose(struct call *call, uint32_t port, uint32_t vcpu)
{
	struct evtchn_status *s = port_structure(call, sizeof(*s));

	s->dom = DOMID_SELF;
	s->port = port;
	port_must(call, EVTCHNOP_status, "asking about", 0);
	if (s->vcpu != vcpu)
		call_wrong(call, "port %u is told to be for processor %u, not %u", port, s->vcpu, vcpu);
}

/* An event for the port by way of `sender`: where the kernel is ours, who is told of it shows. */
static void check_told(struct call *call, uint32_t sender, uint32_t port)
{
	struct shared_info *shared = call->run->door->shared;
	volatile struct vcpu_info *own = call->run->door->processor, *second;
	xen_ulong_t word = port / WORD_BITS, bit = (xen_ulong_t)1 << port % WORD_BITS;
	bool interrupted = call->interrupted;

	if (!shared || port >= MOST_PORTS)
		return;
	second = &shared->vcpu_info[SECOND_VCPU];
	call->interrupted = false;
	events_forget(call);
	__atomic_fetch_and(&own->evtchn_pending_sel, ~((xen_ulong_t)1 << word), __ATOMIC_SEQ_CST);
	second->evtchn_pending_sel = 0;
	second->evtchn_upcall_pending = 0;
	__atomic_fetch_and(&shared->evtchn_pending[word], ~bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&shared->evtchn_mask[word], ~bit, __ATOMIC_SEQ_CST);
	port_send(call, sender, 0);
	if (!(second->evtchn_pending_sel >> word & 1) || !second->evtchn_upcall_pending)
		call_wrong(call, "our second processor was not told of an event of port %u", port);
	/* Another port of the same word may have got one. */
	if (own->evtchn_pending_sel >> word & 1 &&
	    !(shared->evtchn_pending[word] & ~shared->evtchn_mask[word] & ~bit))
		call_wrong(call, "an event of port %u was told to the wrong processor", port);
	__atomic_fetch_or(&shared->evtchn_mask[word], bit, __ATOMIC_SEQ_CST);
	second->evtchn_pending_sel = 0;
	second->evtchn_upcall_pending = 0;
	events_forget(call);
	call->interrupted = interrupted;
}

static uint32_t new_port(struct call *call)
{
	struct evtchn_alloc_unbound *alloc = port_structure(call, sizeof(*alloc));

	alloc->dom = alloc->remote_dom = DOMID_SELF;
	port_must(call, EVTCHNOP_alloc_unbound, "making", 0);
	return alloc->port;
}

/* Whoever has the number next begins with the first processor. */
static void close_for_good(struct call *call, uint32_t port)
{
	uint32_t again;

	port_close(call, port);
	again = new_port(call);
	check_whose(call, again, 0);
	port_close(call, again);
}

static void check_port(struct call *call, uint32_t port, long moving, long sending)
{
	check_whose(call, port, SECOND_VCPU);
	port_move(call, port, 0, moving);
	port_move(call, port, SECOND_VCPU, moving);
	check_whose(call, port, SECOND_VCPU);
	if (sending)
		port_send(call, port, sending);
	else
		check_told(call, port, port);
	close_for_good(call, port);
}

static void generate_virq(struct call *call)
{
	static const uint32_t each[] = { VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU };
	struct evtchn_bind_virq *b = (void *)call->structure->at;

	b->virq = chance(call, 70) ? each[draw(call, COUNT(each))] : VIRQ_CONSOLE;
	b->vcpu = SECOND_VCPU;
}

/* Those of the whole domain are for the first processor. */
static void expect_virq(struct call *call)
{
	const struct evtchn_bind_virq *b = (void *)call->structure->at;

	if (b->virq == VIRQ_CONSOLE)
		expect_only(call, ERR(EINVAL));
	else
		second_expect(call, 0);
}

static void after_virq(struct call *call)
{
	const struct evtchn_bind_virq *b = (void *)call->structure->at;
	struct evtchn_bind_virq *again;

	if (call->result)
		return;
	again = port_structure(call, sizeof(*again));
	again->virq = b->virq;
	again->vcpu = SECOND_VCPU;
	port_must(call, EVTCHNOP_bind_virq, "binding twice", ERR(EEXIST));
	check_port(call, b->port, ERR(EINVAL), ERR(EINVAL));
}

static void generate_ipi(struct call *call)
{
	((struct evtchn_bind_ipi *)(void *)call->structure->at)->vcpu = SECOND_VCPU;
}

static void expect_ipi(struct call *call)
{
	second_expect(call, 0);
}

static void after_ipi(struct call *call)
{
	const struct evtchn_bind_ipi *b = (void *)call->structure->at;

	if (!call->result)
		check_port(call, b->port, ERR(EINVAL), 0);
}

static void generate_move(struct call *call)
{
	struct evtchn_alloc_unbound *a = (void *)call->structure->at;

	a->dom = a->remote_dom = DOMID_SELF;
}

/* A port that waits for us is bound, and moved; what is sent to it goes to where it is. */
static void after_move(struct call *call)
{
	const struct evtchn_alloc_unbound *a = (void *)call->structure->at;
	struct evtchn_bind_interdomain *b;
	uint32_t other;

	if (call->result)
		return;
	if (call->run->machine.vcpus <= SECOND_VCPU) {
		port_close(call, a->port);
		return;
	}
	b = port_structure(call, sizeof(*b));
	b->remote_dom = DOMID_SELF;
	b->remote_port = a->port;
	port_must(call, EVTCHNOP_bind_interdomain, "binding", 0);
	other = b->local_port;
	port_move(call, a->port, SECOND_VCPU, 0);
	check_whose(call, a->port, SECOND_VCPU);
	check_whose(call, other, 0);
	check_told(call, other, a->port);
	port_close(call, other);
	check_whose(call, a->port, SECOND_VCPU);
	close_for_good(call, a->port);
}

static const struct field virq_fields[] = {
	FIELD(struct evtchn_bind_virq, virq, FLOW_IN),
	FIELD(struct evtchn_bind_virq, port, FLOW_OUT),
	FIELDS_END,
};

static const struct field ipi_fields[] = {
	FIELD(struct evtchn_bind_ipi, port, FLOW_OUT),
	FIELDS_END,
};

static const struct field move_fields[] = {
	FIELD(struct evtchn_alloc_unbound, port, FLOW_OUT),
	FIELDS_END,
};

#define SECOND(label, command_name, type, field_list, generator, expectation, follow) \
	{ .name = "second_" label, .command = EVTCHNOP_##command_name, .danger = DANGER_OWN, \
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 3, .structure_size = sizeof(struct type), \
	  .fields = field_list, .generate = generator, .expect = expectation, .after = follow }

const struct operation evtchn_second[] = {
	SECOND("virq", bind_virq, evtchn_bind_virq, virq_fields, generate_virq, expect_virq,
	       after_virq),
	SECOND("ipi", bind_ipi, evtchn_bind_ipi, ipi_fields, generate_ipi, expect_ipi, after_ipi),
	SECOND("moved", alloc_unbound, evtchn_alloc_unbound, move_fields, generate_move,
	       expect_success, after_move),
};
const size_t evtchn_second_count = COUNT(evtchn_second);

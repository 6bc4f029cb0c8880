/*
 * argo_op(command, pointer, pointer, number, number): messages between domains.  Off unless
 * Xen was started with it; then a kernel of our own sends messages to itself.
 */
#include "run.h"
#include "who.h"

#define MOST_VECTORS 8u
#define VECTOR_BYTES 256u
#define NO_FRAME (1ull << 40)
#define RING_PAGE 27u
#define SLOT XEN_ARGO_MSG_SLOT_SIZE
#define HEADER ((uint32_t)sizeof(struct xen_argo_ring_message_header))
#define RING_BYTES ((uint32_t)(DOOR_PAGE - sizeof(xen_argo_ring_t)))
#define LEAST_RING 48u
#define MOST_ROOM (RING_BYTES - HEADER - SLOT)	/* one slot of a ring stays free */
#define MESSAGES 3u
#define OUR_PORT 77u

static bool argo_expect(struct call *call)
{
	if (call->arguments[3] >> 32 || call->arguments[4] >> 32) {
		expect_only(call, ERR(EINVAL));
		expect_also(call, ERR(ENOSYS));
		return false;
	}
	if (call->run->machine.argo)
		return true;
	expect_only(call, ERR(EOPNOTSUPP));
	expect_also(call, ERR(ENOSYS));
	return false;
}

static void argo_generate(struct call *call)
{
	call->arguments[0] = call->command;
}

static void generate_none(struct call *call)
{
	struct area *first = area_take(call, 256, true), *second = area_take(call, 256, true);

	call->arguments[0] = 16 + draw_interesting(call, 30);
	call->arguments[1] = area_address(call, first);
	call->arguments[2] = area_address(call, second);
	call->arguments[3] = draw_interesting(call, chance(call, 80) ? 32 : 64);
	call->arguments[4] = draw_interesting(call, chance(call, 80) ? 32 : 64);
}

static void expect_none(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
}

/* Rings that cannot be, or whose page is nowhere. */
static void generate_register(struct call *call)
{
	struct area *ring = area_take(call, sizeof(xen_argo_register_ring_t), false);
	struct area *frames = area_take(call, sizeof(xen_argo_gfn_t), false);
	xen_argo_register_ring_t *r = (void *)ring->at;
	xen_argo_gfn_t frame = NO_FRAME | draw(call, 1u << 20);

	memcpy(frames->at, &frame, sizeof(frame));
	r->aport = (xen_argo_port_t)draw(call, 8);
	r->partner_id = chance(call, 10) ? XEN_ARGO_DOMID_ANY : draw_who(call, true);
	r->pad = chance(call, 10);
	r->len = chance(call, 80) ? LEAST_RING + SLOT * (uint32_t)draw(call, 240) :
		(uint32_t)draw(call, LEAST_RING);
	call->arguments[1] = area_address(call, ring);
	call->arguments[2] = area_sure(frames);
	call->arguments[3] = 1;
	call->arguments[4] = chance(call, 10) ? 2 + draw_interesting(call, 30) : draw(call, 2);
}

static void expect_register(struct call *call)
{
	const xen_argo_register_ring_t *r = (const void *)call->areas[0].at;

	if (call->arguments[4] > XEN_ARGO_REGISTER_FLAG_FAIL_EXIST)
		expect_only(call, ERR(EINVAL));
	else if (!reachable(call, call->arguments[1], sizeof(*r)))
		expect_only(call, ERR(EFAULT));
	else if (r->pad || r->len < LEAST_RING || r->len % SLOT || r->len > RING_BYTES)
		expect_only(call, ERR(EINVAL));
	else if (r->partner_id == XEN_ARGO_DOMID_ANY)
		expect_only(call, ERR(EPERM));
	else if (who_allows(call, r->partner_id, LOOKUP_NUMBER, RIGHT_ANYBODY))
		expect_only(call, ERR(EINVAL));
	else if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EINVAL));
}

static void generate_unregister(struct call *call)
{
	struct area *ring = area_take(call, sizeof(xen_argo_unregister_ring_t), false);
	xen_argo_unregister_ring_t *u = (void *)ring->at;

	u->aport = (xen_argo_port_t)draw(call, 8);
	u->partner_id = draw_who(call, true);
	u->pad = chance(call, 10);
	call->arguments[1] = area_address(call, ring);
	call->arguments[3] = chance(call, 10);
}

static void expect_unregister(struct call *call)
{
	const xen_argo_unregister_ring_t *u = (const void *)call->areas[0].at;

	if (call->arguments[3])
		expect_only(call, ERR(EINVAL));
	else if (!reachable(call, call->arguments[1], sizeof(*u)))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, u->pad ? ERR(EINVAL) : ERR(ENOENT));
}

/* To ports where nobody listens. */
static void generate_send(struct call *call)
{
	struct area *addresses = area_take(call, sizeof(xen_argo_send_addr_t), false);
	struct area *vectors = area_take(call, MOST_VECTORS * sizeof(xen_argo_iov_t), false);
	xen_argo_send_addr_t *s = (void *)addresses->at;

	s->src.domain_id = chance(call, 80) ? call->run->machine.domid : draw_who(call, false);
	s->src.aport = (xen_argo_port_t)draw(call, 8);
	s->src.pad = chance(call, 5);
	s->dst.domain_id = draw_who(call, true);
	s->dst.aport = (xen_argo_port_t)draw(call, 8);
	s->dst.pad = chance(call, 5);
	call->arguments[1] = area_address(call, addresses);
	call->arguments[2] = area_address(call, vectors);
	call->arguments[3] = draw(call, MOST_VECTORS + 2);
	call->arguments[4] = draw_interesting(call, 32);
}

/* Xen 4.17 gives back the length, which has no sign: so has the error, in its upper half. */
static void expect_connection_refused(struct call *call)
{
	expect_also(call, ERR(ECONNREFUSED));
	expect_also(call, (long)(uint32_t)ERR(ECONNREFUSED));
}

static void expect_send(struct call *call)
{
	const xen_argo_send_addr_t *s = (const void *)call->areas[0].at;
	uint64_t vectors = call->arguments[3] * sizeof(xen_argo_iov_t);

	if (!reachable(call, call->arguments[1], sizeof(*s)))
		expect_only(call, ERR(EFAULT));
	else if (call->arguments[3] > MOST_VECTORS)
		expect_only(call, ERR(EINVAL));
	else if (vectors && !reachable(call, call->arguments[2], vectors))
		expect_only(call, ERR(EFAULT));
	else if (s->src.pad || s->dst.pad)
		expect_only(call, ERR(EINVAL));
	else if (s->src.domain_id != call->run->machine.domid &&
		 s->src.domain_id != XEN_ARGO_DOMID_ANY)
		expect_only(call, ERR(EPERM));
	else if (who_allows(call, s->dst.domain_id, LOOKUP_NUMBER, RIGHT_ANYBODY) ||
		 expect_names(&call->expect, ERR(EPERM)))
		expect_connection_refused(call);
}

static long argo_aside(struct call *call, unsigned int command, uint64_t second, uint64_t third,
		       uint64_t fourth)
{
	struct run *run = call->run;
	uint64_t arguments[5] = { command, (uintptr_t)(run->door->arena + ARENA_ASIDE), second,
				  third, fourth };

	return make_hypercall(run, __HYPERVISOR_argo_op, arguments);
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a ring of ours gave %ld, expected %ld", what, result,
			   expected);
}

static void *aside_structure(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static xen_argo_ring_t *ring_of(const struct call *call)
{
	return (void *)(call->run->door->arena + RING_PAGE * (size_t)DOOR_PAGE);
}

static void generate_life(struct call *call)
{
	struct area *ring = area_take(call, sizeof(xen_argo_register_ring_t), false);
	struct area *frames = area_take(call, sizeof(xen_argo_gfn_t), false);
	xen_argo_register_ring_t *r = (void *)ring->at;
	xen_argo_gfn_t frame = call->run->door->arena_frames ?
		call->run->door->arena_frames[RING_PAGE] : 0;

	memcpy(frames->at, &frame, sizeof(frame));
	r->aport = OUR_PORT;
	r->partner_id = call->run->machine.domid;
	r->len = RING_BYTES;
	memset(ring_of(call), 0, DOOR_PAGE);
	call->arguments[1] = area_sure(ring);
	call->arguments[2] = area_sure(frames);
	call->arguments[3] = 1;
	call->arguments[4] = draw(call, 2);
}

/* One message of two pieces lies in the ring as it was sent. */
static void send(struct call *call)
{
	xen_argo_send_addr_t *s = aside_structure(call, sizeof(*s) + 2 * sizeof(xen_argo_iov_t));
	xen_argo_iov_t *vectors = (void *)(s + 1);
	xen_argo_ring_t *ring = ring_of(call);
	uint32_t first = 1 + (uint32_t)draw(call, VECTOR_BYTES);
	uint32_t second = (uint32_t)draw(call, VECTOR_BYTES), size = first + second;
	uint32_t at = ring->tx_ptr, end = at + (HEADER + size + SLOT - 1) / SLOT * SLOT;
	const struct xen_argo_ring_message_header *m = (const void *)(ring->ring + at);
	uint8_t *data = (uint8_t *)(vectors + 2);

	draw_bytes(call, data, size);
	s->src.domain_id = s->dst.domain_id = call->run->machine.domid;
	s->src.aport = 1;
	s->dst.aport = OUR_PORT;
	vectors[0].iov_len = first;
	set_xen_guest_handle(vectors[0].iov_hnd, data);
	vectors[1].iov_len = second;
	set_xen_guest_handle(vectors[1].iov_hnd, data + first);
	must(call, "sending to", argo_aside(call, XEN_ARGO_OP_sendv, (uintptr_t)vectors, 2, size),
	     (long)size);
	if (ring->tx_ptr != end || m->len != HEADER + size || m->message_type != size ||
	    m->source.aport != 1 || memcmp(m->data, data, size))
		call_wrong(call, "a message of %u bytes is not in the ring as it was sent", size);
}

static void ask_for_room(struct call *call, uint32_t wanted, uint32_t flags)
{
	xen_argo_ring_data_t *d = aside_structure(call, sizeof(*d) + sizeof(d->data[0]));

	d->nent = 1;
	d->data[0].ring.domain_id = call->run->machine.domid;
	d->data[0].ring.aport = OUR_PORT;
	d->data[0].space_required = wanted;
	must(call, "asking about", argo_aside(call, XEN_ARGO_OP_notify, 0, 0, 0), 0);
	if (d->data[0].flags != (XEN_ARGO_RING_EXISTS | flags) ||
	    d->data[0].max_message_size != MOST_ROOM)
		call_wrong(call, "asked for %u bytes, a ring of ours has flags %u, room for %u",
			   wanted, d->data[0].flags, d->data[0].max_message_size);
}

/* What it holds is never looked at. */
static void refuse(struct call *call, uint32_t size, long error)
{
	xen_argo_send_addr_t *s = aside_structure(call, sizeof(*s) + sizeof(xen_argo_iov_t));
	xen_argo_iov_t *vector = (void *)(s + 1);
	uint32_t before = ring_of(call)->tx_ptr;
	long result;

	s->src.domain_id = s->dst.domain_id = call->run->machine.domid;
	s->dst.aport = OUR_PORT;
	vector->iov_len = size;
	set_xen_guest_handle(vector->iov_hnd, (uint8_t *)(vector + 1));
	result = argo_aside(call, XEN_ARGO_OP_sendv, (uintptr_t)vector, 1, 0);
	/* See expect_connection_refused(). */
	if (result != (long)(uint32_t)error)
		must(call, "sending too much to", result, error);
	if (ring_of(call)->tx_ptr != before)
		call_wrong(call, "a message of %u bytes was refused, and is in the ring", size);
}

/* Who finds too little room waits for more, until the messages are taken out. */
static void run_out_of_room(struct call *call)
{
	ask_for_room(call, MOST_ROOM + 1, XEN_ARGO_RING_EMSGSIZE);
	ask_for_room(call, 1, XEN_ARGO_RING_SUFFICIENT);
	if (chance(call, 50))
		ask_for_room(call, MOST_ROOM, 0);
	refuse(call, RING_BYTES, ERR(EMSGSIZE));
	refuse(call, MOST_ROOM, ERR(EAGAIN));
	if (chance(call, 50))
		return;
	ring_of(call)->rx_ptr = ring_of(call)->tx_ptr;
	ask_for_room(call, 1, XEN_ARGO_RING_SUFFICIENT | XEN_ARGO_RING_EMPTY);
}

static void end_life(struct call *call)
{
	xen_argo_unregister_ring_t *u = aside_structure(call, sizeof(*u));

	u->aport = OUR_PORT;
	u->partner_id = call->run->machine.domid;
	must(call, "ending", argo_aside(call, XEN_ARGO_OP_unregister_ring, 0, 0, 0), 0);
	must(call, "ending twice", argo_aside(call, XEN_ARGO_OP_unregister_ring, 0, 0, 0),
	     ERR(ENOENT));
}

static void after_life(struct call *call)
{
	xen_argo_register_ring_t *again;

	if (call->result)
		return;
	again = aside_structure(call, sizeof(*again));
	memcpy(again, call->areas[0].at, sizeof(*again));
	must(call, "making twice", argo_aside(call, XEN_ARGO_OP_register_ring,
					      area_sure(&call->areas[1]), 1,
					      XEN_ARGO_REGISTER_FLAG_FAIL_EXIST), ERR(EEXIST));
	for (unsigned int i = 0; i < MESSAGES; i++)
		send(call);
	run_out_of_room(call);
	end_life(call);
}

#define ARGO(label, number, traits_of, generator, expectation, follow) \
	{ .name = label, .command = number, .danger = DANGER_SAFE, .traits = traits_of, \
	  .weight = 3, .since = RELEASE(4, 12), .generate = generator, .expect = expectation, \
	  .after = follow }

static const struct operation operations[] = {
	ARGO("no_command", 0, 0, generate_none, expect_none, NULL),
	ARGO("register_ring", XEN_ARGO_OP_register_ring, 0, generate_register, expect_register,
	     NULL),
	ARGO("unregister_ring", XEN_ARGO_OP_unregister_ring, 0, generate_unregister,
	     expect_unregister, NULL),
	ARGO("sendv", XEN_ARGO_OP_sendv, 0, generate_send, expect_send, NULL),
	ARGO("ring_of_our_own", XEN_ARGO_OP_register_ring, TRAIT_KERNEL | TRAIT_ALONE,
	     generate_life, expect_success, after_life),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = { { operations, &operation_count } };

const struct family family_argo = {
	.name = "argo",
	.hypercall = __HYPERVISOR_argo_op,
	.parts = parts,
	.n_parts = COUNT(parts),
	.generate = argo_generate,
	.expect = argo_expect,
};

/*
 * The newer kind of event channels: a domain gives Xen pages for them, sees its events there, and
 * goes back to the older kind.  Going back closes all ports, so only where none is in use.
 */
#include "fifo.h"

#include <xen/event_channel.h>

#include "grant_own.h"
#include "port_event.h"
#include "second.h"

#define CONTROL_PAGE DEST
#define ARRAY_PAGE (DEST + 1)
#define MOST_QUEUED 64u
#define LAST_OFFSET ((uint32_t)(DOOR_PAGE - sizeof(struct evtchn_fifo_control_block)))

static void *structure(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static void must(struct call *call, unsigned int command, const char *what, long expected)
{
	long result = aside(call->run, __HYPERVISOR_event_channel_op, command,
			    (uintptr_t)(call->run->door->arena + ARENA_ASIDE), 0);

	if (result != expected)
		call_wrong(call, "%s of the newer kind gave %ld, expected %ld", what, result,
			   expected);
}

static void expand(struct call *call, uint64_t frame, const char *what, long expected)
{
	struct evtchn_expand_array *array = structure(call, sizeof(*array));

	array->array_gfn = frame;
	must(call, EVTCHNOP_expand_array, what, expected);
}

static void start_again(struct call *call, const struct evtchn_init_control *with)
{
	struct evtchn_init_control *c = structure(call, sizeof(*c));

	*c = *with;
	must(call, EVTCHNOP_init_control, "starting ports twice", ERR(EINVAL));
}

static void set_priority(struct call *call, uint32_t port, uint32_t priority)
{
	struct evtchn_set_priority *s = structure(call, sizeof(*s));

	s->port = port;
	s->priority = priority;
	must(call, EVTCHNOP_set_priority, "a priority",
	     priority > EVTCHN_FIFO_PRIORITY_MIN ? ERR(EINVAL) : 0);
}

/* A port of ours that is bound to another of ours; neither is closed. */
static uint32_t bind_two(struct call *call, uint32_t *other)
{
	struct evtchn_alloc_unbound *alloc = structure(call, sizeof(*alloc));
	struct evtchn_bind_interdomain *bind;
	uint32_t first;

	alloc->dom = alloc->remote_dom = DOMID_SELF;
	must(call, EVTCHNOP_alloc_unbound, "a port", 0);
	first = alloc->port;
	bind = structure(call, sizeof(*bind));
	bind->remote_dom = DOMID_SELF;
	bind->remote_port = first;
	must(call, EVTCHNOP_bind_interdomain, "binding a port", 0);
	*other = bind->local_port;
	return first;
}

/* Of the first ports only: the others have no page. */
static uint32_t word_of(struct call *call, uint32_t port, uint32_t unknown)
{
	const volatile uint32_t *events = (const void *)own_page(call, ARRAY_PAGE);

	return port < DOOR_PAGE / sizeof(*events) ? events[port] : unknown;
}

static uint32_t bit(unsigned int number)
{
	return 1u << number;
}

static void check_word(struct call *call, uint32_t port, uint32_t set, uint32_t clear)
{
	uint32_t word = word_of(call, port, set);

	if ((word & set) != set || word & clear)
		call_wrong(call, "the word of port %u is %x: %x must be set, %x must not", port,
			   word, set, clear);
}

/* Whether the port is among those of this priority that wait, of which each leads to the next. */
static bool is_queued(struct call *call, const volatile struct evtchn_fifo_control_block *control,
		      unsigned int priority, uint32_t port)
{
	uint32_t next = control->head[priority];

	if (!(control->ready & bit(priority)))
		return false;
	for (unsigned int i = 0; i < MOST_QUEUED && next && next != port; i++)
		next = word_of(call, next, 0) & EVTCHN_FIFO_LINK_MASK;
	return next == port;
}

static volatile struct evtchn_fifo_control_block *control_of(struct call *call)
{
	const struct evtchn_init_control *c = (void *)call->structure->at;

	return (void *)(own_page(call, CONTROL_PAGE) + c->offset);
}

static void mask(struct call *call, uint32_t port)
{
	volatile uint32_t *events = (void *)own_page(call, ARRAY_PAGE);

	if (port < DOOR_PAGE / sizeof(*events))
		__atomic_fetch_or(&events[port], bit(EVTCHN_FIFO_MASKED), __ATOMIC_SEQ_CST);
}

static void order(struct call *call, unsigned int command, uint32_t port, const char *what)
{
	struct evtchn_send *s = structure(call, sizeof(*s));

	s->port = port;	/* of both kinds of orders it is all there is */
	must(call, command, what, 0);
}

/* An event waits at a port that is masked; in the queue of its priority it is once it is not. */
static void check_event(struct call *call, uint32_t sender, uint32_t port, uint32_t priority)
{
	const volatile struct evtchn_fifo_control_block *control = control_of(call);
	bool interrupted = call->interrupted;

	call->interrupted = false;	/* which is done by an event, too */
	mask(call, port);
	order(call, EVTCHNOP_send, sender, "sending to a port");
	check_word(call, port, bit(EVTCHN_FIFO_PENDING) | bit(EVTCHN_FIFO_MASKED),
		   bit(EVTCHN_FIFO_LINKED));
	events_forget(call);
	order(call, EVTCHNOP_unmask, port, "unmasking a port");
	check_word(call, port, bit(EVTCHN_FIFO_PENDING) | bit(EVTCHN_FIFO_LINKED),
		   bit(EVTCHN_FIFO_MASKED));
	if (word_of(call, port, 0) && !is_queued(call, control, priority, port))
		call_wrong(call, "port %u is not in the queue of priority %u, which begins with %u",
			   port, priority, control->head[priority]);
	/* Who comes to a queue that was told of already is not told of again. */
	if (control->head[priority] == port && !events_announced(call))
		call_wrong(call, "nobody was told that the event of port %u waits", port);
	events_forget(call);
	call->interrupted = interrupted;
}

/* Each processor has a place of its own; what is sent to a port goes to the place of its processor. */
static void use_second(struct call *call, const struct evtchn_init_control *first)
{
	struct evtchn_init_control with = *first;
	struct evtchn_bind_vcpu *bind;
	uint32_t port, other;

	with.vcpu = SECOND_VCPU;
	with.offset = first->offset < DOOR_PAGE / 2 ? LAST_OFFSET : 0;
	*(struct evtchn_init_control *)structure(call, sizeof(with)) = with;
	must(call, EVTCHNOP_init_control, "a place for our second processor", 0);
	start_again(call, &with);
	port = bind_two(call, &other);
	bind = structure(call, sizeof(*bind));
	bind->port = port;
	bind->vcpu = SECOND_VCPU;
	must(call, EVTCHNOP_bind_vcpu, "moving a port", 0);
	order(call, EVTCHNOP_send, other, "sending to a port");
	if (word_of(call, port, 0) &&
	    !is_queued(call, (const void *)(own_page(call, CONTROL_PAGE) + with.offset),
		       EVTCHN_FIFO_PRIORITY_DEFAULT, port))
		call_wrong(call, "port %u of our second processor is not in its queue", port);
}

/* Who gets the number next must not take the event for its own. */
static void close_pending(struct call *call, uint32_t port)
{
	struct evtchn_close *close = structure(call, sizeof(*close));

	close->port = port;
	must(call, EVTCHNOP_close, "closing a port", 0);
	if (word_of(call, port, 0) & 1u << EVTCHN_FIFO_PENDING)
		call_wrong(call, "port %u is closed, but its word is %x", port,
			   word_of(call, port, 0));
}

/* Who gets the number next begins with the usual priority, not with the former one's. */
static void forget_priority(struct call *call, uint32_t priority)
{
	uint32_t other, port = bind_two(call, &other);

	set_priority(call, port, priority);
	close_pending(call, port);
	close_pending(call, other);
	if (bind_two(call, &other) == port)
		check_event(call, other, port, EVTCHN_FIFO_PRIORITY_DEFAULT);
}

/* The kernel has taken all events of this priority from its queue. */
static void take_all(struct call *call, uint32_t priority)
{
	volatile struct evtchn_fifo_control_block *control = control_of(call);
	volatile uint32_t *events = (void *)own_page(call, ARRAY_PAGE);
	uint32_t port = control->head[priority];

	while (port && port < DOOR_PAGE / sizeof(*events)) {
		uint32_t next = word_of(call, port, 0) & EVTCHN_FIFO_LINK_MASK;

		__atomic_fetch_and(&events[port], ~(EVTCHN_FIFO_LINK_MASK | bit(EVTCHN_FIFO_LINKED) |
						    bit(EVTCHN_FIFO_PENDING)), __ATOMIC_SEQ_CST);
		port = next;
	}
	control->head[priority] = 0;
	__atomic_fetch_and(&control->ready, ~bit(priority), __ATOMIC_SEQ_CST);
}

/*
 * A port leaves its queue for another one, and one more: whoever comes to any of them then is the
 * first there, not behind the one that left.
 */
static void change_queues(struct call *call)
{
	uint32_t first_sender, second_sender, first, second;
	uint32_t priority = (uint32_t)draw(call, EVTCHN_FIFO_PRIORITY_DEFAULT);

	first = bind_two(call, &first_sender);
	second = bind_two(call, &second_sender);
	set_priority(call, first, priority);
	set_priority(call, second, priority);
	check_event(call, first_sender, first, priority);
	take_all(call, priority);
	set_priority(call, first, EVTCHN_FIFO_PRIORITY_MIN);
	check_event(call, first_sender, first, EVTCHN_FIFO_PRIORITY_MIN);
	check_event(call, second_sender, second, priority);
	take_all(call, priority);
	take_all(call, EVTCHN_FIFO_PRIORITY_MIN);
}

static void check_closed(struct call *call, uint32_t port)
{
	struct evtchn_status *s = structure(call, sizeof(*s));

	s->dom = DOMID_SELF;
	s->port = port;
	must(call, EVTCHNOP_status, "asking about a port", 0);
	if (s->status != EVTCHNSTAT_closed)
		call_wrong(call, "after all ports were closed one has status %u", s->status);
}

static void go_back(struct call *call)
{
	struct evtchn_reset *r = structure(call, sizeof(*r));

	r->dom = DOMID_SELF;
	must(call, EVTCHNOP_reset, "closing all ports", 0);
	expand(call, own_frame(call, ARRAY_PAGE), "room for ports, after those", ERR(EOPNOTSUPP));
}

/*
 * What was sent to a port when there were no newer ones yet, or had no room, comes with the room.
 * That there was no room Xen remembers even of the next port of that number, so those are others.
 */
static void keep_event(struct call *call)
{
	bool early = chance(call, 50), interrupted = call->interrupted;
	uint32_t port, other;

	call->interrupted = false;	/* which is done by an event, too */
	memset(own_page(call, CONTROL_PAGE), 0, 2 * (size_t)DOOR_PAGE);
	port = bind_two(call, &other);
	port_forget(call, other);	/* who binds may have missed an event */
	if (early)
		order(call, EVTCHNOP_send, other, "sending beforehand to a port");
	else
		port = bind_two(call, &other);
	memcpy(structure(call, call->structure->size), call->structure->at, call->structure->size);
	must(call, EVTCHNOP_init_control, "starting ports once more", 0);
	if (!early)
		order(call, EVTCHNOP_send, other, "sending to a port without room");
	expand(call, own_frame(call, ARRAY_PAGE), "room for ports", 0);
	check_word(call, port, bit(EVTCHN_FIFO_PENDING) | bit(EVTCHN_FIFO_LINKED),
		   bit(EVTCHN_FIFO_MASKED));
	if (word_of(call, port, 0) &&
	    !is_queued(call, control_of(call), EVTCHN_FIFO_PRIORITY_DEFAULT, port))
		call_wrong(call, "port %u, whose event came early, is in no queue", port);
	go_back(call);
	port_forget(call, port);
	port_forget(call, other);
	events_forget(call);
	call->interrupted = interrupted;
}

/* Most of the time the domain's first processor, a place for it that fits, and a page of ours. */
static void generate_fifo(struct call *call)
{
	struct evtchn_init_control *c = (void *)call->structure->at;

	c->vcpu = chance(call, 90) && !call->run->machine.has_ports ? 0 :
		call->run->machine.vcpus;
	c->offset = (uint32_t)draw(call, DOOR_PAGE / 8 + 1) * 8;
	if (chance(call, 20))
		c->offset = draw_offset(call, LAST_OFFSET);
	c->control_gfn = own_frame(call, CONTROL_PAGE);
	if (chance(call, 10))
		c->control_gfn = 1ull << 50 | draw_interesting(call, 50);
	memset(own_page(call, CONTROL_PAGE), 0, 2 * (size_t)DOOR_PAGE);
}

static void expect_fifo(struct call *call)
{
	const struct evtchn_init_control *c = (void *)call->structure->at;
	bool fits = c->offset <= LAST_OFFSET && !(c->offset % 8);

	if (c->vcpu)
		expect_only(call, ERR(ENOENT));
	else
		expect_only(call, fits && c->control_gfn == own_frame(call, CONTROL_PAGE) ? 0 :
			    ERR(EINVAL));
}

static void after_fifo(struct call *call)
{
	struct evtchn_init_control *c = (void *)call->structure->at;
	uint32_t port, other, priority = (uint32_t)draw(call, EVTCHN_FIFO_PRIORITY_MIN + 1);

	if (call->result)
		return;
	if (c->link_bits != EVTCHN_FIFO_LINK_BITS)
		call_wrong(call, "a link has %u bits", c->link_bits);
	start_again(call, c);
	expand(call, 1ull << 50, "room for ports in a page that is not there", ERR(EINVAL));
	expand(call, own_frame(call, ARRAY_PAGE), "room for ports", 0);
	port = bind_two(call, &other);
	set_priority(call, port, priority);
	set_priority(call, port, EVTCHN_FIFO_PRIORITY_MIN + 1 + (uint32_t)draw(call, 8));
	check_event(call, other, port, priority);
	if (chance(call, 50))
		forget_priority(call, priority);
	if (chance(call, 50))
		change_queues(call);
	if (call->run->machine.vcpus > SECOND_VCPU)
		use_second(call, c);
	if (chance(call, 50))
		close_pending(call, port);
	go_back(call);
	check_closed(call, port);
	keep_event(call);
}

static const struct field fifo_fields[] = {
	FIELD(struct evtchn_init_control, control_gfn, FLOW_IN),
	FIELD(struct evtchn_init_control, offset, FLOW_IN),
	FIELD(struct evtchn_init_control, vcpu, FLOW_IN),
	FIELD(struct evtchn_init_control, link_bits, FLOW_OUT),
	FIELDS_END,
};

const struct operation evtchn_fifo[] = {
	{ .name = "ports_of_the_newer_kind", .command = EVTCHNOP_init_control,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2,
	  .structure_size = sizeof(struct evtchn_init_control), .fields = fifo_fields,
	  .generate = generate_fifo, .expect = expect_fifo, .after = after_fifo },
};
const size_t evtchn_fifo_count = COUNT(evtchn_fifo);

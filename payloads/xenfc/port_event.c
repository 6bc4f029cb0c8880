/*
 * An event waits at its port as long as that is masked, and is announced to the processor once it
 * is not.  All of it is in pages that Xen shares with the kernel, so only where that is ours.
 */
#include "port_event.h"

#include "run.h"

#define WORD_BITS (8u * (uint32_t)sizeof(xen_ulong_t))
#define MOST_PORTS (WORD_BITS * WORD_BITS)

/* One port, in the page that its domain shares with Xen. */
struct event {
	volatile xen_ulong_t *waits, *masked;
	xen_ulong_t bit, selector;
};

static bool is_shown(const struct call *call, uint32_t port)
{
	return call->run->door->shared && port < MOST_PORTS;
}

static struct event event_of(const struct call *call, uint32_t port)
{
	struct shared_info *shared = call->run->door->shared;

	return (struct event){
		.waits = &shared->evtchn_pending[port / WORD_BITS],
		.masked = &shared->evtchn_mask[port / WORD_BITS],
		.bit = (xen_ulong_t)1 << port % WORD_BITS,
		.selector = (xen_ulong_t)1 << port / WORD_BITS,
	};
}

static void set(volatile xen_ulong_t *word, xen_ulong_t bit)
{
	__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

static void clear(volatile xen_ulong_t *word, xen_ulong_t bit)
{
	__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

/* Whatever was executed before: emulated instructions may let events come. */
void events_forget(struct call *call)
{
	volatile struct vcpu_info *processor = call->run->door->processor;

	processor->evtchn_upcall_mask = 1;
	processor->evtchn_upcall_pending = 0;
}

bool events_announced(const struct call *call)
{
	const volatile struct vcpu_info *processor = call->run->door->processor;

	return processor->evtchn_upcall_pending;
}

static long order(struct call *call, unsigned int command, uint32_t port)
{
	uint32_t *structure = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(port));

	*structure = port;	/* of both kinds of orders it is all there is */
	return aside(call->run, __HYPERVISOR_event_channel_op, command, (uintptr_t)structure, 0);
}

static void must(struct call *call, const char *what, long result)
{
	if (result)
		call_wrong(call, "%s a port that is masked gave %ld, expected 0", what, result);
}

static void check_masked(struct call *call, const struct event *event, uint32_t sender)
{
	volatile xen_ulong_t *selectors = &call->run->door->processor->evtchn_pending_sel;

	must(call, "sending to", order(call, EVTCHNOP_send, sender));
	if (!(*event->waits & event->bit))
		call_wrong(call, "an event that was sent to port %u does not wait", sender);
	/* Another port of the same word may have got one. */
	if (*selectors & event->selector && !(*event->waits & ~*event->masked))
		call_wrong(call, "an event of a masked port was announced");
}

static void check_unmasked(struct call *call, const struct event *event, uint32_t port)
{
	volatile xen_ulong_t *selectors = &call->run->door->processor->evtchn_pending_sel;

	must(call, "unmasking", order(call, EVTCHNOP_unmask, port));
	if (*event->masked & event->bit || !(*event->waits & event->bit))
		call_wrong(call, "port %u is still masked, or its event is lost", port);
	if (!(*selectors & event->selector) || !events_announced(call))
		call_wrong(call, "nobody was told that the event of port %u waits", port);
}

void port_check_event(struct call *call, uint32_t sender, uint32_t port)
{
	bool interrupted = call->interrupted;
	struct event event;

	if (!is_shown(call, port))
		return;
	event = event_of(call, port);
	call->interrupted = false;	/* which is done by an event, too */
	set(event.masked, event.bit);
	clear(event.waits, event.bit);
	clear(&call->run->door->processor->evtchn_pending_sel, event.selector);
	events_forget(call);
	check_masked(call, &event, sender);
	check_unmasked(call, &event, port);
	events_forget(call);
	call->interrupted = interrupted;
}

void port_check_waits(struct call *call, uint32_t port, bool waits)
{
	struct event event;

	if (!is_shown(call, port))
		return;
	event = event_of(call, port);
	if (!(*event.waits & event.bit) != !waits)
		call_wrong(call, "at port %u there is %s event that waits", port,
			   waits ? "no" : "an");
	clear(event.waits, event.bit);
}

void port_forget(struct call *call, uint32_t port)
{
	struct event event;

	if (!is_shown(call, port))
		return;
	event = event_of(call, port);
	clear(event.waits, event.bit);
	clear(&call->run->door->processor->evtchn_pending_sel, event.selector);
}

void port_check_silent(struct call *call, uint32_t port)
{
	struct event event;

	if (!is_shown(call, port))
		return;
	event = event_of(call, port);
	if (*event.waits & event.bit)
		call_wrong(call, "port %u is closed, but its event waits", port);
}

/*
 * What timers do shows in the port that is bound to them, and that in how long Xen lets us wait
 * for it.  Needs a door whose clock is Xen's.  Periodic ones go on only as long as their processor
 * runs, and are caught up with when it runs again: so no wait is long.
 */
#include "timer_life.h"

#include "patience.h"
#include "port.h"
#include "port_event.h"
#include "run.h"

#define SOON_NS 100000ull
#define WAIT_NS 100000ull	/* Xen may be half of it late */
#define LEAST_PERIOD_NS 1000000ull
#define TRIES 4u	/* each eight times slower: a busy host may be too late to stop it */
#define PATIENCE_NS 3000000000ull

/* Ways to set a timer, and to stop it; periodic ones make us wait the longest. */
enum way { TIMER_OP, SINGLE, PERIODIC, WAYS };
#define PERIODIC_PERCENT 12

static void *structure(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static uint64_t now(const struct call *call)
{
	return call->run->door->now_ns(call->run->door);
}

static void must(struct call *call, const char *what, long result)
{
	if (result)
		call_wrong(call, "%s a timer of our own gave %ld, expected 0", what, result);
}

static long vcpu_op(struct call *call, unsigned int command, const void *argument)
{
	return aside(call->run, __HYPERVISOR_vcpu_op, command, 0, (uintptr_t)argument);
}

static void set_single(struct call *call, uint64_t at)
{
	struct vcpu_set_singleshot_timer *single = structure(call, sizeof(*single));

	single->timeout_abs_ns = at;
	must(call, "setting", vcpu_op(call, VCPUOP_set_singleshot_timer, single));
}

static void set_periodic(struct call *call, uint64_t period)
{
	struct vcpu_set_periodic_timer *periodic = structure(call, sizeof(*periodic));

	periodic->period_ns = period;
	must(call, "setting", vcpu_op(call, VCPUOP_set_periodic_timer, periodic));
}

static void set(struct call *call, enum way way, uint64_t in_ns)
{
	if (way == TIMER_OP)
		must(call, "setting", aside(call->run, __HYPERVISOR_set_timer_op,
					    now(call) + in_ns, 0, 0));
	else if (way == SINGLE)
		set_single(call, now(call) + in_ns);
	else
		set_periodic(call, in_ns);
}

static void stop(struct call *call, enum way way)
{
	if (way == TIMER_OP)
		must(call, "stopping", aside(call->run, __HYPERVISOR_set_timer_op, 0, 0, 0));
	else
		must(call, "stopping", vcpu_op(call, way == SINGLE ? VCPUOP_stop_singleshot_timer :
					       VCPUOP_stop_periodic_timer, NULL));
}

static uint32_t bind(struct call *call)
{
	struct evtchn_bind_virq *b = structure(call, sizeof(*b));

	b->virq = VIRQ_TIMER;
	must(call, "binding a port to",
	     aside(call->run, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uintptr_t)b, 0));
	return b->port;
}

/* Wait for an event of the port: false when there was none. */
static bool comes(struct call *call, uint32_t port)
{
	struct sched_poll *poll = structure(call, sizeof(*poll) + sizeof(port));
	uint32_t *ports = (void *)(poll + 1);
	uint64_t until = now(call) + WAIT_NS;

	*ports = port;
	set_xen_guest_handle(poll->ports, ports);
	poll->nr_ports = 1;
	poll->timeout = until;
	must(call, "waiting for",
	     aside(call->run, __HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)poll, 0));
	return now(call) < until;
}

static void go_off(struct call *call, enum way way)
{
	uint32_t port = bind(call);
	struct patience patience = patience_begin(call->run->door, PATIENCE_NS);

	set(call, way, way == PERIODIC ? LEAST_PERIOD_NS : SOON_NS);
	while (!call->wrong[0] && !comes(call, port))
		if (!patience_lasts(&patience))
			call_wrong(call, "a timer of our own did not go off");
	stop(call, way);
	port_close(call, port);
}

/* Xen's clock says when it would have gone off. */
static void let_it_pass(struct call *call, uint64_t start, uint64_t in_ns)
{
	while (now(call) - start < in_ns + WAIT_NS)
		continue;
}

static bool is_stopped(struct call *call, enum way way, uint64_t in_ns)
{
	uint32_t port = bind(call);
	uint64_t start;
	bool quiet;

	set(call, way, in_ns);
	start = now(call);
	stop(call, way);
	let_it_pass(call, start, in_ns);
	quiet = !comes(call, port);
	port_close(call, port);
	return quiet;
}

static void set_past(struct call *call, enum way way)
{
	uint64_t past = now(call) - 1 - draw(call, SOON_NS);

	if (way == SINGLE)
		set_single(call, past);
	else
		must(call, "setting", aside(call->run, __HYPERVISOR_set_timer_op, past, 0, 0));
}

/* Set again, to a time that has passed, it goes off at once, and is not set to the other time any more. */
static bool is_replaced(struct call *call, enum way way, uint64_t in_ns)
{
	uint32_t port = bind(call);
	uint64_t start;
	bool once;

	set(call, way, in_ns);
	start = now(call);
	set_past(call, way);
	once = comes(call, port);
	port_forget(call, port);
	let_it_pass(call, start, in_ns);
	once = !comes(call, port) && once;
	port_close(call, port);
	return once;
}

/* A host that is busy may be late once. */
static bool holds(struct call *call, bool (*rule)(struct call *call, enum way way, uint64_t in_ns),
		  enum way way)
{
	uint64_t soon = way == PERIODIC ? LEAST_PERIOD_NS : SOON_NS;

	for (unsigned int i = 0; i < TRIES && !call->wrong[0]; i++, soon *= 8)
		if (rule(call, way, soon))
			return true;
	return false;
}

void timer_live(struct call *call)
{
	enum way way = chance(call, PERIODIC_PERCENT) ? PERIODIC : (enum way)draw(call, PERIODIC);

	/* While an event waits nobody is let wait for another one. */
	call->interrupted = false;
	/* All send the same event, and a PV processor begins with a periodic one. */
	for (unsigned int other = 0; other < WAYS; other++)
		stop(call, (enum way)other);
	go_off(call, way);
	if (!holds(call, is_stopped, way))
		call_wrong(call, "a timer that was stopped went off");
	if (way != PERIODIC && call->run->door->shared && chance(call, 50) &&
	    !holds(call, is_replaced, way))
		call_wrong(call, "a timer that was set again did not go off, or did so twice");
}

/* The life of a port, beside a stand-in that forgets one step of what it must tell the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "port.h"
#include "run.h"

#define SELF 7u
#define PORTS 64u
#define VCPUS 1u

enum careless {
	NOTHING, OTHER_PORT, EVENT_LOST, MASKED_TOLD, STILL_MASKED, LOST_BY_UNMASKING, NOT_TOLD,
	NOT_INTERRUPTED, STAYS, MISSED_BY_BINDING, OTHER_PROCESSOR, CARELESS,
};

static struct run run;
static struct door door;
static struct shared_info shared;
static struct vcpu_info processor;
static uint32_t bound_to[PORTS];	/* 0: waits for somebody */
static bool open[PORTS];
static enum careless careless;

static uint64_t bit_of(uint32_t port)
{
	return 1ull << port;
}

static void announce(void)
{
	if (careless != NOT_TOLD)
		processor.evtchn_pending_sel |= 1;
	if (careless != NOT_INTERRUPTED)
		processor.evtchn_upcall_pending = 1;
}

static long send(uint32_t port)
{
	if (!open[port])
		return ERR(EINVAL);
	if (!bound_to[port] || careless == EVENT_LOST)
		return 0;
	shared.evtchn_pending[0] |= bit_of(bound_to[port]);
	if (!(shared.evtchn_mask[0] & bit_of(bound_to[port])) || careless == MASKED_TOLD)
		announce();
	return 0;
}

static long unmask(uint32_t port)
{
	if (careless != STILL_MASKED)
		shared.evtchn_mask[0] &= ~bit_of(port);
	if (careless == LOST_BY_UNMASKING)
		shared.evtchn_pending[0] &= ~bit_of(port);
	if (shared.evtchn_pending[0] & bit_of(port))
		announce();
	return 0;
}

static long bind(struct evtchn_bind_interdomain *b)
{
	b->local_port = b->remote_port + 1;
	open[b->local_port] = true;
	bound_to[b->local_port] = b->remote_port;
	bound_to[b->remote_port] = b->local_port;
	if (careless != MISSED_BY_BINDING)
		shared.evtchn_pending[0] |= bit_of(b->local_port);
	return 0;
}

static long status(struct evtchn_status *s)
{
	s->status = !open[s->port] ? EVTCHNSTAT_closed :
		bound_to[s->port] ? EVTCHNSTAT_interdomain : EVTCHNSTAT_unbound;
	if (careless == OTHER_PROCESSOR)
		s->vcpu = 1;
	if (bound_to[s->port]) {
		s->u.interdomain.dom = SELF;
		s->u.interdomain.port = careless == OTHER_PORT ? s->port : bound_to[s->port];
	} else {
		s->u.unbound.dom = SELF;
	}
	return 0;
}

static long close_port(uint32_t port)
{
	bound_to[bound_to[port]] = 0;
	bound_to[port] = 0;
	open[port] = false;
	if (careless != STAYS)
		shared.evtchn_pending[0] &= ~bit_of(port);
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	void *structure = (void *)(uintptr_t)arguments[1];

	(void)from;
	assert_int_equal(number, __HYPERVISOR_event_channel_op);
	switch (arguments[0]) {
	case EVTCHNOP_send:
		return send(*(uint32_t *)structure);
	case EVTCHNOP_unmask:
		return unmask(*(uint32_t *)structure);
	case EVTCHNOP_bind_interdomain:
		return bind(structure);
	case EVTCHNOP_status:
		return status(structure);
	case EVTCHNOP_close:
		return close_port(*(uint32_t *)structure);
	case EVTCHNOP_bind_vcpu:
		return ((struct evtchn_bind_vcpu *)structure)->vcpu < VCPUS ? 0 : ERR(ENOENT);
	default:
		return ERR(ENOSYS);
	}
}

static const char *life(enum careless how)
{
	static struct call call;

	memset(&run, 0, sizeof(run));
	memset(&shared, 0, sizeof(shared));
	memset(&processor, 0, sizeof(processor));
	memset(bound_to, 0, sizeof(bound_to));
	if (!door.arena)
		door.arena = aligned_alloc(DOOR_PAGE, ARENA_BYTES);
	door.hypercall = hypercall;
	door.shared = &shared;
	door.processor = &processor;
	run.door = &door;
	run.machine.domid = SELF;
	run.machine.vcpus = VCPUS;
	careless = how;
	open[3] = true;
	call_begin(&call, &run, 1);
	port_live(&call, 3, DOMID_SELF);
	return call.wrong;
}

static void every_step_of_an_event_is_looked_at(void **state)
{
	(void)state;
	assert_string_equal(life(NOTHING), "");
	for (int how = NOTHING + 1; how < CARELESS; how++)
		if (!*life(how)) fail_msg("mistake %d is not seen", how);
}

static void a_kernel_that_is_not_ours_is_told_nothing(void **state)
{
	(void)state;
	assert_string_not_equal(life(NOT_TOLD), "");
	door.shared = NULL;
	run.machine.vcpus = VCPUS;
	open[3] = true;
	call_begin(&run.call, &run, 1);
	port_live(&run.call, 3, DOMID_SELF);
	assert_string_equal(run.call.wrong, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_of_an_event_is_looked_at),
		cmocka_unit_test(a_kernel_that_is_not_ours_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "waiting.h"

#include "domctl.h"
#include "surroundings.h"

#include <xen/hvm/dm_op.h>

static struct xen_domctl *cleared(const struct surroundings *s)
{
	return memset(domctl_aside_structure(s->call->run), 0, sizeof(struct xen_domctl));
}

static long order(const struct surroundings *s, uint32_t command)
{
	return domctl_aside(s->call->run, command, s->id);
}

static void must(const struct surroundings *s, const char *what, long result)
{
	if (result)
		call_wrong(s->call, "%s a machine that is to run gave %ld, expected 0", what,
			   result);
}

/* A server of its requests comes and goes. */
static long serve(const struct surroundings *s, struct xen_dm_op *o, uint32_t command)
{
	struct xen_dm_op_buf *list = (void *)(o + 1);

	o->op = command;
	memset(list, 0, sizeof(*list));
	set_xen_guest_handle(list->h, o);
	list->size = sizeof(*o);
	return aside(s->call->run, __HYPERVISOR_dm_op, s->id, 1, (uintptr_t)list);
}

static void have_server(const struct surroundings *s)
{
	struct xen_dm_op *o = memset(s->call->run->door->arena + ARENA_ASIDE, 0, sizeof(*o));
	uint16_t id;

	must(s, "a server for", serve(s, o, XEN_DMOP_create_ioreq_server));
	id = o->u.create_ioreq_server.id;
	for (unsigned int enabled = 2; enabled--; ) {
		memset(o, 0, sizeof(*o));
		o->u.set_ioreq_server_state.id = id;
		o->u.set_ioreq_server_state.enabled = (uint8_t)enabled;
		must(s, "switching a server of", serve(s, o, XEN_DMOP_set_ioreq_server_state));
	}
	memset(o, 0, sizeof(*o));
	o->u.destroy_ioreq_server.id = id;
	must(s, "destroying a server of", serve(s, o, XEN_DMOP_destroy_ioreq_server));
}

static void debug_and_not(const struct surroundings *s)
{
	cleared(s)->u.setdebugging.enable = 1;
	must(s, "debugging", order(s, XEN_DOMCTL_setdebugging));
	cleared(s);
	must(s, "no longer debugging", order(s, XEN_DOMCTL_setdebugging));
}

static void set_clock_again(const struct surroundings *s)
{
	cleared(s);
	must(s, "asking for the clock of", order(s, XEN_DOMCTL_gettscinfo));
	must(s, "setting the clock of", order(s, XEN_DOMCTL_settscinfo));
}

static void make_processors_again(const struct surroundings *s)
{
	cleared(s)->u.max_vcpus.max = 1;
	must(s, "making again what processors there are of", order(s, XEN_DOMCTL_max_vcpus));
}

static void resume(const struct surroundings *s)
{
	cleared(s);
	must(s, "resuming", order(s, XEN_DOMCTL_resumedomain));
}

static void shut_and_resume(const struct surroundings *s)
{
	struct sched_remote_shutdown *r = (void *)(s->call->run->door->arena + ARENA_ASIDE);

	*r = (struct sched_remote_shutdown){ .domain_id = s->id, .reason = SHUTDOWN_suspend };
	must(s, "shutting down", aside(s->call->run, __HYPERVISOR_sched_op,
				       SCHEDOP_remote_shutdown, (uintptr_t)r, 0));
	resume(s);
}

/* Each not at all, once or twice: what is undone is not undone once more. */
void orders_before(const struct surroundings *s)
{
	static void (*const orders[])(const struct surroundings *s) = {
		have_server, debug_and_not, set_clock_again, make_processors_again,
		shut_and_resume, resume,
	};

	for (unsigned int i = 0; i < COUNT(orders); i++)
		for (uint64_t times = draw(s->call, 3); times--; )
			orders[i](s);
}

/* Xen may be built without gdbsx. */
bool processor_held(const struct surroundings *s)
{
	long result;

	if (!chance(s->call, 30))
		return false;
	cleared(s);
	result = order(s, XEN_DOMCTL_gdbsx_pausevcpu);
	if (result != ERR(ENOSYS))
		must(s, "holding the processor of", result);
	return !result;
}

void processor_let_go(const struct surroundings *s)
{
	const struct xen_domctl *d = cleared(s);

	must(s, "asking for the time of", order(s, XEN_DOMCTL_getvcpuinfo));
	if (d->u.getvcpuinfo.cpu_time)
		call_wrong(s->call, "a machine ran whose processor is held");
	/* Only while all of it waits. */
	must(s, "pausing", order(s, XEN_DOMCTL_pausedomain));
	cleared(s);
	must(s, "letting go the processor of", order(s, XEN_DOMCTL_gdbsx_unpausevcpu));
	must(s, "going on with", order(s, XEN_DOMCTL_unpausedomain));
}

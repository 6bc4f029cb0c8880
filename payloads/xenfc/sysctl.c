/* sysctl as a family. */
#include "sysctl.h"

struct xen_sysctl *sysctl_of(const struct call *call)
{
	return (struct xen_sysctl *)(void *)call->structure->at;
}

struct xen_sysctl *sysctl_begin(struct run *run, uint32_t command)
{
	struct xen_sysctl *s = memset(run->door->arena + ARENA_ASIDE, 0, sizeof(*s));

	s->cmd = command;
	s->interface_version = run->machine.sysctl_version;
	return s;
}

long sysctl_ask(struct run *run, const struct xen_sysctl *s)
{
	return aside(run, __HYPERVISOR_sysctl, (uintptr_t)s, 0, 0);
}

uint64_t sysctl_free_pages(struct call *call)
{
	return call->run->door->owns_kernel ? free_pages_read(call->run) : 0;
}

uint32_t sysctl_draw_count(struct call *call, uint32_t limit)
{
	return draw_mostly(call, 80, limit + 2);
}

void sysctl_expect_filled(struct call *call, const void *handle, uint64_t count, uint32_t size)
{
	expect_only(call, !count || reachable(call, handle_value(handle), count * size) ?
		    0 : ERR(EFAULT));
}

static void sysctl_generate(struct call *call)
{
	struct xen_sysctl *s;

	structure_take(call, 0);
	s = sysctl_of(call);
	draw_bytes(call, &s->u, call->operation && !chance(call, 20) ? 0 : sizeof(s->u));
	s->cmd = call->command;
	s->interface_version = chance(call, 1) ? (uint32_t)draw_interesting(call, 32) :
		call->run->machine.sysctl_version;
}

static bool sysctl_expect(struct call *call)
{
	const struct xen_sysctl *s = sysctl_of(call);
	const struct machine *machine = &call->run->machine;

	if (!reachable(call, call->arguments[0], sizeof(*s)))
		expect_only(call, ERR(EFAULT));
	else if (s->interface_version != machine->sysctl_version)
		expect_only(call, ERR(EACCES));
	else if (!machine->control)
		expect_only(call, ERR(EPERM));
	else
		return true;
	return false;
}

static bool sysctl_exists(uint32_t command)
{
	return command < 64;
}

static const struct field sysctl_head[] = {
	{ "cmd", offsetof(struct xen_sysctl, cmd), 4, FLOW_IN },
	{ "interface version", offsetof(struct xen_sysctl, interface_version), 4, FLOW_IN },
	FIELDS_END,
};

static const struct part sysctl_parts[] = {
	{ sysctl_information, &sysctl_information_count },
	{ sysctl_control, &sysctl_control_count },
	{ sysctl_pool, &sysctl_pool_count },
	{ sysctl_topology, &sysctl_topology_count },
	{ sysctl_power, &sysctl_power_count },
	{ sysctl_livepatch, &sysctl_livepatch_count },
};

const struct family family_sysctl = {
	.name = "sysctl",
	.hypercall = __HYPERVISOR_sysctl,
	.structure_size = sizeof(struct xen_sysctl),
	.unknown_command = ERR(ENOSYS),
	.head = sysctl_head,
	.parts = sysctl_parts,
	.n_parts = COUNT(sysctl_parts),
	.command_exists = sysctl_exists,
	.generate = sysctl_generate,
	.expect = sysctl_expect,
};

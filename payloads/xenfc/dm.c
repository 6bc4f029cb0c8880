/* dm_op: what device models do to HVM domains, ours. */
#include "dm.h"
#include "domctl.h"
#include "who.h"

#define DM_MOST_BUFFERS 2u
#define DM_HEAD offsetof(struct xen_dm_op, u)

/* How much of the buffer Xen reads. */
static uint64_t dm_size(const struct call *call)
{
	return DM_HEAD + (call->operation ? call->operation->structure_size : 0);
}

/* dm_op(domain, count, list of buffers): the first buffer is the operation. */
static void dm_generate(struct call *call)
{
	struct area *list = area_take(call, DM_MOST_BUFFERS * sizeof(xen_dm_op_buf_t), false);
	struct area *op = area_take(call, sizeof(struct xen_dm_op), false);
	xen_dm_op_buf_t buffer = { .size = sizeof(struct xen_dm_op) };
	uint64_t address = area_address(call, op);
	struct xen_dm_op *dm = (void *)op->at;

	dm->op = call->command;
	dm->pad = chance(call, 10);
	op->out_size = op->size;
	memcpy(&buffer.h, &address, sizeof(address));
	if (chance(call, 10))
		buffer.size = draw(call, dm_size(call) + 1);
	memcpy(list->at, &buffer, sizeof(buffer));
	call->arguments[0] = draw_who(call, true);
	call->arguments[1] = chance(call, 95) ? 1 : 3 + draw_interesting(call, 31);
	call->arguments[2] = chance(call, 95) ? area_sure(list) : area_address(call, list);
}

static const xen_dm_op_buf_t *first_buffer(const struct call *call)
{
	return (const xen_dm_op_buf_t *)(const void *)call->areas[0].at;
}

static void not_hvm_perhaps(struct call *call)
{
	if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EINVAL));
}

/* Whether the domain can be a target at all; it is looked up by number, and not oneself. */
static bool is_target(struct call *call, uint16_t id)
{
	if (who_is(call, id, LOOKUP_NUMBER) == WHO_SELF)
		expect_only(call, ERR(EPERM));
	else if (!who_allows(call, id, LOOKUP_NUMBER, RIGHT_CONTROL))
		not_hvm_perhaps(call);
	else if (!call->domain->hvm)
		expect_only(call, ERR(EINVAL));
	else
		return true;
	return false;
}

/* A list in the arena's last bytes names a buffer that is out of reach. */
static void expect_elsewhere(struct call *call, uint16_t id)
{
	if (!reachable(call, call->arguments[2], sizeof(xen_dm_op_buf_t)) || is_target(call, id))
		expect_only(call, ERR(EFAULT));
}

static bool dm_expect(struct call *call)
{
	const xen_dm_op_buf_t *buffer = first_buffer(call);
	uint16_t id = (uint16_t)call->arguments[0];

	call->domain = model_domain(&call->run->model, id);
	if (call->arguments[1] > DM_MOST_BUFFERS)
		expect_only(call, ERR(E2BIG));
	else if (call->arguments[2] != area_sure(&call->areas[0]))
		expect_elsewhere(call, id);
	else if (!is_target(call, id))
		return false;
	else if (buffer->size < DM_HEAD || !reachable(call, handle_value(&buffer->h), DM_HEAD))
		expect_only(call, ERR(EFAULT));
	else if (handle_value(&buffer->h) != area_sure(&call->areas[1]))
		expect_only(call, ERR(EOPNOTSUPP));	/* the background as a number */
	else if (buffer->size < dm_size(call))
		expect_only(call, ERR(EFAULT));
	else
		return true;
	return false;
}

struct xen_dm_op *dm_of(const struct call *call)
{
	return (struct xen_dm_op *)(void *)call->areas[1].at;
}

/* Padding comes after the number, before everything else. */
bool dm_padded(struct call *call)
{
	if (dm_of(call)->pad)
		expect_only(call, ERR(EINVAL));
	return dm_of(call)->pad;
}

struct xen_dm_op *dm_aside_structure(struct call *call)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(struct xen_dm_op));
}

long dm_aside(struct call *call, uint32_t command)
{
	struct run *run = call->run;
	struct xen_dm_op *dm = (void *)(run->door->arena + ARENA_ASIDE);
	xen_dm_op_buf_t *buffer = (void *)(dm + 1);
	uint64_t address = (uintptr_t)dm;

	dm->op = command;
	memset(buffer, 0, sizeof(*buffer));
	buffer->size = sizeof(*dm);
	memcpy(&buffer->h, &address, sizeof(address));
	return aside(run, __HYPERVISOR_dm_op, call->domain->id, 1, (uintptr_t)buffer);
}

static const struct part dm_parts[] = {
	{ dm_servers, &dm_servers_count },
	{ dm_machine, &dm_machine_count },
	{ dm_caches, &dm_caches_count },
};

const struct family family_dm = {
	.name = "dm",
	.hypercall = __HYPERVISOR_dm_op,
	.parts = dm_parts,
	.n_parts = COUNT(dm_parts),
	.generate = dm_generate,
	.expect = dm_expect,
};

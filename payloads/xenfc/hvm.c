/* hvm_op and dm_op: parameters and device models of HVM domains, ours. */
#include "domctl.h"
#include "who.h"

#define DM_MOST_BUFFERS 2u

static struct xen_hvm_param *param_of(const struct call *call)
{
	return (struct xen_hvm_param *)(void *)call->structure->at;
}

static void generate_param(struct call *call)
{
	param_of(call)->domid = draw_who(call, true);
	param_of(call)->index = draw_mostly(call, 80, HVM_NR_PARAMS + 1);
	param_of(call)->value = draw_interesting(call, 64);
}

static void not_hvm_perhaps(struct call *call)
{
	if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EINVAL));
}

/* The kind of domain comes before the right; domains that are not ours here are PV. */
static bool param_expected(struct call *call)
{
	const struct xen_hvm_param *p = param_of(call);

	call->domain = model_domain(&call->run->model, p->domid);
	if (p->index >= HVM_NR_PARAMS)
		expect_only(call, ERR(EINVAL));
	else if (!who_allows(call, p->domid, LOOKUP_ANY, RIGHT_TARGET))
		not_hvm_perhaps(call);
	else if (!call->domain || !call->domain->hvm)
		expect_only(call, ERR(EINVAL));
	else
		return false;
	return true;
}

static void expect_get_param(struct call *call)
{
	if (param_expected(call))
		return;
	expect_only(call, 0);
	expect_also(call, ERR(EINVAL));
}

/* Only parameters that nothing in Xen acts on. */
static void generate_set_param(struct call *call)
{
	static const uint32_t plain[] = {
		HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN, HVM_PARAM_CONSOLE_PFN,
		HVM_PARAM_CONSOLE_EVTCHN, HVM_PARAM_VM_GENERATION_ID_ADDR,
	};

	generate_param(call);
	if (param_of(call)->index < HVM_NR_PARAMS)
		param_of(call)->index = plain[draw(call, COUNT(plain))];
}

static void expect_set_param(struct call *call)
{
	if (!param_expected(call))
		expect_only(call, 0);
}

static void after_set_param(struct call *call)
{
	const struct xen_hvm_param *set = param_of(call);
	struct xen_hvm_param *p = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result || !call->domain)
		return;
	*p = (struct xen_hvm_param){ .domid = set->domid, .index = set->index };
	result = aside(call->run, __HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)p, 0);
	if (result || p->value != set->value)
		call_wrong(call, "the parameter is %lu afterwards", p->value);
}

static const struct field get_fields[] = {
	FIELD(struct xen_hvm_param, domid, FLOW_IN),
	FIELD(struct xen_hvm_param, index, FLOW_IN),
	FIELD(struct xen_hvm_param, value, FLOW_OUT),
	FIELDS_END,
};

static const struct field set_fields[] = {
	FIELD(struct xen_hvm_param, domid, FLOW_IN),
	FIELD(struct xen_hvm_param, index, FLOW_IN),
	FIELD(struct xen_hvm_param, value, FLOW_IN),
	FIELDS_END,
};

static const struct operation hvm_operations[] = {
	{ .name = "get_param", .command = HVMOP_get_param, .danger = DANGER_SAFE, .weight = 6,
	  .traits = TRAIT_READS, .structure_size = sizeof(struct xen_hvm_param),
	  .fields = get_fields, .generate = generate_param, .expect = expect_get_param },
	{ .name = "set_param", .command = HVMOP_set_param, .danger = DANGER_OWN, .weight = 6,
	  .structure_size = sizeof(struct xen_hvm_param), .fields = set_fields,
	  .generate = generate_set_param, .expect = expect_set_param, .after = after_set_param },
};
static const size_t hvm_count = COUNT(hvm_operations);
static const struct part hvm_parts[] = { { hvm_operations, &hvm_count } };

static bool hvm_exists(uint32_t command)
{
	return command < 32 || command > 255;
}

const struct family family_hvm = {
	.name = "hvm",
	.hypercall = __HYPERVISOR_hvm_op,
	.structure_size = 64,
	.unknown_command = ERR(ENOSYS),
	.parts = hvm_parts,
	.n_parts = COUNT(hvm_parts),
	.command_exists = hvm_exists,
	.generate = command_generate,
	.expect = command_expect,
};

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
	memcpy(&buffer.h, &address, sizeof(address));
	if (chance(call, 10))
		buffer.size = draw(call, 8);
	memcpy(list->at, &buffer, sizeof(buffer));
	op->out_size = call->operation && call->command == XEN_DMOP_nr_vcpus ? op->size : 0;
	call->arguments[0] = draw_who(call, true);
	call->arguments[1] = chance(call, 95) ? 1 : 3 + draw_interesting(call, 31);
	call->arguments[2] = chance(call, 95) ? area_sure(list) : area_address(call, list);
}

static const xen_dm_op_buf_t *first_buffer(const struct call *call)
{
	return (const xen_dm_op_buf_t *)(const void *)call->areas[0].at;
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
	else if (buffer->size < offsetof(struct xen_dm_op, u) ||
		 !reachable(call, handle_value(&buffer->h), offsetof(struct xen_dm_op, u)))
		expect_only(call, ERR(EFAULT));
	else if (handle_value(&buffer->h) != area_sure(&call->areas[1]))
		expect_only(call, ERR(EOPNOTSUPP));	/* the background as a number */
	else
		return true;
	return false;
}

/* Sizes and padding come after the number; what lies beyond is reached or is not. */
static void expect_vcpus(struct call *call)
{
	const struct xen_dm_op *dm = (const void *)call->areas[1].at;

	expect_only(call, dm->pad ? ERR(EINVAL) : 0);
	if (first_buffer(call)->size < offsetof(struct xen_dm_op, u) +
	    sizeof(struct xen_dm_op_nr_vcpus))
		expect_also(call, ERR(EFAULT));
}

static void after_vcpus(struct call *call)
{
	const struct xen_dm_op *dm = (const void *)call->areas[1].at;

	if (!call->result && dm->u.nr_vcpus.vcpus != call->domain->max_vcpus)
		call_wrong(call, "%u processors were told, there are %u", dm->u.nr_vcpus.vcpus,
			   call->domain->max_vcpus);
}

/* The structure of a server that is not there, as all zeroes name. */
static void expect_no_server(struct call *call)
{
	expect_only(call, ERR(ENOENT));
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(EFAULT));
}

static void expect_unsupported(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
}

static const struct operation dm_operations[] = {
	{ .name = "nr_vcpus", .command = XEN_DMOP_nr_vcpus, .danger = DANGER_SAFE, .weight = 4,
	  .since = RELEASE(4, 14), .expect = expect_vcpus, .after = after_vcpus },
	{ .name = "get_ioreq_server_info", .command = XEN_DMOP_get_ioreq_server_info,
	  .danger = DANGER_SAFE, .weight = 3, .expect = expect_no_server },
	{ .name = "destroy_ioreq_server", .command = XEN_DMOP_destroy_ioreq_server,
	  .danger = DANGER_OWN, .weight = 3, .expect = expect_no_server },
	{ .name = "set_ioreq_server_state", .command = XEN_DMOP_set_ioreq_server_state,
	  .danger = DANGER_OWN, .weight = 3, .expect = expect_no_server },
	{ .name = "no_command", .command = 1000, .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_unsupported },
};
static const size_t dm_count = COUNT(dm_operations);
static const struct part dm_parts[] = { { dm_operations, &dm_count } };

const struct family family_dm = {
	.name = "dm",
	.hypercall = __HYPERVISOR_dm_op,
	.parts = dm_parts,
	.n_parts = COUNT(dm_parts),
	.generate = dm_generate,
	.expect = dm_expect,
};

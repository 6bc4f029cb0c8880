/* hvm_op: parameters of HVM domains, ours. */
#include "domctl.h"
#include "hvm.h"
#include "who.h"

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

/* They have numbers still, and are neither set nor told. */
static bool is_retired(uint32_t index)
{
	static const uint8_t retired[] = {
		HVM_PARAM_PAE_ENABLED, HVM_PARAM_DM_DOMAIN, HVM_PARAM_MEMORY_EVENT_CR0,
		HVM_PARAM_MEMORY_EVENT_CR3, HVM_PARAM_MEMORY_EVENT_CR4,
		HVM_PARAM_MEMORY_EVENT_INT3, HVM_PARAM_NESTEDHVM,
		HVM_PARAM_MEMORY_EVENT_SINGLE_STEP, HVM_PARAM_BUFIOREQ_EVTCHN,
		HVM_PARAM_MEMORY_EVENT_MSR,
	};

	for (unsigned int i = 0; i < COUNT(retired); i++)
		if (retired[i] == index)
			return true;
	return false;
}

/* Some are told through another one. */
static uint64_t told(const struct domain_model *domain, uint32_t index)
{
	if (index == HVM_PARAM_VM86_TSS)
		return (uint32_t)domain->parameters[HVM_PARAM_VM86_TSS_SIZED];
	return domain->parameters[index];
}

static void expect_get_param(struct call *call)
{
	if (param_expected(call))
		return;
	expect_only(call, is_retired(param_of(call)->index) ? ERR(EINVAL) : 0);
}

static void after_get_param(struct call *call)
{
	const struct xen_hvm_param *p = param_of(call);
	uint64_t right;

	if (call->result || !call->domain)
		return;
	right = told(call->domain, p->index);
	if (p->value != right && right != PARAMETER_UNKNOWN)
		call_wrong(call, "parameter %u is %lx, expected %lx", p->index,
			   (uint64_t)p->value, right);
}

#define TSS_BYTES 104ull
#define MOST_TSS_BYTES (TSS_BYTES + 32 + 8192 + 1)	/* more are not used */
#define SIZED(bytes) ((bytes) << 32)
#define OLD_TSS_BYTES 128ull

/*
 * Parameters that nothing in Xen acts on as long as the domain does not run.  What `mask` lacks
 * must not be set.
 */
static const struct parameter {
	uint32_t index;
	uint64_t least, most;
	uint64_t mask;		/* 0: any bits */
	bool once;		/* it is set for good */
} plain[] = {
	{ HVM_PARAM_CALLBACK_IRQ, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_STORE_PFN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_STORE_EVTCHN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_CONSOLE_PFN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_CONSOLE_EVTCHN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_VM_GENERATION_ID_ADDR, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_HPET_ENABLED, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_VPT_ALIGN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_IDENT_PT, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_PAGING_RING_PFN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_MONITOR_RING_PFN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_SHARING_RING_PFN, 0, UINT64_MAX, 0, false },
	{ HVM_PARAM_TIMER_MODE, 0, HVMPTM_one_missed_tick_pending, 0, false },
	{ HVM_PARAM_TRIPLE_FAULT_REASON, 0, SHUTDOWN_MAX, 0, false },
	{ HVM_PARAM_X87_FIP_WIDTH, 0, 8, 4 | 8, false },
	{ HVM_PARAM_VM86_TSS, 0, UINT32_MAX, 0, false },
	{ HVM_PARAM_VM86_TSS_SIZED, SIZED(TSS_BYTES), UINT64_MAX, 0, false },
	{ HVM_PARAM_VIRIDIAN, HVMPV_base_freq, HVMPV_feature_mask, HVMPV_feature_mask, true },
	{ HVM_PARAM_NR_IOREQ_SERVER_PAGES, 1, 64, 0, true },
	{ HVM_PARAM_IOREQ_SERVER_PFN, 0, UINT64_MAX, 0, true },
	{ HVM_PARAM_IOREQ_PFN, 0, UINT64_MAX, 0, true },
	{ HVM_PARAM_BUFIOREQ_PFN, 0, UINT64_MAX, 0, true },
	{ HVM_PARAM_ALTP2M, 0, XEN_ALTP2M_limited, 0, true },
	/* Not any more. */
	{ HVM_PARAM_PAE_ENABLED, 1, 0, 0, false },
	{ HVM_PARAM_NESTEDHVM, 1, 0, 0, false },
	{ HVM_PARAM_MEMORY_EVENT_CR0, 1, 0, 0, false },
	{ HVM_PARAM_BUFIOREQ_EVTCHN, 1, 0, 0, false },
};

static void generate_set_param(struct call *call)
{
	struct xen_hvm_param *p = param_of(call);

	generate_param(call);
	if (p->index >= HVM_NR_PARAMS)
		return;
	call->note = (long)draw(call, COUNT(plain));
	if (plain[call->note].index == HVM_PARAM_VIRIDIAN && !may_break_xen(call))
		call->note = 0;
	p->index = plain[call->note].index;
	if (chance(call, 40))
		p->value = plain[call->note].least - 1 + draw(call, 3);
	else if (chance(call, 50))
		p->value = plain[call->note].most - 1 + draw(call, 3);
	else if (plain[call->note].mask)
		p->value &= plain[call->note].mask;
	else if (p->index == HVM_PARAM_VM86_TSS_SIZED)
		p->value = SIZED(MOST_TSS_BYTES - 1 + draw(call, 3)) | (uint32_t)p->value;
}

static bool value_sane(const struct parameter *parameter, uint64_t value)
{
	if (parameter->index == HVM_PARAM_VIRIDIAN && !(value & HVMPV_base_freq))
		return false;
	return value >= parameter->least && value <= parameter->most &&
	       !(parameter->mask && value & ~parameter->mask);
}

/* No domain has other views of its memory beside machines within it. */
static bool value_fits(const struct call *call)
{
	return param_of(call)->index != HVM_PARAM_ALTP2M || !param_of(call)->value ||
	       !(call->domain->flags & XEN_DOMCTL_CDF_nested_virt);
}

/* What is set once is not changed any more, at whatever time that is tried; 0: it may be changed. */
static uint64_t kept(const struct call *call)
{
	return plain[call->note].once ? call->domain->parameters[param_of(call)->index] : 0;
}

static void expect_set_param(struct call *call)
{
	uint64_t value = param_of(call)->value;

	if (param_expected(call))
		return;
	if (param_of(call)->index == HVM_PARAM_ALTP2M && since(call, RELEASE(4, 19)))
		expect_only(call, ERR(EEXIST));	/* only making the domain sets it */
	else if (kept(call) && value != kept(call))
		expect_only(call, ERR(EEXIST));
	else
		expect_only(call, value_sane(&plain[call->note], value) && value_fits(call) ? 0 :
			    ERR(EINVAL));
}

static long param_aside(struct call *call, unsigned int command, struct xen_hvm_param *p)
{
	return aside(call->run, __HYPERVISOR_hvm_op, command, (uintptr_t)p, 0);
}

static void try_again(struct call *call, struct xen_hvm_param *p)
{
	long result;

	p->value = param_of(call)->value ^ 1;
	result = param_aside(call, HVMOP_set_param, p);
	if (result != ERR(EEXIST))
		call_wrong(call, "changing a parameter that was set gave %ld, expected %ld", result,
			   ERR(EEXIST));
}

static void note_parameter(struct domain_model *domain, uint32_t index, uint64_t value)
{
	if (index == HVM_PARAM_VM86_TSS) {
		index = HVM_PARAM_VM86_TSS_SIZED;
		value |= value ? SIZED(OLD_TSS_BYTES) : 0;
	} else if (index == HVM_PARAM_VM86_TSS_SIZED && value >> 32 > MOST_TSS_BYTES) {
		value = SIZED(MOST_TSS_BYTES) | (uint32_t)value;
	}
	domain->parameters[index] = value;
}

static void after_set_param(struct call *call)
{
	const struct xen_hvm_param *set = param_of(call);
	struct xen_hvm_param *p = (void *)(call->run->door->arena + ARENA_ASIDE);

	if (call->result || !call->domain)
		return;
	*p = (struct xen_hvm_param){ .domid = set->domid, .index = set->index };
	note_parameter(call->domain, set->index, set->value);
	if (kept(call))
		try_again(call, p);
	if (param_aside(call, HVMOP_get_param, p) || p->value != told(call->domain, set->index))
		call_wrong(call, "the parameter is %lx afterwards, expected %lx", p->value,
			   told(call->domain, set->index));
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
	  .fields = get_fields, .generate = generate_param, .expect = expect_get_param,
	  .after = after_get_param },
	{ .name = "set_param", .command = HVMOP_set_param, .danger = DANGER_OWN, .weight = 12,
	  .structure_size = sizeof(struct xen_hvm_param), .fields = set_fields,
	  .generate = generate_set_param, .expect = expect_set_param, .after = after_set_param },
};
static const size_t hvm_count = COUNT(hvm_operations);
static const struct part hvm_parts[] = {
	{ hvm_operations, &hvm_count },
	{ hvm_caller, &hvm_caller_count },
	{ hvm_altp2m, &hvm_altp2m_count },
};

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

/* domctl: registers of processors that are asked for and set in one piece. */
#include "domctl.h"

#define HEADER 16u	/* the two masks that extended state begins with */
#define SMALLEST (HEADER + 576u)	/* with any state behind it */
#define TOO_LARGE (1u << 20)
#define ROOM 1024u
#define NO_FEATURE (1ull << 61)
#define FEW_REGISTERS 3u	/* every processor has so many that can be set */
#define MANY_REGISTERS 16u
#define NO_REGISTER 0x4000f000u
#define HARMLESS_REGISTER 0xc0000103u	/* not every machine has it */

static bool vcpu_exists(const struct call *call, uint32_t vcpu)
{
	return call->domain->has_vcpus && vcpu < call->domain->max_vcpus;
}

static struct xen_domctl_vcpuextstate *extended(const struct call *call)
{
	return &domctl_of(call)->u.vcpuextstate;
}

static void generate_get(struct call *call)
{
	struct xen_domctl_vcpuextstate *e = extended(call);

	memset(e, 0, sizeof(*e));
	e->vcpu = draw_mostly(call, 85, 5);
	if (chance(call, 30))
		return;
	e->size = draw_around(call, ROOM + 1, HEADER);
	e->xfeature_mask = chance(call, 50) ? 0 : NO_FEATURE | draw_interesting(call, 61);
	if (chance(call, 25))
		e->size = e->xfeature_mask = 0;
	buffer_take(call, &e->buffer, ROOM, true, false);
}

/* What is set is the machine's: the mask of one without any is 0, and has a header only. */
static void expect_get(struct call *call)
{
	const struct xen_domctl_vcpuextstate *e = extended(call);
	uint64_t buffer = handle_value(&e->buffer);

	if (!vcpu_exists(call, e->vcpu)) {
		expect_only(call, ERR(ESRCH));
		return;
	}
	call->note = (!e->size && !e->xfeature_mask) || !buffer;
	if (call->note) {
		expect_only(call, 0);
		return;
	}
	expect_only(call, ERR(EINVAL));
	if (!e->xfeature_mask && e->size >= HEADER)
		expect_also(call, reachable(call, buffer, HEADER) ? 0 : ERR(EFAULT));
}

/* How much there may be is told to who has no room; what none was used of is the header alone. */
static void after_get(struct call *call)
{
	const struct xen_domctl_vcpuextstate *e = extended(call), *most;
	struct xen_domctl *d;
	uint64_t used[2];

	if (call->result)
		return;
	if (e->size < HEADER || e->size >= TOO_LARGE)
		call_wrong(call, "a processor's extended state has %lu bytes", (uint64_t)e->size);
	d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));
	most = &d->u.vcpuextstate;
	d->u.vcpuextstate.vcpu = e->vcpu;
	if (domctl_aside(call->run, DOMCTL(getvcpuextstate), call->domain->id) ||
	    most->xfeature_mask != e->xfeature_mask || most->size < e->size ||
	    (call->note && most->size != e->size))
		call_wrong(call, "a processor's extended state has %lu bytes of %lu, with mask %lx",
			   (uint64_t)e->size, (uint64_t)most->size, (uint64_t)e->xfeature_mask);
	if (call->note)
		return;
	memcpy(used, call->areas[1].at, sizeof(used));
	if (used[0] & ~used[1] || (!used[1] && e->size != HEADER))
		call_wrong(call, "a processor uses state %lx of %lx, which has %lu bytes", used[0],
			   used[1], (uint64_t)e->size);
	check_rest(call, &call->areas[1], handle_value(&e->buffer), e->size);
}

static void generate_set(struct call *call)
{
	struct xen_domctl_vcpuextstate *e = extended(call);
	struct area *area;

	memset(e, 0, sizeof(*e));
	e->vcpu = draw_mostly(call, 85, 5);
	e->size = HEADER;
	if (chance(call, 20))
		e->size = chance(call, 30) ? TOO_LARGE + draw_interesting(call, 62) :
			draw(call, SMALLEST);
	area = buffer_take(call, &e->buffer, HEADER, false, false);
	if (chance(call, 60))
		memset(area->at, 0, HEADER);
}

static bool is_zero(const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i])
			return false;
	return true;
}

/* Nothing at all can be set; of anything else the header alone is too little. */
static void expect_set(struct call *call)
{
	const struct xen_domctl_vcpuextstate *e = extended(call);
	bool reached = handle_value(&e->buffer) == area_sure(&call->areas[1]);

	if (!vcpu_exists(call, e->vcpu)) {
		expect_only(call, ERR(ESRCH));
	} else if (e->size == HEADER) {
		expect_only(call, !reached ? ERR(EFAULT) :
			    is_zero(call->areas[1].at, HEADER) ? 0 : ERR(EINVAL));
	} else {
		expect_only(call, ERR(EINVAL));
		/* A machine with little state does not even look at so much. */
		if (!reachable(call, handle_value(&e->buffer), e->size) && e->size > HEADER &&
		    e->size < TOO_LARGE)
			expect_also(call, ERR(EFAULT));
	}
}

static struct xen_domctl_vcpu_msrs *registers(const struct call *call)
{
	return &domctl_of(call)->u.vcpu_msrs;
}

static void generate_set_msrs(struct call *call)
{
	struct xen_domctl_vcpu_msrs *m = registers(call);
	struct area *area;
	xen_domctl_vcpu_msr_t first;

	memset(m, 0, sizeof(*m));
	m->vcpu = draw_mostly(call, 85, 5);
	m->msr_count = chance(call, 85) ? (uint32_t)draw(call, FEW_REGISTERS + 1) :
		MANY_REGISTERS + (uint32_t)draw_interesting(call, 31);
	area = buffer_take(call, &m->msrs, FEW_REGISTERS * sizeof(first), false, false);
	memcpy(&first, area->at, sizeof(first));
	first.index = chance(call, 50) ? NO_REGISTER : HARMLESS_REGISTER;
	first.value = 0;
	first.reserved = chance(call, 50) ? 0 : 1u << draw(call, 32);
	memcpy(area->at, &first, sizeof(first));
}

/* The first may be one that can be set; what is random behind it is none. */
static bool first_may_be_set(const struct call *call)
{
	xen_domctl_vcpu_msr_t first;

	memcpy(&first, call->areas[1].at, sizeof(first));
	return first.index == HARMLESS_REGISTER && !first.reserved;
}

/* What is no register that may be set is not there since 4.20, unless it is wrong in itself. */
static void expect_registers(struct call *call, const struct xen_domctl_vcpu_msrs *m, uint64_t list)
{
	bool given = list == area_sure(&call->areas[1]);

	expect_only(call, ERR(EINVAL));
	if (since(call, RELEASE(4, 20)))
		expect_also(call, ERR(ENXIO));
	if (m->msr_count == 1 && given && first_may_be_set(call))
		expect_also(call, 0);
}

static void expect_set_msrs(struct call *call)
{
	const struct xen_domctl_vcpu_msrs *m = registers(call);
	uint64_t list = handle_value(&m->msrs), size = sizeof(xen_domctl_vcpu_msr_t);

	call->note = m->msr_count;
	if (!vcpu_exists(call, m->vcpu))
		expect_only(call, ERR(ESRCH));
	else if (call->domain->hvm || m->msr_count > FEW_REGISTERS)
		expect_only(call, ERR(EINVAL));
	else if (!m->msr_count)
		expect_only(call, 0);
	else if (!reachable(call, list, size))
		expect_only(call, ERR(EFAULT));
	else
		expect_registers(call, m, list);
}

/* As many as were set are told when another one is refused. */
static void after_set_msrs(struct call *call)
{
	const struct xen_domctl_vcpu_msrs *m = registers(call);
	uint32_t most = first_may_be_set(call);

	if (call->result != ERR(EINVAL) && call->result != ERR(ENXIO))
		return;
	if (!call->domain || call->domain->hvm || !vcpu_exists(call, m->vcpu) ||
	    call->note > FEW_REGISTERS)
		return;
	if (m->msr_count > most)
		call_wrong(call, "%u registers are told to be set, of which %u may be", m->msr_count,
			   most);
}

static const struct field get_fields[] = {
	DOMCTL_FIELD(vcpuextstate.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpuextstate.xfeature_mask, FLOW_INOUT),
	DOMCTL_FIELD(vcpuextstate.size, FLOW_INOUT),
	FIELDS_END,
};

static const struct field set_fields[] = {
	DOMCTL_FIELD(vcpuextstate.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpuextstate.size, FLOW_IN),
	FIELDS_END,
};

static const struct field msr_fields[] = {
	DOMCTL_FIELD(vcpu_msrs.vcpu, FLOW_IN),
	DOMCTL_FIELD(vcpu_msrs.msr_count, FLOW_INOUT),
	FIELDS_END,
};

#define REGISTERS(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 6, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_registers[] = {
	REGISTERS(getvcpuextstate, TRAIT_TELLS | TRAIT_WRITES_ON_ERROR, get_fields, generate_get,
		  expect_get, after_get),
	REGISTERS(setvcpuextstate, 0, set_fields, generate_set, expect_set, NULL),
	REGISTERS(set_vcpu_msrs, TRAIT_WRITES_ON_ERROR, msr_fields, generate_set_msrs,
		  expect_set_msrs, after_set_msrs),
};
const size_t domctl_registers_count = COUNT(domctl_registers);

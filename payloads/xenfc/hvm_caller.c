/* hvm_op: what everybody may call, and what only HVM guests may call for themselves: we are PV. */
#include "hvm.h"
#include "memory.h"

#include "who.h"

#define TRACE_CLASS 0xfffu	/* of an event's number, what is left to the caller */
#define MOST_EXTRA ((uint16_t)sizeof(((struct xen_hvm_xentrace *)0)->extra))

/* These take no structure, or do not look at it. */
static void generate_pointer(struct call *call)
{
	call->structure = NULL;
	call->torn = NULL;
	call->arguments[1] = chance(call, 50) ? 0 : 1 + draw_interesting(call, 62);
}

static void expect_no_pointer(struct call *call)
{
	expect_only(call, call->arguments[1] ? ERR(EINVAL) : 0);
}

static struct xen_hvm_get_mem_type *type_of(const struct call *call)
{
	return (struct xen_hvm_get_mem_type *)(void *)call->structure->at;
}

static void generate_type(struct call *call)
{
	type_of(call)->domid = draw_who(call, true);
	type_of(call)->pfn = chance(call, 80) ? draw(call, MAP_PLACES) : draw_interesting(call, 64);
}

static void expect_type(struct call *call)
{
	if (who_allows(call, type_of(call)->domid, LOOKUP_ANY, RIGHT_TARGET))
		expect_only(call, call->domain && call->domain->hvm ? 0 : ERR(EINVAL));
}

static struct xen_hvm_pagetable_dying *dying(const struct call *call)
{
	return (struct xen_hvm_pagetable_dying *)(void *)call->structure->at;
}

static void generate_dying(struct call *call)
{
	draw_fields(call);
	dying(call)->domid = draw_who(call, true);
}

/* Of the caller itself only; that we are PV comes after that. */
static void expect_dying(struct call *call)
{
	if (!who_allows(call, dying(call)->domid, LOOKUP_ANY, RIGHT_ANYBODY)) {
		if (expect_names(&call->expect, ERR(EPERM))) {
			expect_only(call, ERR(EOPNOTSUPP));
			expect_also(call, ERR(ESRCH));
		}
		return;
	}
	expect_only(call, who_is(call, dying(call)->domid, LOOKUP_ANY) == WHO_SELF ? ERR(EINVAL) :
		    ERR(EOPNOTSUPP));
}

static struct xen_hvm_xentrace *trace(const struct call *call)
{
	return (struct xen_hvm_xentrace *)(void *)call->structure->at;
}

static void generate_trace(struct call *call)
{
	draw_fields(call);
	trace(call)->event = (uint16_t)draw_interesting(call, chance(call, 80) ? 12 : 16);
	trace(call)->extra_bytes = (uint16_t)draw(call, MOST_EXTRA + 2u);
}

static void expect_trace(struct call *call)
{
	uint16_t bytes = trace(call)->extra_bytes;
	bool whole = !since(call, RELEASE(4, 18)) || !(bytes % sizeof(uint32_t));

	expect_only(call, !whole || bytes > MOST_EXTRA || trace(call)->event & ~TRACE_CLASS ?
		    ERR(EINVAL) : 0);
}

static const struct field type_fields[] = {
	FIELD(struct xen_hvm_get_mem_type, domid, FLOW_IN),
	FIELD(struct xen_hvm_get_mem_type, pfn, FLOW_IN),
	FIELD(struct xen_hvm_get_mem_type, mem_type, FLOW_OUT),
	FIELDS_END,
};

static const struct field dying_fields[] = {
	FIELD(struct xen_hvm_pagetable_dying, domid, FLOW_IN),
	FIELD(struct xen_hvm_pagetable_dying, gpa, FLOW_IN),
	FIELDS_END,
};

static const struct field time_fields[] = {
	FIELD(struct xen_hvm_get_time, now, FLOW_VOLATILE),
	FIELDS_END,
};

static const struct field trace_fields[] = {
	FIELD(struct xen_hvm_xentrace, event, FLOW_IN),
	FIELD(struct xen_hvm_xentrace, extra_bytes, FLOW_IN),
	FIELD(struct xen_hvm_xentrace, extra, FLOW_IN),
	FIELDS_END,
};

#define CALLER(label, number, traits_of, size, field_list, generator, expectation) \
	{ .name = label, .command = number, .danger = DANGER_SAFE, .traits = traits_of, \
	  .weight = 3, .structure_size = size, .fields = field_list, .generate = generator, \
	  .expect = expectation }

const struct operation hvm_caller[] = {
	CALLER("set_evtchn_upcall_vector", HVMOP_set_evtchn_upcall_vector, 0, 0, NULL,
	       generate_pointer, expect_invalid),
	CALLER("flush_tlbs", HVMOP_flush_tlbs, 0, 0, NULL, generate_pointer, expect_invalid),
	CALLER("guest_request_vm_event", HVMOP_guest_request_vm_event, 0, 0, NULL,
	       generate_pointer, expect_no_pointer),
	CALLER("get_mem_type", HVMOP_get_mem_type, TRAIT_READS,
	       sizeof(struct xen_hvm_get_mem_type), type_fields, generate_type, expect_type),
	CALLER("pagetable_dying", HVMOP_pagetable_dying, 0,
	       sizeof(struct xen_hvm_pagetable_dying), dying_fields, generate_dying, expect_dying),
	CALLER("get_time", HVMOP_get_time, TRAIT_READS, sizeof(struct xen_hvm_get_time),
	       time_fields, NULL, expect_success),
	CALLER("xentrace", HVMOP_xentrace, 0, sizeof(struct xen_hvm_xentrace), trace_fields,
	       generate_trace, expect_trace),
};
const size_t hvm_caller_count = COUNT(hvm_caller);

/* memory_op: resources of domains that others may map. */
#include "memory.h"
#include "who.h"

#define MOST_RESOURCE_FRAMES 80u
#define LAST_FRAME 0xffffffffull	/* with more than one from there on the range wraps */
#define RESOURCE_STRIDE 32u	/* of frames that Xen hands out at once */
#define DEFAULT_GRANT_FRAMES 64u

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static bool hvm(const struct call *call)
{
	return call->domain && call->domain->hvm;
}

static void generate_resource(struct call *call)
{
	struct xen_mem_acquire_resource *r = structure(call);

	r->domid = draw_who(call, true);
	r->type = (uint16_t)(chance(call, 70) ? XENMEM_resource_grant_table : draw(call, 5));
	r->id = draw_mostly(call, 95, 2);
	r->frame = chance(call, 90) ? draw(call, MOST_RESOURCE_FRAMES) :
		draw_interesting(call, 64);
	if (chance(call, 5))
		r->frame = LAST_FRAME - draw(call, 4);
	r->nr_frames = (uint32_t)draw(call, chance(call, 80) ? 4 : MOST_RESOURCE_FRAMES);
	r->pad = chance(call, 5);
	buffer_take(call, &r->frame_list, MOST_RESOURCE_FRAMES * sizeof(xen_pfn_t), true, true);
	if (chance(call, 15))
		memset(&r->frame_list, 0, sizeof(uint64_t));
	if (!handle_value(&r->frame_list) && chance(call, 80))
		r->nr_frames = 0;
}

static uint64_t grant_frames(const struct call *call)
{
	return call->domain->grant_frames < 0 ? DEFAULT_GRANT_FRAMES :
		(uint64_t)call->domain->grant_frames;
}

/* How many frame numbers Xen hands out before one that the table does not have: whole strides. */
static uint64_t frames_handed_out(const struct call *call, const struct xen_mem_acquire_resource *r)
{
	uint64_t frames = grant_frames(call);

	if (r->frame + r->nr_frames <= frames)
		return r->nr_frames;
	return r->frame < frames ? (frames - r->frame) / RESOURCE_STRIDE * RESOURCE_STRIDE : 0;
}

/* The table of grants of version 1, which has no frames of status. */
static void expect_table(struct call *call, const struct xen_mem_acquire_resource *r)
{
	uint64_t list = handle_value(&r->frame_list), handed_out;

	expect_only(call, ERR(EINVAL));
	if (r->id > XENMEM_resource_grant_table_id_status)
		return;
	if (!list) {
		expect_only(call, r->nr_frames ? ERR(EINVAL) : 0);
		return;
	}
	if (r->id != XENMEM_resource_grant_table_id_shared || !r->nr_frames)
		return;
	handed_out = frames_handed_out(call, r);
	if (handed_out && !reachable(call, list, handed_out * sizeof(xen_pfn_t)))
		expect_only(call, ERR(EFAULT));
	else if (handed_out == r->nr_frames)
		expect_only(call, 0);
	if (call->domain->hvm && call->domain->unsure)
		expect_also(call, ERR(ENOMEM));
}

/* Xen 4.17 takes the error about its kind for its size. */
static void expect_unknown(struct call *call, const struct xen_mem_acquire_resource *r)
{
	if (since(call, RELEASE(4, 18)))
		expect_only(call, ERR(EINVAL));
	else if (!handle_value(&r->frame_list))
		expect_only(call, r->nr_frames ? ERR(EINVAL) : 0);
	else if (r->nr_frames)
		expect_only(call, ERR(EOPNOTSUPP));
}

static void expect_resource(struct call *call)
{
	const struct xen_mem_acquire_resource *r = structure(call);

	if (r->pad || r->frame >> 32 || (r->frame + r->nr_frames) >> 32) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (who_is(call, r->domid, LOOKUP_NUMBER) == WHO_SELF) {
		expect_only(call, ERR(EPERM));
		return;
	}
	if (!who_allows(call, r->domid, LOOKUP_NUMBER, RIGHT_CONTROL))
		return;
	if (r->type == XENMEM_resource_grant_table) {
		expect_table(call, r);
		return;
	}
	/* There is no server of requests, no trace; but an HVM domain could have them. */
	expect_only(call, ERR(EINVAL));
	if (r->type > XENMEM_resource_vmtrace_buf)
		expect_unknown(call, r);
	if (hvm(call) && r->type == XENMEM_resource_ioreq_server) {
		expect_also(call, ERR(ENOENT));
		expect_also(call, 0);
	}
}

static void after_resource(struct call *call)
{
	const struct xen_mem_acquire_resource *r = structure(call);

	if (!call->result && r->type == XENMEM_resource_grant_table &&
	    !handle_value(&r->frame_list) && call->domain && !r->id &&
	    r->nr_frames != grant_frames(call))
		call_wrong(call, "a table of %u frames was told", r->nr_frames);
}

static const struct field resource_fields[] = {
	FIELD(struct xen_mem_acquire_resource, domid, FLOW_IN),
	FIELD(struct xen_mem_acquire_resource, type, FLOW_IN),
	FIELD(struct xen_mem_acquire_resource, id, FLOW_IN),
	FIELD(struct xen_mem_acquire_resource, nr_frames, FLOW_INOUT),
	FIELD(struct xen_mem_acquire_resource, pad, FLOW_IN),
	FIELD(struct xen_mem_acquire_resource, frame, FLOW_IN),
	FIELDS_END,
};

const struct operation memory_resources[] = {
	{ .name = "acquire_resource", .command = XENMEM_acquire_resource, .danger = DANGER_OWN,
	  .weight = 6, .structure_size = sizeof(struct xen_mem_acquire_resource),
	  .fields = resource_fields, .generate = generate_resource, .expect = expect_resource,
	  .after = after_resource },
};
const size_t memory_resources_count = COUNT(memory_resources);

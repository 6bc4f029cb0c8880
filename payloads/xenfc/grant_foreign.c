/* grant_table_op: nobody grants us anything, so all that would take a grant must fail. */
#include "grant.h"

#define HANDLE_BEYOND (1u << 24)	/* the kernel's own mappings have low handles */

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

/* One element only: what lies behind the structure is not ours to be written. */
static void one_element(struct call *call)
{
	if (call->arguments[2] == 2)
		call->arguments[2] = 1;
}

static void check_refused(struct call *call, int16_t status)
{
	if (!call->result && call->arguments[2] == 1 &&
	    (status >= GNTST_okay || status < GNTST_no_space))
		call_wrong(call, "status %d for something that cannot be", status);
}

static void generate_map(struct call *call)
{
	struct gnttab_map_grant_ref *m = (void *)structure(call);

	draw_fields(call);
	m->dom = draw_who(call, false);
	one_element(call);
}

static void after_map(struct call *call)
{
	const struct gnttab_map_grant_ref *m = (void *)structure(call);

	if (who_is(call, m->dom, LOOKUP_NUMBER) == WHO_NOBODY &&
	    m->flags & (GNTMAP_device_map | GNTMAP_host_map))
		grant_check_status(call, m->status, GNTST_bad_domain);
	else
		check_refused(call, m->status);
}

static void generate_unmap(struct call *call)
{
	struct gnttab_unmap_grant_ref *u = (void *)structure(call);

	draw_fields(call);
	u->handle |= HANDLE_BEYOND;
	one_element(call);
}

static void after_unmap(struct call *call)
{
	const struct gnttab_unmap_grant_ref *u = (void *)structure(call);

	grant_check_status(call, u->status, GNTST_bad_handle);
}

static void generate_swap(struct call *call)
{
	struct gnttab_swap_grant_ref *s = (void *)structure(call);

	draw_fields(call);
	s->ref_a |= HANDLE_BEYOND;
	one_element(call);
}

static void after_swap(struct call *call)
{
	const struct gnttab_swap_grant_ref *s = (void *)structure(call);

	grant_check_status(call, s->status, GNTST_bad_gntref);
}

static void generate_copy(struct call *call)
{
	struct gnttab_copy *c = (void *)structure(call);

	draw_fields(call);
	/* Frames are for our own domain only, which is not named here. */
	c->flags = chance(call, 80) ? GNTCOPY_source_gref | GNTCOPY_dest_gref :
		(uint16_t)draw(call, 4);
	c->source.domid = draw_who(call, false);
	c->dest.domid = draw_who(call, false);
	c->source.offset %= DOOR_PAGE;
	c->len = 1 + c->len % 64;
	one_element(call);
}

/* What Xen says of one end, before it looks for the grant; okay: it may be granted. */
static int16_t end_status(const struct call *call, uint16_t id, bool by_grant)
{
	if (!by_grant)
		return GNTST_permission_denied;
	return who_is(call, id, LOOKUP_ANY) == WHO_NOBODY ? GNTST_bad_domain : GNTST_okay;
}

static void after_copy(struct call *call)
{
	const struct gnttab_copy *c = (void *)structure(call);
	int16_t source = end_status(call, c->source.domid, c->flags & GNTCOPY_source_gref);
	int16_t dest = end_status(call, c->dest.domid, c->flags & GNTCOPY_dest_gref);

	if (who_is(call, c->source.domid, LOOKUP_ANY) == WHO_UNSURE ||
	    (!source && !dest))
		check_refused(call, c->status);
	else if (source || who_is(call, c->dest.domid, LOOKUP_ANY) != WHO_UNSURE)
		grant_check_status(call, c->status, source ? source : dest);
}

static void generate_flush(struct call *call)
{
	struct gnttab_cache_flush *f = (void *)structure(call);

	draw_fields(call);
	f->offset |= DOOR_PAGE;
	one_element(call);
}

static const struct field map_fields[] = {
	FIELD(struct gnttab_map_grant_ref, host_addr, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, flags, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, ref, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, dom, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, status, FLOW_OUT),
	FIELD(struct gnttab_map_grant_ref, handle, FLOW_ECHO),
	FIELD(struct gnttab_map_grant_ref, dev_bus_addr, FLOW_ECHO),
	FIELDS_END,
};

static const struct field unmap_fields[] = {
	FIELD(struct gnttab_unmap_grant_ref, host_addr, FLOW_IN),
	FIELD(struct gnttab_unmap_grant_ref, handle, FLOW_IN),
	FIELD(struct gnttab_unmap_grant_ref, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field swap_fields[] = {
	FIELD(struct gnttab_swap_grant_ref, ref_a, FLOW_IN),
	FIELD(struct gnttab_swap_grant_ref, ref_b, FLOW_IN),
	FIELD(struct gnttab_swap_grant_ref, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field copy_fields[] = {
	FIELD(struct gnttab_copy, source.u, FLOW_IN),
	FIELD(struct gnttab_copy, source.domid, FLOW_IN),
	FIELD(struct gnttab_copy, source.offset, FLOW_IN),
	FIELD(struct gnttab_copy, dest.u, FLOW_IN),
	FIELD(struct gnttab_copy, dest.domid, FLOW_IN),
	FIELD(struct gnttab_copy, dest.offset, FLOW_IN),
	FIELD(struct gnttab_copy, len, FLOW_IN),
	FIELD(struct gnttab_copy, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field flush_fields[] = {
	FIELD(struct gnttab_cache_flush, offset, FLOW_IN),
	FIELD(struct gnttab_cache_flush, length, FLOW_IN),
	FIELD(struct gnttab_cache_flush, op, FLOW_IN),
	FIELDS_END,
};

const struct operation grant_foreign[] = {
	GRANT(map_grant_ref, gnttab_map_grant_ref, DANGER_SAFE, map_fields, generate_map,
	      expect_success, after_map),
	GRANT(unmap_grant_ref, gnttab_unmap_grant_ref, DANGER_SAFE, unmap_fields, generate_unmap,
	      expect_success, after_unmap),
	GRANT(swap_grant_ref, gnttab_swap_grant_ref, DANGER_SAFE, swap_fields, generate_swap,
	      expect_success, after_swap),
	GRANT(copy, gnttab_copy, DANGER_SAFE, copy_fields, generate_copy, expect_success,
	      after_copy),
	{ .name = "cache_flush", .command = GNTTABOP_cache_flush, .danger = DANGER_SAFE,
	  .weight = 8, .until = RELEASE(4, 21), .structure_size = sizeof(struct gnttab_cache_flush),
	  .fields = flush_fields, .generate = generate_flush, .expect = expect_invalid },
};
const size_t grant_foreign_count = COUNT(grant_foreign);

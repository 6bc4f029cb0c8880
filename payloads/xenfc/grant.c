/*
 * grant_table_op: the hypercall succeeds, and every element of its list has a status of
 * its own.  Nobody grants us anything here, so all that would take a grant must fail; what
 * we grant to ourselves is in grant_own.c.
 */
#include "grant.h"

#define HANDLE_BEYOND (1u << 24)	/* the kernel's own mappings have low handles */
#define DEFAULT_FRAMES 64u
#define MOST_FRAMES 80u

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static const struct domain_model *domain_at(const struct call *call, uint16_t id)
{
	return model_domain(&call->run->model, id);
}

static void grant_generate(struct call *call)
{
	static const uint32_t wrong_counts[] = { 0, 2, 0x80000000u, UINT32_MAX };

	command_generate(call);
	call->arguments[2] = 1;
	if (!call->operation || !chance(call, 5))
		return;
	call->arguments[2] = wrong_counts[draw(call, COUNT(wrong_counts))];
}

/* Commands that take exactly one element. */
static bool takes_one(uint32_t command)
{
	return command == GNTTABOP_query_size || command == GNTTABOP_setup_table ||
	       command == GNTTABOP_get_status_frames;
}

static bool has_no_count(uint32_t command)
{
	return command == GNTTABOP_set_version || command == GNTTABOP_get_version;
}

/*
 * A list that Xen cannot reach is EFAULT; but elements after the first lie beyond our
 * structure, so with two there may be either end.
 */
static bool grant_expect(struct call *call)
{
	int32_t count = (int32_t)call->arguments[2];

	if (count < 0) {
		expect_only(call, ERR(EINVAL));
		return false;
	}
	if (!call->operation || has_no_count(call->command))
		return command_expect(call);
	if (takes_one(call->command) && count != 1) {
		expect_only(call, ERR(EINVAL));
		return false;
	}
	if (!count) {
		expect_only(call, 0);
		if (!reachable(call, call->arguments[1], 1))
			expect_also(call, ERR(EFAULT));
		return false;
	}
	return command_expect(call);
}

/* One element only: what lies behind the structure is not ours to be written. */
static void one_element(struct call *call)
{
	if (call->arguments[2] == 2 && !takes_one(call->command))
		call->arguments[2] = 1;
}

void grant_check_status(struct call *call, int16_t status, int16_t expected)
{
	if (!call->result && call->arguments[2] == 1 && status != expected)
		call_wrong(call, "status %d, expected %d", status, expected);
}

static void check_refused(struct call *call, int16_t status)
{
	if (!call->result && call->arguments[2] == 1 &&
	    (status >= GNTST_okay || status < GNTST_no_space))
		call_wrong(call, "status %d for something that cannot be", status);
}

/* What is said about the domain before anything else of the element; true: it may go on. */
static bool target_allowed(struct call *call, uint16_t id, int16_t status)
{
	enum who who = who_is(call, id, LOOKUP_ANY);

	if (who == WHO_UNSURE && status == GNTST_bad_domain)
		return false;
	if (who == WHO_NOBODY)
		grant_check_status(call, status, GNTST_bad_domain);
	else if (!who_has_right(call, who, RIGHT_TARGET))
		grant_check_status(call, status, GNTST_permission_denied);
	else
		return who != WHO_UNSURE;
	return false;
}

static void generate_query(struct call *call)
{
	struct gnttab_query_size *q = (void *)structure(call);

	q->dom = draw_who(call, true);
}

static uint32_t most_frames(const struct domain_model *domain)
{
	return domain->grant_frames < 0 ? DEFAULT_FRAMES : (uint32_t)domain->grant_frames;
}

static void after_query(struct call *call)
{
	const struct gnttab_query_size *q = (void *)structure(call);
	const struct domain_model *domain = domain_at(call, q->dom);

	if (!target_allowed(call, q->dom, q->status))
		return;
	grant_check_status(call, q->status, GNTST_okay);
	if (!call->result && call->arguments[2] == 1 && domain &&
	    q->max_nr_frames != most_frames(domain))
		call_wrong(call, "the domain may have %u frames, not %u", q->max_nr_frames,
			   most_frames(domain));
}

static void generate_setup(struct call *call)
{
	struct gnttab_setup_table *s = (void *)structure(call);

	s->dom = draw_who(call, true);
	s->nr_frames = (uint32_t)draw(call, MOST_FRAMES);
	/* Our own table does not grow: it never shrinks again. */
	if (who_is(call, s->dom, LOOKUP_ANY) == WHO_SELF)
		s->nr_frames %= 2;
	buffer_take(call, &s->frame_list, MOST_FRAMES * sizeof(xen_pfn_t), true, false);
}

static bool list_reachable(const struct call *call, const struct gnttab_setup_table *s)
{
	return reachable(call, handle_value(&s->frame_list), MOST_FRAMES * sizeof(xen_pfn_t));
}

static void expect_setup(struct call *call)
{
	expect_only(call, 0);
	if (!list_reachable(call, (void *)structure(call)))
		expect_also(call, ERR(EFAULT));
}

static void after_setup(struct call *call)
{
	const struct gnttab_setup_table *s = (void *)structure(call);
	const struct domain_model *domain = domain_at(call, s->dom);

	if (!list_reachable(call, s) || !target_allowed(call, s->dom, s->status))
		return;
	grant_check_status(call, s->status, domain && s->nr_frames > most_frames(domain) ?
			   GNTST_general_error : GNTST_okay);
}

static void generate_status_frames(struct call *call)
{
	struct gnttab_get_status_frames *s = (void *)structure(call);

	s->dom = draw_who(call, true);
	s->nr_frames = (uint32_t)draw(call, 16);
	buffer_take(call, &s->frame_list, 16 * sizeof(uint64_t), true, false);
}

static void expect_status_frames(struct call *call)
{
	const struct gnttab_get_status_frames *s = (void *)structure(call);

	expect_only(call, 0);
	if (!reachable(call, handle_value(&s->frame_list), 16 * sizeof(uint64_t)))
		expect_also(call, ERR(EFAULT));
}

/* Only tables of version 2 have status frames, and these domains never ran to ask for it. */
static void after_status_frames(struct call *call)
{
	const struct gnttab_get_status_frames *s = (void *)structure(call);

	if (!target_allowed(call, s->dom, s->status))
		return;
	if (domain_at(call, s->dom) || !s->nr_frames)
		grant_check_status(call, s->status, s->nr_frames ? GNTST_general_error :
				   GNTST_okay);
}

static void generate_get_version(struct call *call)
{
	struct gnttab_get_version *g = (void *)structure(call);

	g->dom = draw_who(call, true);
}

static void expect_get_version(struct call *call)
{
	const struct gnttab_get_version *g = (void *)structure(call);

	if (who_allows(call, g->dom, LOOKUP_ANY, RIGHT_TARGET))
		expect_only(call, 0);
}

static void after_get_version(struct call *call)
{
	const struct gnttab_get_version *g = (void *)structure(call);

	if (!call->result && call->domain && g->version != 1)
		call_wrong(call, "a new domain's grant table has version %u", g->version);
}

static void generate_set_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)structure(call);

	s->version = chance(call, 30) ? 0 : 3 + (uint32_t)draw_interesting(call, 31);
}

static void expect_invalid(struct call *call)
{
	expect_only(call, ERR(EINVAL));
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

static const struct field query_fields[] = {
	FIELD(struct gnttab_query_size, dom, FLOW_IN),
	FIELD(struct gnttab_query_size, nr_frames, FLOW_INOUT),
	FIELD(struct gnttab_query_size, max_nr_frames, FLOW_INOUT),
	FIELD(struct gnttab_query_size, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field setup_fields[] = {
	FIELD(struct gnttab_setup_table, dom, FLOW_IN),
	FIELD(struct gnttab_setup_table, nr_frames, FLOW_IN),
	FIELD(struct gnttab_setup_table, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field status_frame_fields[] = {
	FIELD(struct gnttab_get_status_frames, dom, FLOW_IN),
	FIELD(struct gnttab_get_status_frames, nr_frames, FLOW_IN),
	FIELD(struct gnttab_get_status_frames, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field get_version_fields[] = {
	FIELD(struct gnttab_get_version, dom, FLOW_IN),
	FIELD(struct gnttab_get_version, version, FLOW_OUT),
	FIELDS_END,
};

static const struct field set_version_fields[] = {
	FIELD(struct gnttab_set_version, version, FLOW_INOUT),
	FIELDS_END,
};

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

#define GRANT(command_name, type, class, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = GNTTABOP_##command_name, .danger = class, \
	  .weight = 8, .structure_size = sizeof(struct type), .fields = field_list, \
	  .generate = generator, .expect = expectation, .after = follow }

static const struct operation operations[] = {
	GRANT(query_size, gnttab_query_size, DANGER_SAFE, query_fields, generate_query,
	      expect_success, after_query),
	GRANT(setup_table, gnttab_setup_table, DANGER_OWN, setup_fields, generate_setup,
	      expect_setup, after_setup),
	GRANT(get_status_frames, gnttab_get_status_frames, DANGER_SAFE, status_frame_fields,
	      generate_status_frames, expect_status_frames, after_status_frames),
	GRANT(get_version, gnttab_get_version, DANGER_SAFE, get_version_fields,
	      generate_get_version, expect_get_version, after_get_version),
	{ .name = "set_version", .command = GNTTABOP_set_version, .danger = DANGER_SAFE,
	  .traits = TRAIT_WRITES_ON_ERROR, .weight = 4,
	  .structure_size = sizeof(struct gnttab_set_version), .fields = set_version_fields,
	  .generate = generate_set_version, .expect = expect_invalid },
	GRANT(map_grant_ref, gnttab_map_grant_ref, DANGER_SAFE, map_fields, generate_map,
	      expect_success, after_map),
	GRANT(unmap_grant_ref, gnttab_unmap_grant_ref, DANGER_SAFE, unmap_fields, generate_unmap,
	      expect_success, after_unmap),
	GRANT(swap_grant_ref, gnttab_swap_grant_ref, DANGER_SAFE, swap_fields, generate_swap,
	      expect_success, after_swap),
	GRANT(copy, gnttab_copy, DANGER_SAFE, copy_fields, generate_copy, expect_success,
	      after_copy),
	GRANT(cache_flush, gnttab_cache_flush, DANGER_SAFE, flush_fields, generate_flush,
	      expect_invalid, NULL),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ grant_own, &grant_own_count },
	{ grant_own_map, &grant_own_map_count },
};

/* Higher bits are not part of the command. */
static bool exists(uint32_t command)
{
	return command < 13 || command > 0xfff;
}

const struct family family_grant = {
	.name = "grant",
	.hypercall = __HYPERVISOR_grant_table_op,
	.structure_size = 64,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = grant_generate,
	.expect = grant_expect,
};

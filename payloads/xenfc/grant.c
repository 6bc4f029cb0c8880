/*
 * grant_table_op: the hypercall succeeds, and every element of its list has a status of
 * its own.  Here: the tables themselves.  What others grant is in grant_foreign.c, what we grant
 * to ourselves in grant_own.c.
 */
#include "grant.h"

#define DEFAULT_FRAMES 64u
#define MOST_FRAMES 80u
#define COMMAND_BITS 12u	/* those above are for flushes only */

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
	if (call->operation && call->command != GNTTABOP_cache_flush && chance(call, 3))
		call->arguments[0] |= 1u << (COMMAND_BITS + draw(call, 32 - COMMAND_BITS));
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

	if (count < 0 || (call->operation && call->arguments[0] >> COMMAND_BITS)) {
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

void grant_check_status(struct call *call, int16_t status, int16_t expected)
{
	if (!call->result && call->arguments[2] == 1 && status != expected)
		call_wrong(call, "status %d, expected %d", status, expected);
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
	if (!call->result && call->arguments[2] == 1 && q->nr_frames > q->max_nr_frames)
		call_wrong(call, "the domain has %u frames of at most %u", q->nr_frames,
			   q->max_nr_frames);
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
		s->nr_frames = chance(call, 20) ? call->run->machine.grant_frames + 1 :
			s->nr_frames % 2;
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
	uint32_t most = domain ? most_frames(domain) : call->run->machine.grant_frames;

	if (!list_reachable(call, s) || !target_allowed(call, s->dom, s->status))
		return;
	grant_check_status(call, s->status, s->nr_frames > most ? GNTST_general_error :
			   GNTST_okay);
	if (!call->result && call->arguments[2] == 1)
		check_rest(call, &call->areas[1], handle_value(&s->frame_list),
			   s->status ? 0 : s->nr_frames * sizeof(xen_pfn_t));
}

static void generate_status_frames(struct call *call)
{
	struct gnttab_get_status_frames *s = (void *)structure(call);

	s->dom = draw_who(call, true);
	s->nr_frames = chance(call, 50) ? 1 : (uint32_t)draw(call, 16);
	buffer_take(call, &s->frame_list, 16 * sizeof(uint64_t), true, false);
}

static void expect_status_frames(struct call *call)
{
	const struct gnttab_get_status_frames *s = (void *)structure(call);

	expect_only(call, 0);
	if (!reachable(call, handle_value(&s->frame_list), 16 * sizeof(uint64_t)))
		expect_also(call, ERR(EFAULT));
}

/* Nobody asked for version 2: our domains never ran, and a kernel of ours only does for a while. */
static bool has_version_1(const struct call *call, uint16_t id)
{
	return domain_at(call, id) || (who_is(call, id, LOOKUP_ANY) == WHO_SELF &&
				       call->run->door->owns_kernel);
}

/* Only tables of version 2 have status frames. */
static void after_status_frames(struct call *call)
{
	const struct gnttab_get_status_frames *s = (void *)structure(call);

	if (!target_allowed(call, s->dom, s->status))
		return;
	if (has_version_1(call, s->dom) || !s->nr_frames)
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

	if (!call->result && has_version_1(call, g->dom) && g->version != 1)
		call_wrong(call, "a grant table that nobody changed has version %u", g->version);
}

static void generate_set_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)structure(call);

	s->version = chance(call, 30) ? 0 : 3 + (uint32_t)draw_interesting(call, 31);
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
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ grant_foreign, &grant_foreign_count },
	{ grant_own, &grant_own_count },
	{ grant_own_version, &grant_own_version_count },
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

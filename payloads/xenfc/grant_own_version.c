/* The other kind of grant table, for a while. */
#include "grant_own.h"

#define COPIES 8u
#define LEFT_BEHIND 16u	/* a word of the table: part of no grant of the toolstack's in any version */
#define NO_GRANT 0x100010000ull	/* to any version, but not zero */
#define FIRST_UNUSED 2u	/* those before are the console's and the store's */
#define STATUSES ((uint32_t)(DOOR_PAGE / sizeof(grant_status_t)))	/* of a page */

struct reserved {
	uint16_t flags, domid;
	uint32_t frame;
};

static void generate_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)call->structure->at;

	call->arguments[2] = 1;
	own_table_see(call);
	s->version = chance(call, 30) ? 1 : 2;
}

/* A guest may have been made for the first kind only. */
static void expect_version(struct call *call)
{
	const struct gnttab_set_version *s = (void *)call->structure->at;

	expect_only(call, 0);
	if (s->version == 2 && !call->run->machine.control)
		expect_also(call, ERR(ENOSYS));
}

static long set_version(struct call *call, uint32_t version)
{
	struct gnttab_set_version *s = (void *)(call->run->door->arena + ARENA_ASIDE);

	s->version = version;
	return own_aside(call, GNTTABOP_set_version, s);
}

/*
 * The toolstack's grants outlive a change, and nothing else does.  The first two may be in use; the
 * others of them are ours to try.
 */
static void write_reserved(struct call *call, struct reserved *reserved)
{
	for (uint32_t ref = FIRST_UNUSED; ref < FIRST_REF; ref++) {
		reserved[ref] = (struct reserved){
			.flags = GTF_permit_access | (chance(call, 50) ? GTF_readonly : 0),
			.domid = (uint16_t)(DOMID_NOBODY_FIRST + draw(call, 1000)),
			.frame = (uint32_t)draw(call, 1u << 20),
		};
		if (chance(call, 30))
			memset(&reserved[ref], 0, sizeof(*reserved));
		own_entry_write(1, ref, reserved[ref].flags, reserved[ref].domid, reserved[ref].frame);
	}
}

static void check_reserved(struct call *call, uint32_t version, const struct reserved *reserved)
{
	const grant_entry_v1_t *first = window_page(WINDOW_TABLE);
	const grant_entry_v2_t *second = window_page(WINDOW_TABLE);

	for (uint32_t ref = FIRST_UNUSED; ref < FIRST_REF; ref++) {
		const struct reserved *r = &reserved[ref];

		if (version == 1 ? first[ref].flags != r->flags || first[ref].domid != r->domid ||
		    first[ref].frame != r->frame :
		    second[ref].hdr.flags != r->flags || second[ref].hdr.domid != r->domid ||
		    second[ref].full_page.frame != r->frame)
			call_wrong(call, "the toolstack's grant %u is another one in version %u", ref,
				   version);
	}
}

static long change_table(struct call *call, uint32_t version, const struct reserved *reserved)
{
	volatile uint64_t *words = window_page(WINDOW_TABLE);
	long result;

	words[LEFT_BEHIND] = NO_GRANT;
	result = set_version(call, version);
	check_reserved(call, version, reserved);
	if (words[LEFT_BEHIND])
		call_wrong(call, "something of the former version is left in the table");
	return result;
}

/* What the first version cannot say keeps the second one: a large number, a grant that is passed on. */
static void refuse_way_back(struct call *call, const struct reserved *reserved)
{
	const uint32_t ref = FIRST_UNUSED + (uint32_t)draw(call, FIRST_REF - FIRST_UNUSED);
	uint16_t flags = chance(call, 50) ? GTF_permit_access : GTF_transitive;
	long result;

	own_entry_write(2, ref, flags, 1, 1ull << 32 | reserved[ref].frame);
	result = set_version(call, 1);
	if (result != ERR(ERANGE))
		call_wrong(call, "a grant of kind %u and more than 32 bits, and version 1, gave %ld",
			   flags, result);
	own_entry_write(2, ref, reserved[ref].flags, reserved[ref].domid, reserved[ref].frame);
}

static void keep_reserved(struct call *call)
{
	struct reserved reserved[FIRST_REF] = { 0 };
	long there, back;

	write_reserved(call, reserved);
	there = change_table(call, 2, reserved);
	refuse_way_back(call, reserved);
	back = change_table(call, 1, reserved);
	if (there || back)
		call_wrong(call, "another version of the table gave %ld, the first one %ld", there,
			   back);
	for (uint32_t ref = FIRST_UNUSED; ref < FIRST_REF; ref++)
		own_entry_write(1, ref, 0, 0, 0);
}

static uint32_t draw_ref_2(struct call *call)
{
	return FIRST_REF + (uint32_t)draw(call, REFS_2 - FIRST_REF);
}

static void swap_in_version_2(struct call *call)
{
	struct gnttab_swap_grant_ref *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	const grant_entry_v2_t *entries = window_page(WINDOW_TABLE);
	uint32_t first = draw_ref_2(call), second = draw_ref_2(call);
	long result;

	own_entry_write(2, first, GTF_permit_access, 1, first);
	own_entry_write(2, second, GTF_permit_access, 1, second);
	*s = (struct gnttab_swap_grant_ref){ .ref_a = first, .ref_b = second };
	result = own_aside(call, GNTTABOP_swap_grant_ref, s);
	if (result || s->status || entries[first].full_page.frame != second ||
	    entries[second].full_page.frame != first)
		call_wrong(call, "swapping by a table of version 2 gave %ld, status %d, or nothing",
			   result, s->status);
}

/* How many pages tell the status of grants; nothing is told of more. */
static long ask_status_frames(struct call *call, uint32_t count, uint64_t *frame)
{
	struct gnttab_get_status_frames *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	memset(s, 0, sizeof(*s));
	s->dom = DOMID_SELF;
	s->nr_frames = count;
	set_xen_guest_handle(s->frame_list, (void *)(s + 1));
	result = own_aside(call, GNTTABOP_get_status_frames, s);
	memcpy(frame, s + 1, sizeof(*frame));
	return result ? result : s->status;
}

static uint32_t count_status_frames(struct call *call)
{
	struct gnttab_query_size *q = (void *)(call->run->door->arena + ARENA_ASIDE);

	*q = (struct gnttab_query_size){ .dom = DOMID_SELF };
	own_aside(call, GNTTABOP_query_size, q);
	return (q->nr_frames * REFS_2 + STATUSES - 1) / STATUSES;
}

/* What Xen marked there it has taken back; and as long as somebody sees the page it stays. */
static void look_at_statuses(struct call *call, uint64_t frame)
{
	const grant_status_t *statuses = window_page(WINDOW_SECOND);
	long result = window_open(call->run, WINDOW_SECOND, frame, DOMID_SELF);

	if (result) {
		call_wrong(call, "the status of grants cannot be seen: %ld", result);
		return;
	}
	for (uint32_t ref = FIRST_REF; ref < REFS_2; ref++)
		if (statuses[ref] & (GTF_reading | GTF_writing))
			call_wrong(call, "grant %u of version 2 is still marked as used", ref);
	result = set_version(call, 1);
	if (result != ERR(EBUSY))
		call_wrong(call, "a table whose status is looked at was changed, with %ld", result);
	window_close(call->run, WINDOW_SECOND);
}

static void check_statuses(struct call *call)
{
	uint32_t count = count_status_frames(call);
	uint64_t frame;
	long status = ask_status_frames(call, count + 1, &frame);

	if (status != GNTST_general_error)
		call_wrong(call, "more pages of statuses than there are were told: %ld", status);
	status = ask_status_frames(call, count, &frame);
	if (status)
		call_wrong(call, "the pages of statuses were not told: %ld", status);
	else
		look_at_statuses(call, frame);
}

/* Those of others are still of the first version. */
static void check_others(struct call *call)
{
	struct gnttab_get_version *g = (void *)(call->run->door->arena + ARENA_ASIDE);

	for (unsigned int i = 0; i < OWN_DOMAINS; i++) {
		const struct domain_model *domain = &call->run->model.own[i];
		long result;

		if (!domain->exists)
			continue;
		*g = (struct gnttab_get_version){ .dom = domain->id };
		result = own_aside(call, GNTTABOP_get_version, g);
		if (result || g->version != 1)
			call_wrong(call, "the table of domain %u is of version %u, or %ld",
				   domain->id, g->version, result);
	}
}

static void after_version(struct call *call)
{
	const struct gnttab_set_version *s = (void *)call->structure->at;
	const struct gnttab_set_version *told = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result || s->version == 1)
		return;
	for (unsigned int i = 0; i < COPIES; i++)
		own_copy(call, 2);
	swap_in_version_2(call);
	check_statuses(call);
	check_others(call);
	result = set_version(call, 1);
	if (result || told->version != 1)
		call_wrong(call, "the way back to a table of version 1 gave %ld, version %u",
			   result, told->version);
	keep_reserved(call);
}

static const struct field version_fields[] = {
	FIELD(struct gnttab_set_version, version, FLOW_INOUT),
	FIELDS_END,
};

const struct operation grant_own_version[] = {
	{ .name = "set_version_own", .command = GNTTABOP_set_version, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_WRITES_ON_ERROR | TRAIT_DEAR,
	  .weight = 1,
	  .structure_size = sizeof(struct gnttab_set_version), .fields = version_fields,
	  .generate = generate_version, .expect = expect_version, .after = after_version },
};
const size_t grant_own_version_count = COUNT(grant_own_version);

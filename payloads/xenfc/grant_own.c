/*
 * What a domain grants to itself: the table and the pages are ours, so every status is known.
 * For kernels of our own: the table must be mapped, and frames be known by number.
 */
#include "grant_own.h"

#define BEHIND 28u
#define LISTED 4u

uint8_t *own_page(const struct call *call, unsigned int number)
{
	return call->run->door->arena + number * (size_t)DOOR_PAGE;
}

uint64_t own_frame(const struct call *call, unsigned int number)
{
	/* A dry run tells no numbers of this machine. */
	return call->run->plan.dry_run ? number : call->run->door->arena_frames[number];
}

static long aside_list(struct call *call, unsigned int command, void *list, unsigned int count)
{
	return aside(call->run, __HYPERVISOR_grant_table_op, command, (uintptr_t)list, count);
}

long own_aside(struct call *call, unsigned int command, void *structure)
{
	return aside_list(call, command, structure, 1);
}

/* Our table becomes visible with the first call that needs it. */
void own_table_see(struct call *call)
{
	static bool seen;
	struct gnttab_setup_table *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint64_t frame;

	if (seen || call->run->plan.dry_run)
		return;
	memset(s, 0, sizeof(*s));
	s->dom = DOMID_SELF;
	s->nr_frames = 1;
	set_xen_guest_handle(s->frame_list, (void *)(s + 1));
	if (own_aside(call, GNTTABOP_setup_table, s) || s->status)
		return;
	memcpy(&frame, s + 1, sizeof(frame));
	seen = !window_open(call->run, WINDOW_TABLE, frame, DOMID_SELF);
	draw_bytes(call, own_page(call, SOURCE), DOOR_PAGE);
}

void own_entry_write(uint32_t version, uint32_t ref, uint16_t flags, uint16_t domid,
			uint64_t frame)
{
	grant_entry_v1_t *first = window_page(WINDOW_TABLE);
	grant_entry_v2_t *second = window_page(WINDOW_TABLE);

	if (version == 1) {
		first[ref] = (grant_entry_v1_t){ flags, domid, (uint32_t)frame };
		return;
	}
	second[ref] = (grant_entry_v2_t){ .full_page = {
		.hdr = { flags, domid }, .frame = frame,
	} };
}

/* Of version 2 only: a part of the page. */
static void grant_part(struct call *call, struct end *end, uint64_t frame)
{
	grant_entry_v2_t *entry = (grant_entry_v2_t *)window_page(WINDOW_TABLE) + end->ref;

	end->from = (uint32_t)draw(call, DOOR_PAGE / 2);
	end->to = end->from + (uint32_t)draw(call, DOOR_PAGE / 2 + 1);
	entry->sub_page.hdr.flags = GTF_permit_access | GTF_sub_page;
	entry->sub_page.hdr.domid = call->run->machine.domid;
	entry->sub_page.page_off = (uint16_t)end->from;
	entry->sub_page.length = (uint16_t)(end->to - end->from);
	entry->sub_page.frame = frame;
}

/* Of version 2 only: another grant of ourselves, or of nobody; neither can be passed on. */
static void grant_grant(struct call *call, struct end *end)
{
	grant_entry_v2_t *entry = (grant_entry_v2_t *)window_page(WINDOW_TABLE) + end->ref;
	uint16_t self = call->run->machine.domid;

	*entry = (grant_entry_v2_t){ .transitive = {
		.hdr = { GTF_transitive, self }, .gref = FIRST_REF,
		.trans_domid = chance(call, 50) ? self : DOMID_NOBODY_FIRST,
	} };
	end->what = GNTST_general_error;
}

/* An entry of our table that may be wrong in one place. */
struct end own_grant(struct call *call, uint32_t version, uint32_t ref, unsigned int number,
			bool writing)
{
	struct end end = { .ref = ref, .to = DOOR_PAGE };
	uint16_t self = call->run->machine.domid;
	uint64_t frame = own_frame(call, number), kind = draw(call, 100);

	if (kind < 60) {
		own_entry_write(version, ref, GTF_permit_access, self, frame);
	} else if (kind < 68) {
		own_entry_write(version, ref, chance(call, 50) ? GTF_invalid : GTF_accept_transfer,
			    self, frame);
		end.what = GNTST_general_error;
	} else if (kind < 76) {
		own_entry_write(version, ref, GTF_permit_access, self ^ 1, frame);
		end.what = GNTST_general_error;
	} else if (kind < 84) {
		own_entry_write(version, ref, GTF_permit_access | GTF_readonly, self, frame);
		end.what = writing ? GNTST_general_error : GNTST_okay;
	} else if (kind < 92) {
		own_entry_write(version, ref, GTF_permit_access, self, NO_FRAME);
		end.what = GNTST_bad_page;
	} else if (version == 1) {
		end.ref = REFS_1 + (chance(call, 50) ? 0 : (uint32_t)draw_interesting(call, 31));
		end.what = GNTST_bad_gntref;
	} else if (chance(call, 50)) {
		grant_part(call, &end, frame);
	} else {
		grant_grant(call, &end);
	}
	return end;
}

/* One end of a copy: a frame of ours, or a grant. */
static struct end draw_end(struct call *call, uint32_t version, unsigned int number,
			   struct gnttab_copy_ptr *to, bool writing)
{
	uint32_t half = (version == 1 ? REFS_1 : REFS_2) / 2;
	uint32_t ref = writing ? half + (uint32_t)draw(call, half) :
		FIRST_REF + (uint32_t)draw(call, half - FIRST_REF);
	struct end end = { .to = DOOR_PAGE };
	uint64_t kind = draw(call, 100);

	to->domid = DOMID_SELF;
	if (kind < 60) {
		end = own_grant(call, version, ref, number, writing);
		to->domid = chance(call, 50) ? DOMID_SELF : call->run->machine.domid;
		to->u.ref = end.ref;
		return end;
	}
	to->u.gmfn = kind < 65 ? NO_FRAME : own_frame(call, number);
	end.what = kind < 65 ? GNTST_bad_page : GNTST_okay;
	if (kind < 70) {
		to->domid = call->run->machine.domid;
		end.whom = GNTST_permission_denied;
	}
	return end;
}

static int16_t length_status(const struct gnttab_copy *c, const struct end *source,
			     const struct end *dest)
{
	uint32_t source_end = (uint32_t)c->source.offset + c->len;
	uint32_t dest_end = (uint32_t)c->dest.offset + c->len;

	if (source_end > DOOR_PAGE || dest_end > DOOR_PAGE)
		return GNTST_bad_copy_arg;
	if (c->source.offset < source->from || source_end > source->to ||
	    c->dest.offset < dest->from || dest_end > dest->to)
		return GNTST_general_error;
	return GNTST_okay;
}

/* Fills the structure and what it names; the status that the copy must have. */
static int16_t draw_copy(struct call *call, uint32_t version, struct gnttab_copy *c)
{
	struct end source = draw_end(call, version, SOURCE, &c->source, false);
	struct end dest = draw_end(call, version, DEST, &c->dest, true);

	c->flags = (source.ref ? GNTCOPY_source_gref : 0) | (dest.ref ? GNTCOPY_dest_gref : 0);
	c->source.offset = (uint16_t)draw(call, DOOR_PAGE);
	c->dest.offset = (uint16_t)draw(call, DOOR_PAGE);
	c->len = (uint16_t)draw(call, chance(call, 60) ? 64 : DOOR_PAGE);
	if (chance(call, 20))
		c->len = (uint16_t)(DOOR_PAGE - c->dest.offset + draw(call, 2));
	memset(own_page(call, DEST), DEST_BYTE, DOOR_PAGE);
	memset(own_page(call, BEHIND), DEST_BYTE, ARENA_CANARY);
	if (!c->len && since(call, RELEASE(4, 19)))
		return GNTST_okay;
	if (source.whom || dest.whom)
		return source.whom ? source.whom : dest.whom;
	if (source.what || dest.what)
		return source.what ? source.what : dest.what;
	return length_status(c, &source, &dest);
}

bool own_is_untouched(const uint8_t *at, size_t size)
{
	/* Each byte is what the first one is, as each is what the one before it is. */
	return !size || (at[0] == DEST_BYTE && !memcmp(at, at + 1, size - 1));
}

static void check_copy(struct call *call, const struct gnttab_copy *c, int16_t status)
{
	const uint8_t *to = own_page(call, DEST), *end = to + c->dest.offset;

	if (c->status != status) {
		call_wrong(call, "copying within ourselves has status %d, expected %d", c->status,
			   status);
		return;
	}
	if (!status && memcmp(end, own_page(call, SOURCE) + c->source.offset, c->len))
		call_wrong(call, "what was copied is not what is there");
	if (!status)
		end += c->len;
	if (!own_is_untouched(to, c->dest.offset) ||
	    !own_is_untouched(end, (size_t)(own_page(call, BEHIND) + ARENA_CANARY - end)))
		call_wrong(call, "a copy of %u bytes changed more than those", c->len);
}

/* Whether Xen took back what it marked in the table. */
void own_check_released(struct call *call)
{
	const grant_entry_v1_t *entries = window_page(WINDOW_TABLE);

	for (uint32_t ref = FIRST_REF; ref < REFS_1; ref++)
		if (entries[ref].flags & (GTF_reading | GTF_writing))
			call_wrong(call, "grant %u is still marked as used", ref);
}

static void generate_copy(struct call *call)
{
	struct gnttab_copy *c = (void *)call->structure->at;

	call->arguments[2] = 1;
	own_table_see(call);
	call->note = draw_copy(call, 1, c);
}

/* An entry of our table says one thing only. */
static bool refs_differ(const struct gnttab_copy *c)
{
	for (unsigned int i = 0; i < LISTED; i++)
		for (unsigned int n = 0; n < i; n++)
			if ((c[i].flags & c[n].flags & GNTCOPY_source_gref &&
			     c[i].source.u.ref == c[n].source.u.ref) ||
			    (c[i].flags & c[n].flags & GNTCOPY_dest_gref &&
			     c[i].dest.u.ref == c[n].dest.u.ref))
				return false;
	return true;
}

/*
 * Each copy of a list has its own status, and what is wrong with one does not end the others.  Only
 * of lists that name no domain wrongly.
 */
static void copy_listed(struct call *call)
{
	struct gnttab_copy *c = (void *)(call->run->door->arena + ARENA_ASIDE);
	int16_t right[LISTED];
	long result;

	memset(c, 0, LISTED * sizeof(*c));
	for (unsigned int i = 0; i < LISTED; i++) {
		right[i] = draw_copy(call, 1, &c[i]);
		if (right[i] == GNTST_permission_denied)
			return;
	}
	if (!refs_differ(c))
		return;
	result = aside_list(call, GNTTABOP_copy, c, LISTED);
	if (result)
		call_wrong(call, "copying by a list gave %ld", result);
	for (unsigned int i = 0; i < LISTED; i++)
		if (c[i].status != right[i])
			call_wrong(call, "copy %u of a list has status %d, expected %d", i,
				   c[i].status, right[i]);
}

static void after_copy(struct call *call)
{
	if (!call->result)
		check_copy(call, (void *)call->structure->at, (int16_t)call->note);
	if (chance(call, 5))
		copy_listed(call);
	if (chance(call, 5))
		own_check_released(call);
}

void own_copy(struct call *call, uint32_t version)
{
	struct gnttab_copy *c = (void *)(call->run->door->arena + ARENA_ASIDE);
	int16_t status;
	long result;

	memset(c, 0, sizeof(*c));
	status = draw_copy(call, version, c);
	result = own_aside(call, GNTTABOP_copy, c);
	if (result)
		call_wrong(call, "copying by a table of version %u gave %ld", version, result);
	check_copy(call, c, status);
}

static const struct field copy_fields[] = {
	FIELD(struct gnttab_copy, source.u, FLOW_IN),
	FIELD(struct gnttab_copy, source.domid, FLOW_IN),
	FIELD(struct gnttab_copy, source.offset, FLOW_IN),
	FIELD(struct gnttab_copy, dest.u, FLOW_IN),
	FIELD(struct gnttab_copy, dest.domid, FLOW_IN),
	FIELD(struct gnttab_copy, dest.offset, FLOW_IN),
	FIELD(struct gnttab_copy, len, FLOW_IN),
	FIELD(struct gnttab_copy, flags, FLOW_IN),
	FIELD(struct gnttab_copy, status, FLOW_OUT),
	FIELDS_END,
};

const struct operation grant_own[] = {
	{ .name = "copy_own", .command = GNTTABOP_copy, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 4,
	  .structure_size = sizeof(struct gnttab_copy), .fields = copy_fields,
	  .generate = generate_copy, .expect = expect_success, .after = after_copy },
};
const size_t grant_own_count = COUNT(grant_own);

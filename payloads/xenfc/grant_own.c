/*
 * What a domain grants to itself: the table and the pages are ours, so every status is known.
 * For kernels of our own: the table must be mapped, and frames be known by number.
 */
#include "grant.h"
#include "window.h"

#define FIRST_REF 8u	/* those before belong to the toolstack */
#define REFS_1 ((uint32_t)(DOOR_PAGE / sizeof(grant_entry_v1_t)))
#define REFS_2 ((uint32_t)(DOOR_PAGE / sizeof(grant_entry_v2_t)))
#define NO_FRAME 0xfffffff0u
#define SOURCE 26u	/* pages of the arena that belong to no region */
#define DEST 27u
#define BEHIND 28u
#define DEST_BYTE 0x77
#define COPIES_OF_VERSION_2 8u

struct end {
	uint32_t ref;		/* 0: by frame */
	int16_t whom;		/* what is wrong with the domain */
	int16_t what;		/* or, after that, with the grant */
	uint32_t from, to;	/* which part of the page is granted */
};

static uint8_t *page(const struct call *call, unsigned int number)
{
	return call->run->door->arena + number * (size_t)DOOR_PAGE;
}

static uint64_t frame_of(const struct call *call, unsigned int number)
{
	/* A dry run tells no numbers of this machine. */
	return call->run->plan.dry_run ? number : call->run->door->arena_frames[number];
}

static long grant_aside(struct call *call, unsigned int command, void *structure)
{
	return aside(call->run, __HYPERVISOR_grant_table_op, command, (uintptr_t)structure, 1);
}

/* Our table becomes visible with the first call that needs it. */
static void see_table(struct call *call)
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
	if (grant_aside(call, GNTTABOP_setup_table, s) || s->status)
		return;
	memcpy(&frame, s + 1, sizeof(frame));
	seen = !window_open(call->run, WINDOW_TABLE, frame, DOMID_SELF);
	random_fill(&call->random, page(call, SOURCE), DOOR_PAGE);
}

static void write_entry(uint32_t version, uint32_t ref, uint16_t flags, uint16_t domid,
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

/* An entry of our table that may be wrong in one place. */
static struct end grant(struct call *call, uint32_t version, uint32_t ref, unsigned int number,
			bool writing)
{
	struct end end = { .ref = ref, .to = DOOR_PAGE };
	uint16_t self = call->run->machine.domid;
	uint64_t frame = frame_of(call, number), kind = draw(call, 100);

	if (kind < 60) {
		write_entry(version, ref, GTF_permit_access, self, frame);
	} else if (kind < 68) {
		write_entry(version, ref, chance(call, 50) ? GTF_invalid : GTF_accept_transfer,
			    self, frame);
		end.what = GNTST_general_error;
	} else if (kind < 76) {
		write_entry(version, ref, GTF_permit_access, self ^ 1, frame);
		end.what = GNTST_general_error;
	} else if (kind < 84) {
		write_entry(version, ref, GTF_permit_access | GTF_readonly, self, frame);
		end.what = writing ? GNTST_general_error : GNTST_okay;
	} else if (kind < 92) {
		write_entry(version, ref, GTF_permit_access, self, NO_FRAME);
		end.what = GNTST_bad_page;
	} else if (version == 1) {
		end.ref = REFS_1 + (chance(call, 50) ? 0 : (uint32_t)draw_interesting(call, 31));
		end.what = GNTST_bad_gntref;
	} else {
		grant_part(call, &end, frame);
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
		end = grant(call, version, ref, number, writing);
		to->domid = chance(call, 50) ? DOMID_SELF : call->run->machine.domid;
		to->u.ref = end.ref;
		return end;
	}
	to->u.gmfn = kind < 65 ? NO_FRAME : frame_of(call, number);
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
	memset(page(call, DEST), DEST_BYTE, DOOR_PAGE);
	memset(page(call, BEHIND), DEST_BYTE, ARENA_CANARY);
	if (source.whom || dest.whom)
		return source.whom ? source.whom : dest.whom;
	if (source.what || dest.what)
		return source.what ? source.what : dest.what;
	return length_status(c, &source, &dest);
}

static bool all_bytes(const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != DEST_BYTE)
			return false;
	return true;
}

static void check_copy(struct call *call, const struct gnttab_copy *c, int16_t status)
{
	const uint8_t *to = page(call, DEST), *end = to + c->dest.offset;

	if (c->status != status) {
		call_wrong(call, "copying within ourselves has status %d, expected %d", c->status,
			   status);
		return;
	}
	if (!status && memcmp(end, page(call, SOURCE) + c->source.offset, c->len))
		call_wrong(call, "what was copied is not what is there");
	if (!status)
		end += c->len;
	if (!all_bytes(to, c->dest.offset) ||
	    !all_bytes(end, (size_t)(page(call, BEHIND) + ARENA_CANARY - end)))
		call_wrong(call, "a copy of %u bytes changed more than those", c->len);
}

/* Whether Xen took back what it marked in the table. */
static void check_released(struct call *call)
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
	see_table(call);
	call->note = draw_copy(call, 1, c);
}

static void after_copy(struct call *call)
{
	if (!call->result)
		check_copy(call, (void *)call->structure->at, (int16_t)call->note);
	if (chance(call, 5))
		check_released(call);
}

static void unmap(struct call *call, struct gnttab_unmap_grant_ref unmap, int16_t status)
{
	struct gnttab_unmap_grant_ref *u = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	*u = unmap;
	result = grant_aside(call, GNTTABOP_unmap_grant_ref, u);
	if (result || u->status != status)
		call_wrong(call, "unmapping a grant of ours gave %ld, status %d, expected %d",
			   result, u->status, status);
}

/* The mapping goes, and the page of the second window takes its place. */
static void unmap_and_replace(struct call *call, grant_handle_t handle)
{
	struct gnttab_unmap_and_replace *u = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result = window_open(call->run, WINDOW_SECOND, frame_of(call, DEST), DOMID_SELF);

	*u = (struct gnttab_unmap_and_replace){
		.host_addr = (uintptr_t)window_page(WINDOW_FIRST),
		.new_addr = (uintptr_t)window_page(WINDOW_SECOND), .handle = handle,
	};
	memset(page(call, DEST), DEST_BYTE, DOOR_PAGE);
	if (!result)
		result = grant_aside(call, GNTTABOP_unmap_and_replace, u);
	if (result || u->status)
		call_wrong(call, "replacing a grant of ours gave %ld, status %d", result,
			   u->status);
	else if (!all_bytes(window_page(WINDOW_FIRST), DOOR_PAGE))
		call_wrong(call, "a page took another one's place and is not there");
	window_close(call->run, WINDOW_FIRST);
}

/* A mapping that succeeded: the page is there, wrong ways out are refused, the right one works. */
static void undo_map(struct call *call, const struct gnttab_map_grant_ref *m)
{
	struct gnttab_unmap_grant_ref right = { .handle = m->handle };
	bool host = m->flags & GNTMAP_host_map, device = m->flags & GNTMAP_device_map;

	if (host && memcmp(window_page(WINDOW_FIRST), page(call, SOURCE), DOOR_PAGE))
		call_wrong(call, "a mapped grant is another page");
	if (m->dev_bus_addr != frame_of(call, SOURCE) * DOOR_PAGE)
		call_wrong(call, "a mapped grant has another bus address");
	if (host && !device && chance(call, 30)) {
		unmap_and_replace(call, m->handle);
		return;
	}
	right.host_addr = host ? m->host_addr : 0;
	right.dev_bus_addr = device ? m->dev_bus_addr : 0;
	if (device) {
		right.dev_bus_addr ^= DOOR_PAGE;
		unmap(call, right, GNTST_bad_dev_addr);
		right.dev_bus_addr ^= DOOR_PAGE;
	}
	unmap(call, right, GNTST_okay);
	unmap(call, right, GNTST_bad_handle);
}

/* What must not come before the grant is looked at, and what comes after it. */
static int16_t map_status(struct call *call, struct gnttab_map_grant_ref *m)
{
	bool none = !(m->flags & (GNTMAP_host_map | GNTMAP_device_map));
	struct end end = grant(call, 1, FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF),
			       SOURCE, !(m->flags & GNTMAP_readonly));

	m->ref = end.ref;
	m->dom = chance(call, 90) ? call->run->machine.domid : draw_who(call, true);
	if (none)
		return GNTST_bad_gntref;
	if (who_is(call, m->dom, LOOKUP_NUMBER) == WHO_NOBODY)
		return GNTST_bad_domain;
	if (who_is(call, m->dom, LOOKUP_NUMBER) != WHO_SELF)
		m->dom = call->run->machine.domid;
	if (end.what || !(m->flags & GNTMAP_host_map) || m->host_addr)
		return end.what;
	/* Xen's own memory, where no page can be mapped. */
	m->host_addr = 0xffff830000000000ull;
	return GNTST_general_error;
}

static void generate_map(struct call *call)
{
	struct gnttab_map_grant_ref *m = (void *)call->structure->at;

	call->arguments[2] = 1;
	see_table(call);
	m->flags = chance(call, 85) ? GNTMAP_host_map : 0;
	m->flags |= chance(call, 30) ? GNTMAP_device_map : 0;
	m->flags |= chance(call, 40) ? GNTMAP_readonly : 0;
	m->host_addr = chance(call, 90) ? (uintptr_t)window_page(WINDOW_FIRST) : 0;
	call->note = map_status(call, m);
}

static void after_map(struct call *call)
{
	const struct gnttab_map_grant_ref *m = (void *)call->structure->at;

	if (call->result)
		return;
	grant_check_status(call, m->status, (int16_t)call->note);
	if (m->status == GNTST_okay)
		undo_map(call, m);
	if (chance(call, 5))
		check_released(call);
}

static void generate_swap(struct call *call)
{
	struct gnttab_swap_grant_ref *s = (void *)call->structure->at;

	call->arguments[2] = 1;
	see_table(call);
	s->ref_a = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF + 2);
	s->ref_b = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF + 2);
	if (s->ref_a < REFS_1)
		write_entry(1, s->ref_a, GTF_permit_access, 1, s->ref_a);
	if (s->ref_b < REFS_1)
		write_entry(1, s->ref_b, GTF_permit_access, 1, s->ref_b);
}

static void after_swap(struct call *call)
{
	const struct gnttab_swap_grant_ref *s = (void *)call->structure->at;
	const grant_entry_v1_t *entries = window_page(WINDOW_TABLE);
	bool there = s->ref_a < REFS_1 && s->ref_b < REFS_1;

	if (call->result)
		return;
	grant_check_status(call, s->status, there ? GNTST_okay : GNTST_bad_gntref);
	if (there && (entries[s->ref_a].frame != s->ref_b || entries[s->ref_b].frame != s->ref_a))
		call_wrong(call, "two grants that were swapped are not");
}

/* Pages in use are not given away, nor are those of nobody. */
static void generate_transfer(struct call *call)
{
	struct gnttab_transfer *t = (void *)call->structure->at;

	call->arguments[2] = 1;
	t->mfn = chance(call, 50) ? frame_of(call, SOURCE) : NO_FRAME;
	t->domid = draw_who(call, true);
	t->ref = (grant_ref_t)draw(call, REFS_1);
}

static void after_transfer(struct call *call)
{
	const struct gnttab_transfer *t = (void *)call->structure->at;

	if (!call->result)
		grant_check_status(call, t->status, GNTST_bad_page);
}

/* The other kind of table, for a while. */
static void generate_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)call->structure->at;

	call->arguments[2] = 1;
	see_table(call);
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

static void live_in_version_2(struct call *call)
{
	struct gnttab_copy *c = (void *)(call->run->door->arena + ARENA_ASIDE);

	for (unsigned int i = 0; i < COPIES_OF_VERSION_2; i++) {
		int16_t status;
		long result;

		memset(c, 0, sizeof(*c));
		status = draw_copy(call, 2, c);
		result = grant_aside(call, GNTTABOP_copy, c);
		if (result)
			call_wrong(call, "copying by a table of version 2 gave %ld", result);
		check_copy(call, c, status);
	}
}

static void after_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result || ((struct gnttab_set_version *)(void *)call->structure->at)->version == 1)
		return;
	live_in_version_2(call);
	s->version = 1;
	result = grant_aside(call, GNTTABOP_set_version, s);
	if (result || s->version != 1)
		call_wrong(call, "the way back to a table of version 1 gave %ld", result);
}

/* Flushing caches by address; the machine's own pages are nobody's. */
static void generate_flush(struct call *call)
{
	struct gnttab_cache_flush *f = (void *)call->structure->at;

	call->arguments[2] = 1;
	f->a.dev_bus_addr = frame_of(call, SOURCE) * DOOR_PAGE;
	if (chance(call, 20))
		f->a.dev_bus_addr = (uint64_t)NO_FRAME * DOOR_PAGE;
	f->offset = (uint16_t)draw(call, DOOR_PAGE + 1);
	f->length = (uint16_t)draw(call, chance(call, 50) ? 2 : DOOR_PAGE + 2);
	f->op = (uint32_t)draw(call, 5);
}

static void expect_flush(struct call *call)
{
	const struct gnttab_cache_flush *f = (void *)call->structure->at;

	if (f->offset >= DOOR_PAGE || f->length > DOOR_PAGE ||
	    (uint32_t)f->offset + f->length > DOOR_PAGE ||
	    f->op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))
		expect_only(call, ERR(EINVAL));
	else if (!f->length || !f->op)
		expect_only(call, 0);
	else if (f->a.dev_bus_addr == (uint64_t)NO_FRAME * DOOR_PAGE)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, f->op & GNTTAB_CACHE_CLEAN ? 0 : ERR(EOPNOTSUPP));
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

static const struct field map_fields[] = {
	FIELD(struct gnttab_map_grant_ref, flags, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, ref, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, dom, FLOW_IN),
	FIELD(struct gnttab_map_grant_ref, status, FLOW_OUT),
	FIELD(struct gnttab_map_grant_ref, handle, FLOW_ECHO),
	FIELD(struct gnttab_map_grant_ref, dev_bus_addr, FLOW_ECHO),
	FIELDS_END,
};

static const struct field swap_fields[] = {
	FIELD(struct gnttab_swap_grant_ref, ref_a, FLOW_IN),
	FIELD(struct gnttab_swap_grant_ref, ref_b, FLOW_IN),
	FIELD(struct gnttab_swap_grant_ref, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field transfer_fields[] = {
	FIELD(struct gnttab_transfer, mfn, FLOW_IN),
	FIELD(struct gnttab_transfer, domid, FLOW_IN),
	FIELD(struct gnttab_transfer, ref, FLOW_IN),
	FIELD(struct gnttab_transfer, status, FLOW_OUT),
	FIELDS_END,
};

static const struct field version_fields[] = {
	FIELD(struct gnttab_set_version, version, FLOW_INOUT),
	FIELDS_END,
};

static const struct field flush_fields[] = {
	FIELD(struct gnttab_cache_flush, a.dev_bus_addr, FLOW_IN),
	FIELD(struct gnttab_cache_flush, offset, FLOW_IN),
	FIELD(struct gnttab_cache_flush, length, FLOW_IN),
	FIELD(struct gnttab_cache_flush, op, FLOW_IN),
	FIELDS_END,
};

#define OWN(label, command_name, rate, type, field_list, generator, expectation, follow) \
	{ .name = label, .command = GNTTABOP_##command_name, .danger = DANGER_OWN, \
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = rate, \
	  .structure_size = sizeof(struct type), .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation grant_own[] = {
	OWN("copy_own", copy, 8, gnttab_copy, copy_fields, generate_copy, expect_success,
	    after_copy),
	OWN("map_own", map_grant_ref, 8, gnttab_map_grant_ref, map_fields, generate_map,
	    expect_success, after_map),
	OWN("swap_own", swap_grant_ref, 3, gnttab_swap_grant_ref, swap_fields, generate_swap,
	    expect_success, after_swap),
	OWN("transfer", transfer, 3, gnttab_transfer, transfer_fields, generate_transfer,
	    expect_success, after_transfer),
	{ .name = "set_version_own", .command = GNTTABOP_set_version, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_WRITES_ON_ERROR, .weight = 1,
	  .structure_size = sizeof(struct gnttab_set_version), .fields = version_fields,
	  .generate = generate_version, .expect = expect_version, .after = after_version },
	OWN("cache_flush_own", cache_flush, 3, gnttab_cache_flush, flush_fields, generate_flush,
	    expect_flush, NULL),
};
const size_t grant_own_count = COUNT(grant_own);

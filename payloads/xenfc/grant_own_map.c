/* Grants to oneself that are mapped, moved and given back; transfers; caches. */
#include "grant_own.h"

#define FORMER 4u	/* mappings that are remembered when they are gone */
#define XEN_MEMORY 0xffff830000000000ull	/* where no page of ours can be mapped */

static void unmap(struct call *call, struct gnttab_unmap_grant_ref unmap, int16_t status)
{
	struct gnttab_unmap_grant_ref *u = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	*u = unmap;
	result = own_aside(call, GNTTABOP_unmap_grant_ref, u);
	if (result || u->status != status)
		call_wrong(call, "unmapping a grant of ours gave %ld, status %d, expected %d",
			   result, u->status, status);
}

/* The mapping goes, and the page of the second window takes its place. */
static void unmap_and_replace(struct call *call, grant_handle_t handle)
{
	struct gnttab_unmap_and_replace *u = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result = window_open(call->run, WINDOW_SECOND, own_frame(call, DEST), DOMID_SELF);

	*u = (struct gnttab_unmap_and_replace){
		.host_addr = (uintptr_t)window_page(WINDOW_FIRST),
		.new_addr = (uintptr_t)window_page(WINDOW_SECOND), .handle = handle,
	};
	memset(own_page(call, DEST), DEST_BYTE, DOOR_PAGE);
	if (!result)
		result = own_aside(call, GNTTABOP_unmap_and_replace, u);
	if (result || u->status)
		call_wrong(call, "replacing a grant of ours gave %ld, status %d", result,
			   u->status);
	else if (!own_is_untouched(window_page(WINDOW_FIRST), DOOR_PAGE))
		call_wrong(call, "a page took another one's place and is not there");
	window_close(call->run, WINDOW_FIRST);
}

/* What is in use is not turned into the other kind of table; some guests have no other. */
static void keep_version(struct call *call)
{
	struct gnttab_set_version *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	s->version = 2;
	result = own_aside(call, GNTTABOP_set_version, s);
	if (s->version != 1 || (result != ERR(EBUSY) &&
				(call->run->machine.control || result != ERR(ENOSYS))))
		call_wrong(call, "with a grant in use the version %u was set, with result %ld",
			   s->version, result);
}

static void swap_in_vain(struct call *call, uint32_t first, uint32_t second)
{
	struct gnttab_swap_grant_ref *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	*s = (struct gnttab_swap_grant_ref){ .ref_a = first, .ref_b = second };
	result = own_aside(call, GNTTABOP_swap_grant_ref, s);
	if (result || s->status != GNTST_eagain)
		call_wrong(call, "swapping a grant in use gave %ld, status %d, expected %d", result,
			   s->status, GNTST_eagain);
}

/* What is in use keeps its place in the table. */
static void keep_place(struct call *call, uint32_t ref)
{
	uint32_t other = ref == FIRST_REF ? FIRST_REF + 1 : FIRST_REF;

	swap_in_vain(call, ref, other);
	swap_in_vain(call, other, ref);
}

/*
 * Another place than the one where the grant is mapped: nothing is replaced there.  The mapping
 * of the page that should have come there is gone, and with it Xen's hold on that page.
 */
static void replace_in_vain(struct call *call, grant_handle_t handle, uint64_t frame)
{
	struct gnttab_unmap_and_replace *u = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result = window_open(call->run, WINDOW_SECOND, frame, DOMID_SELF);

	*u = (struct gnttab_unmap_and_replace){
		.host_addr = (uintptr_t)window_page(WINDOW_TABLE),
		.new_addr = (uintptr_t)window_page(WINDOW_SECOND), .handle = handle,
	};
	if (!result)
		result = own_aside(call, GNTTABOP_unmap_and_replace, u);
	if (result || u->status != GNTST_general_error)
		call_wrong(call, "replacing a grant where it is not gave %ld, status %d", result,
			   u->status);
}

/* Those that were given back are refused also when others have been since: read-only ones, too. */
static void refuse_former(struct call *call, grant_handle_t last)
{
	static grant_handle_t former[FORMER];
	static unsigned int count;

	for (unsigned int i = 0; i < count && i < FORMER; i++)
		unmap(call, (struct gnttab_unmap_grant_ref){ .handle = former[i] },
		      GNTST_bad_handle);
	former[count++ % FORMER] = last;
}

/*
 * A mapping for a processor and for devices is two: each half is given back alone, and until both
 * are the handle is not anybody else's, and the grant is in use.
 */
static void unmap_in_halves(struct call *call, struct gnttab_unmap_grant_ref both, uint32_t ref)
{
	struct gnttab_unmap_grant_ref first = both, second = both;

	if (chance(call, 50))
		first.dev_bus_addr = second.host_addr = 0;
	else
		first.host_addr = second.dev_bus_addr = 0;
	unmap(call, first, GNTST_okay);
	keep_place(call, ref);
	unmap(call, second, GNTST_okay);
}

/* A mapping that succeeded: the page is there, wrong ways out are refused, the right one works. */
static void undo_map(struct call *call, const struct gnttab_map_grant_ref *m)
{
	struct gnttab_unmap_grant_ref right = { .handle = m->handle };
	bool host = m->flags & GNTMAP_host_map, device = m->flags & GNTMAP_device_map;

	if (host && memcmp(window_page(WINDOW_FIRST), own_page(call, SOURCE), DOOR_PAGE))
		call_wrong(call, "a mapped grant is another page");
	if (m->dev_bus_addr != own_frame(call, SOURCE) * DOOR_PAGE)
		call_wrong(call, "a mapped grant has another bus address");
	own_check_marked(call, m->ref, !(m->flags & GNTMAP_readonly));
	if (chance(call, 20))
		own_map_again(call, m);
	if (chance(call, 20))
		keep_version(call);
	if (chance(call, 20))
		keep_place(call, m->ref);
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
	if (host && device && chance(call, 50))
		unmap_in_halves(call, right, m->ref);
	else
		unmap(call, right, GNTST_okay);
	unmap(call, right, GNTST_bad_handle);
	refuse_former(call, m->handle);
}

/* Where no page of ours can be: what was held for the mapping is let go again. */
static void lend_nowhere(struct call *call, struct gnttab_map_grant_ref map)
{
	struct gnttab_map_grant_ref *m = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	*m = map;
	m->host_addr = XEN_MEMORY;
	result = own_aside(call, GNTTABOP_map_grant_ref, m);
	if (result || m->status != GNTST_general_error)
		call_wrong(call, "mapping a page of ours where Xen is gave %ld, status %d", result,
			   m->status);
}

void own_lend(struct call *call, uint64_t frame)
{
	struct gnttab_map_grant_ref map = {
		.flags = GNTMAP_host_map | (chance(call, 30) ? GNTMAP_device_map : 0) |
			 (chance(call, 30) ? GNTMAP_readonly : 0),
		.host_addr = (uintptr_t)window_page(WINDOW_FIRST),
		.ref = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF),
		.dom = call->run->machine.domid,
	};
	struct gnttab_map_grant_ref *m = (void *)(call->run->door->arena + ARENA_ASIDE);
	struct gnttab_unmap_grant_ref right = { .host_addr = map.host_addr };
	long result;

	own_table_see(call);
	own_entry_write(1, map.ref, GTF_permit_access, map.dom, frame);
	lend_nowhere(call, map);
	*m = map;
	result = own_aside(call, GNTTABOP_map_grant_ref, m);
	if (result || m->status) {
		call_wrong(call, "mapping a page of ours by a grant gave %ld, status %d", result,
			   m->status);
	} else {
		right.handle = m->handle;
		right.dev_bus_addr = map.flags & GNTMAP_device_map ? m->dev_bus_addr : 0;
		replace_in_vain(call, right.handle, frame);
		unmap(call, right, GNTST_okay);
	}
	own_entry_write(1, map.ref, GTF_invalid, 0, 0);
}

/* What must not come before the grant is looked at, and what comes after it. */
static int16_t map_status(struct call *call, struct gnttab_map_grant_ref *m)
{
	bool none = !(m->flags & (GNTMAP_host_map | GNTMAP_device_map));
	struct end end = own_grant(call, 1, FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF),
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
	m->host_addr = XEN_MEMORY;
	return GNTST_general_error;
}

static void generate_map(struct call *call)
{
	struct gnttab_map_grant_ref *m = (void *)call->structure->at;

	call->arguments[2] = 1;
	own_table_see(call);
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
		own_check_released(call);
}

static void generate_swap(struct call *call)
{
	struct gnttab_swap_grant_ref *s = (void *)call->structure->at;

	call->arguments[2] = 1;
	own_table_see(call);
	s->ref_a = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF + 2);
	s->ref_b = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF + 2);
	if (s->ref_a < REFS_1)
		own_entry_write(1, s->ref_a, GTF_permit_access, 1, s->ref_a);
	if (s->ref_b < REFS_1)
		own_entry_write(1, s->ref_b, GTF_permit_access, 1, s->ref_b);
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
	if (chance(call, 10))
		own_swap_listed(call);
}

/* Pages in use are not given away, nor are those of nobody. */
static void generate_transfer(struct call *call)
{
	struct gnttab_transfer *t = (void *)call->structure->at;

	call->arguments[2] = 1;
	t->mfn = chance(call, 50) ? own_frame(call, SOURCE) : NO_FRAME;
	t->domid = draw_who(call, true);
	t->ref = (grant_ref_t)draw(call, REFS_1);
}

static void after_transfer(struct call *call)
{
	const struct gnttab_transfer *t = (void *)call->structure->at;

	if (!call->result)
		grant_check_status(call, t->status, GNTST_bad_page);
}

/* Flushing caches by address; the machine's own pages are nobody's. */
static void generate_flush(struct call *call)
{
	struct gnttab_cache_flush *f = (void *)call->structure->at;

	call->arguments[2] = 1;
	f->a.dev_bus_addr = own_frame(call, SOURCE) * DOOR_PAGE;
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

static void after_flush(struct call *call)
{
	if (chance(call, 10))
		own_flush_listed(call);
}

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

const struct operation grant_own_map[] = {
	OWN("map_own", map_grant_ref, 4, gnttab_map_grant_ref, map_fields, generate_map,
	    expect_success, after_map),
	OWN("swap_own", swap_grant_ref, 3, gnttab_swap_grant_ref, swap_fields, generate_swap,
	    expect_success, after_swap),
	OWN("transfer", transfer, 3, gnttab_transfer, transfer_fields, generate_transfer,
	    expect_success, after_transfer),
	{ .name = "cache_flush_own", .command = GNTTABOP_cache_flush, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 3, .until = RELEASE(4, 21),
	  .structure_size = sizeof(struct gnttab_cache_flush), .fields = flush_fields,
	  .generate = generate_flush, .expect = expect_flush, .after = after_flush },
};
const size_t grant_own_map_count = COUNT(grant_own_map);

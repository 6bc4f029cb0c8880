/* Grants to oneself that are mapped once more; lists of swaps and flushes, of which each is done. */
#include "grant_own.h"

#define SWAPS 3u
#define FLUSHES 3u

static void *cleared(const struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

static long listed(struct call *call, unsigned int command, const void *list, unsigned int count)
{
	return aside(call->run, __HYPERVISOR_grant_table_op, command, (uintptr_t)list, count);
}

void own_check_marked(struct call *call, uint32_t ref, bool writing)
{
	const grant_entry_v1_t *entry = (grant_entry_v1_t *)window_page(WINDOW_TABLE) + ref;
	uint16_t marks = GTF_reading | (writing ? GTF_writing : 0);

	if ((entry->flags & (GTF_reading | GTF_writing)) != marks)
		call_wrong(call, "grant %u, which is mapped, is marked with %x, expected %x", ref,
			   entry->flags, marks);
}

/* As the first time, as far as the grant allows it; what the first one holds it keeps. */
void own_map_again(struct call *call, const struct gnttab_map_grant_ref *first)
{
	const grant_entry_v1_t *entry = (grant_entry_v1_t *)window_page(WINDOW_TABLE) + first->ref;
	bool wrote = !(first->flags & GNTMAP_readonly), writes = chance(call, 50);
	int16_t status = writes && entry->flags & GTF_readonly ? GNTST_general_error : GNTST_okay;
	struct gnttab_map_grant_ref *m = cleared(call, sizeof(*m));
	struct gnttab_unmap_grant_ref *u;
	uint64_t at = (uintptr_t)window_page(WINDOW_SECOND);
	grant_handle_t handle;

	m->host_addr = at;
	m->flags = GNTMAP_host_map | (writes ? 0 : GNTMAP_readonly);
	m->ref = first->ref;
	m->dom = first->dom;
	if (own_aside(call, GNTTABOP_map_grant_ref, m) || m->status != status)
		call_wrong(call, "mapping a grant of ours again has status %d, expected %d",
			   m->status, status);
	handle = m->handle;
	if (status || m->status)
		return;
	own_check_marked(call, first->ref, wrote || writes);
	u = cleared(call, sizeof(*u));
	u->host_addr = at;
	u->handle = handle;
	if (own_aside(call, GNTTABOP_unmap_grant_ref, u) || u->status)
		call_wrong(call, "unmapping what was mapped again has status %d", u->status);
	own_check_marked(call, first->ref, wrote);
}

/* The first grant moves on with every swap. */
void own_swap_listed(struct call *call)
{
	struct gnttab_swap_grant_ref *s = cleared(call, SWAPS * sizeof(*s));
	const grant_entry_v1_t *entries = window_page(WINDOW_TABLE);
	uint32_t first = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF - SWAPS);
	long result;

	for (uint32_t i = 0; i <= SWAPS; i++)
		own_entry_write(1, first + i, GTF_permit_access, 1, i);
	for (uint32_t i = 0; i < SWAPS; i++)
		s[i] = (struct gnttab_swap_grant_ref){
			.ref_a = first + i, .ref_b = first + i + 1, .status = 1,
		};
	result = listed(call, GNTTABOP_swap_grant_ref, s, SWAPS);
	for (uint32_t i = 0; i < SWAPS; i++)
		if (result || s[i].status || entries[first + i].frame != i + 1)
			call_wrong(call, "swap %u of a list has status %d, with %ld, or was not made", i,
				   s[i].status, result);
	if (entries[first + SWAPS].frame)
		call_wrong(call, "the last swap of a list was not made");
}

/* The first that is wrong ends it, wherever it is; if none is, all are done. */
void own_flush_listed(struct call *call)
{
	struct gnttab_cache_flush *f = cleared(call, FLUSHES * sizeof(*f));
	uint64_t wrong = draw(call, FLUSHES + 1);
	long result, expected = wrong < FLUSHES ? ERR(EINVAL) : 0;

	for (unsigned int i = 0; i < FLUSHES; i++) {
		f[i].a.dev_bus_addr = own_frame(call, SOURCE) * DOOR_PAGE;
		f[i].length = (uint16_t)draw(call, 2);
		f[i].op = GNTTAB_CACHE_CLEAN;
		if (i == wrong)
			f[i].offset = DOOR_PAGE;
	}
	result = listed(call, GNTTABOP_cache_flush, f, FLUSHES);
	if (result != expected)
		call_wrong(call, "flushing by a list whose entry %lu is wrong gave %ld, expected %ld",
			   wrong, result, expected);
}

/*
 * Lists that go on where nothing can be read: what can be read of them is done and told, and
 * nothing stays held, so that the same list without its end succeeds.
 */
#include "torn.h"

#include "grant_own.h"

#define MOST_THERE 5u
#define LISTED 2u	/* elements of the lists that are no multicalls */
#define MOST_MISSING 8u
#define NOT_MADE 0xffffffffffffffffull
#define SPOILT 0xaaaaaaaaaaaaaaaaull	/* by a Xen built for debugging: made again, it is unknown */

/* The elements that are there are the arena's last bytes. */
void torn_generate(struct call *call)
{
	uint64_t there = LISTED + draw(call, MOST_THERE - LISTED + 1);
	struct area *area = area_take(call, (uint32_t)(there * sizeof(multicall_entry_t)), false);
	multicall_entry_t *entries;

	memset(area->at, ARENA_BACKGROUND, area->size);
	area->at = call->run->door->arena + ARENA_BYTES - area->size;
	area->out_size = area->size;
	entries = (void *)memset(area->at, 0, area->size);
	for (uint64_t i = 0; i < there; i++) {
		entries[i].op = __HYPERVISOR_xen_version;
		entries[i].result = NOT_MADE;
	}
	call->note = (long)there;
	call->arguments[0] = area_sure(area);
	call->arguments[1] = there + 1 + draw(call, MOST_MISSING);
}

void torn_expect(struct call *call)
{
	expect_only(call, ERR(EFAULT));
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s gave %ld, expected %ld", what, result, expected);
}

static void check_calls(struct call *call)
{
	const multicall_entry_t *entries = (const void *)call->areas[0].at;
	long version = aside(call->run, __HYPERVISOR_xen_version, XENVER_version, 0, 0);

	for (long i = 0; i < call->note; i++)
		if (entries[i].op != SPOILT || (long)entries[i].result != ERR(ENOSYS))
			must(call, "a call before the end of a torn multicall",
			     (long)entries[i].result, version);
	must(call, "a whole multicall after a torn one",
	     aside(call->run, __HYPERVISOR_multicall, (uintptr_t)entries, (uint64_t)call->note, 0),
	     0);
}

static void *last_bytes(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_BYTES - size, 0, size);
}

static long flush(struct call *call, const struct mmuext_op *list, uint64_t count)
{
	uint32_t *done = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*done));
	const uint64_t arguments[5] = { (uintptr_t)list, count, (uintptr_t)done, DOMID_SELF };
	long result = make_hypercall(call->run, __HYPERVISOR_mmuext_op, arguments);

	must(call, "the count of a list of flushes", *done, LISTED);
	return result;
}

static void tear_flushes(struct call *call)
{
	struct mmuext_op *list = last_bytes(call, LISTED * sizeof(*list));

	for (unsigned int i = 0; i < LISTED; i++)
		list[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
	must(call, "a torn list of flushes",
	     flush(call, list, LISTED + 1 + draw(call, MOST_MISSING)), ERR(EFAULT));
	must(call, "a list of flushes after it", flush(call, list, LISTED), 0);
}

static long copy(struct call *call, struct gnttab_copy *list, uint64_t count)
{
	memset(own_page(call, DEST), DEST_BYTE, DOOR_PAGE);
	for (unsigned int i = 0; i < LISTED; i++)
		list[i].status = 1;
	return aside(call->run, __HYPERVISOR_grant_table_op, GNTTABOP_copy, (uintptr_t)list, count);
}

static void check_copied(struct call *call, const struct gnttab_copy *list)
{
	for (unsigned int i = 0; i < LISTED; i++) {
		must(call, "the status of a listed copy", list[i].status, GNTST_okay);
		if (memcmp(own_page(call, DEST) + list[i].dest.offset,
			   own_page(call, SOURCE) + list[i].source.offset, list[i].len))
			call_wrong(call, "copy %u of a list did not copy", i);
	}
}

static void tear_copies(struct call *call)
{
	struct gnttab_copy *list = last_bytes(call, LISTED * sizeof(*list));

	draw_bytes(call, own_page(call, SOURCE), DOOR_PAGE);
	for (unsigned int i = 0; i < LISTED; i++) {
		list[i].source.domid = list[i].dest.domid = DOMID_SELF;
		list[i].source.u.gmfn = own_frame(call, SOURCE);
		list[i].dest.u.gmfn = own_frame(call, DEST);
		list[i].source.offset = (uint16_t)draw(call, DOOR_PAGE / 2);
		list[i].dest.offset = (uint16_t)(i * DOOR_PAGE / LISTED);
		list[i].len = (uint16_t)(1 + draw(call, DOOR_PAGE / LISTED));
	}
	must(call, "a torn list of copies", copy(call, list, LISTED + 1 + draw(call, MOST_MISSING)),
	     ERR(EFAULT));
	check_copied(call, list);
	must(call, "a list of copies after it", copy(call, list, LISTED), 0);
	check_copied(call, list);
}

void torn_after(struct call *call)
{
	check_calls(call);
	tear_flushes(call);
	if (call->run->door->owns_kernel)
		tear_copies(call);
}

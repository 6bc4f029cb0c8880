/*
 * A table of pages of each level, one in another, all of pages of ours that are nowhere mapped: filled
 * by lists, pinned as a whole, changed, and taken apart, which Xen interrupts half of the time.
 * Whatever was refused or given back, in the end each page is as free as before.
 */
#include "grant_own.h"
#include "memory.h"
#include "window.h"

#define PAGE_BITS 12
#define LEVELS 4u
#define TOP (LEVELS - 1)
#define SECOND_LEVEL 1u
#define ENTRIES 6u	/* of each table that are there */
#define SLOTS (DOOR_PAGE / 8u)
#define FIRST_XEN_SLOT 256u	/* of the highest table */
#define XEN_SLOTS 16u
#define ENTRY 0x67ull		/* there, writable, accessed and written to */
#define ACCESSED 0x20ull
#define KEPT_BITS 0x000ffffffffff067ull	/* of an entry: Xen may add others */

struct tables {
	struct call *call;
	uint64_t frames[LEVELS];	/* the lowest first */
	uint32_t slots[LEVELS][ENTRIES];
	long pages;		/* of ours, with these */
};

static void must(const struct tables *t, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(t->call, "%s tables of ours gave %ld, expected %ld", what, result,
			   expected);
}

static uint8_t *memory_aside(const struct tables *t)
{
	return t->call->run->door->arena + ARENA_ASIDE;
}

static long mmuext(const struct tables *t, unsigned int command, uint64_t frame)
{
	struct mmuext_op *op = memset(memory_aside(t), 0, sizeof(*op));
	const uint64_t arguments[5] = { (uintptr_t)op, 1, 0, DOMID_SELF };

	op->cmd = command;
	op->arg1.mfn = frame;
	return make_hypercall(t->call->run, __HYPERVISOR_mmuext_op, arguments);
}

/* The tables' owner may be named, too, above the pages'. */
static uint64_t owners(const struct tables *t)
{
	return DOMID_SELF | (chance(t->call, 30) ? (t->call->run->machine.domid + 1ull) << 16 : 0);
}

static long pages_of_ours(const struct tables *t)
{
	struct xen_memory_domain *m = (void *)memory_aside(t);

	m->domid = DOMID_SELF;
	return aside(t->call->run, __HYPERVISOR_memory_op, XENMEM_current_reservation,
		     (uintptr_t)m, 0);
}

static struct mmu_update update_of(const struct tables *t, unsigned int level, uint32_t slot,
				   unsigned int how, uint64_t value)
{
	return (struct mmu_update){
		.ptr = t->frames[level] << PAGE_BITS | slot * sizeof(value) | how, .val = value,
	};
}

static long change(const struct tables *t, unsigned int level, uint32_t slot, unsigned int how,
		   uint64_t value)
{
	struct mmu_update *u = (void *)memory_aside(t);
	const uint64_t arguments[5] = { (uintptr_t)u, 1, 0, owners(t) };

	*u = update_of(t, level, slot, how, value);
	return make_hypercall(t->call->run, __HYPERVISOR_mmu_update, arguments);
}

/* The entry of a level's tables: the table below it, or some page of ours. */
static uint64_t entry_of(const struct tables *t, unsigned int level)
{
	uint64_t frame = level ? t->frames[level - 1] : own_frame(t->call, SOURCE);

	return frame << PAGE_BITS | ENTRY;
}

/* All entries of a table at once: Xen tells how many it changed. */
static void change_all(const struct tables *t, unsigned int level, uint64_t value)
{
	struct mmu_update *list = (void *)memory_aside(t);
	uint32_t *done = (void *)(list + ENTRIES);
	const uint64_t arguments[5] = { (uintptr_t)list, ENTRIES, (uintptr_t)done, owners(t) };

	for (unsigned int i = 0; i < ENTRIES; i++)
		list[i] = update_of(t, level, t->slots[level][i], MMU_NORMAL_PT_UPDATE, value);
	*done = 0;
	must(t, "changing a list of entries of",
	     make_hypercall(t->call->run, __HYPERVISOR_mmu_update, arguments), 0);
	must(t, "the count of a list of entries of", *done, ENTRIES);
}

/* The last of the entries is always there, and often the first one. */
static void draw_slots(struct tables *t)
{
	uint32_t slots = SLOTS;

	for (unsigned int level = 0; level < LEVELS; level++) {
		if (level == TOP)
			slots = FIRST_XEN_SLOT;
		for (unsigned int i = 0; i < ENTRIES; i++)
			t->slots[level][i] = (uint32_t)draw(t->call, slots);
		t->slots[level][0] = chance(t->call, 50) ? 0 : t->slots[level][0];
		t->slots[level][1] = slots - 1;
	}
	t->slots[TOP][2] = FIRST_XEN_SLOT + XEN_SLOTS;
	t->slots[TOP][3] = SLOTS - 1;
}

/* Xen adds only who else may look there. */
static void check_entry(const struct tables *t, unsigned int level, uint32_t slot, uint64_t expected)
{
	struct run *run = t->call->run;
	const volatile uint64_t *table = window_page(WINDOW_SECOND);

	if (window_show(run, WINDOW_SECOND, t->frames[level])) {
		call_wrong(t->call, "a table of pages of ours cannot be seen");
		return;
	}
	if ((table[slot] ^ expected) & KEPT_BITS)
		call_wrong(t->call, "entry %u of a table of level %u is %lx, expected %lx", slot,
			   level + 1, table[slot], expected);
	window_close(run, WINDOW_SECOND);
}

/*
 * A page that is no table any more may be written to, and be a table of any level: in the highest
 * Xen leaves entries of its own.
 */
static void check_free(const struct tables *t)
{
	for (unsigned int level = 0; level < LEVELS; level++) {
		unsigned int how = MMUEXT_PIN_L1_TABLE + (unsigned int)draw(t->call, LEVELS);

		must(t, "clearing", mmuext(t, MMUEXT_CLEAR_PAGE, t->frames[level]), 0);
		must(t, "pinning cleared", mmuext(t, how, t->frames[level]), 0);
		must(t, "unpinning cleared", mmuext(t, MMUEXT_UNPIN_TABLE, t->frames[level]), 0);
		must(t, "clearing", mmuext(t, MMUEXT_CLEAR_PAGE, t->frames[level]), 0);
	}
}

static long pin(const struct tables *t)
{
	return mmuext(t, MMUEXT_PIN_L1_TABLE + TOP, t->frames[TOP]);
}

/*
 * One wrong entry, and all that was found right before it is given back.  Not where Xen 4.17 is known
 * to keep hold of a table.
 */
static void refuse_whole(const struct tables *t)
{
	bool first = false;
	unsigned int level;
	uint32_t slot;

	for (unsigned int i = 0; i < ENTRIES; i++)
		first |= !t->slots[SECOND_LEVEL + 1][i];
	level = first ? SECOND_LEVEL + 1 + (unsigned int)draw(t->call, 2) :
		SECOND_LEVEL + (unsigned int)draw(t->call, TOP);
	slot = t->slots[level][draw(t->call, ENTRIES)];
	must(t, "writing to", change(t, level, slot, MMU_NORMAL_PT_UPDATE,
				     (uint64_t)NO_FRAME << PAGE_BITS | ENTRY), 0);
	must(t, "pinning wrong", pin(t), ERR(EINVAL));
	for (unsigned int i = 0; i < LEVELS; i++)
		must(t, "writing to refused", change(t, i, t->slots[i][1], MMU_NORMAL_PT_UPDATE,
						     entry_of(t, i)), 0);
	must(t, "writing to", change(t, level, slot, MMU_NORMAL_PT_UPDATE, entry_of(t, level)), 0);
}

/* What a table that is in use must not hold leaves it as it was. */
static void refuse_entries(const struct tables *t, unsigned int level)
{
	static const unsigned int never[] = { 3, 4, 7, 8 };
	const uint64_t right = entry_of(t, level), flags = right % DOOR_PAGE;
	const uint64_t wrong[] = {
		right | 1ull << never[draw(t->call, COUNT(never))],
		t->frames[level == TOP ? 0 : TOP] << PAGE_BITS | flags,
		(uint64_t)NO_FRAME << PAGE_BITS | flags,
	};
	uint32_t slot = t->slots[level][draw(t->call, ENTRIES)];

	for (unsigned int i = 0; i < COUNT(wrong); i++)
		must(t, "a wrong entry in", change(t, level, slot, MMU_NORMAL_PT_UPDATE, wrong[i]),
		     ERR(EINVAL));
	if (level == TOP)
		must(t, "an entry of Xen's in",
		     change(t, level, FIRST_XEN_SLOT + (uint32_t)draw(t->call, XEN_SLOTS),
			    MMU_NORMAL_PT_UPDATE, chance(t->call, 50) ? right : 0), ERR(EINVAL));
	check_entry(t, level, slot, right);
}

/* Whether it was used is kept or not, as was asked for; the highest is told to be used always. */
static void change_used(const struct tables *t, unsigned int level)
{
	const uint64_t right = entry_of(t, level), unused = right & ~ACCESSED;
	uint32_t slot = t->slots[level][draw(t->call, ENTRIES)];

	must(t, "changing", change(t, level, slot, MMU_PT_UPDATE_PRESERVE_AD, unused), 0);
	check_entry(t, level, slot, right);
	must(t, "changing", change(t, level, slot, MMU_NORMAL_PT_UPDATE, unused), 0);
	check_entry(t, level, slot, level == TOP ? right : unused);
	must(t, "changing", change(t, level, slot, MMU_NORMAL_PT_UPDATE, right), 0);
}

/* Without entries a table leaves those below it to themselves; with them it has them again. */
static void take_apart(const struct tables *t)
{
	unsigned int level = 1 + (unsigned int)draw(t->call, TOP);

	change_all(t, level, 0);
	check_entry(t, level, t->slots[level][0], 0);
	must(t, "writing below", change(t, level - 1, t->slots[level - 1][0], MMU_NORMAL_PT_UPDATE,
					entry_of(t, level - 1)), 0);
	must(t, "clearing", mmuext(t, MMUEXT_CLEAR_PAGE, t->frames[level - 1]), 0);
	change_all(t, level - 1, entry_of(t, level - 1));
	change_all(t, level, entry_of(t, level));
}

static void use(const struct tables *t)
{
	bool base = chance(t->call, 50);

	must(t, "pinning", pin(t), 0);
	if (base)
		must(t, "a base of", mmuext(t, MMUEXT_NEW_USER_BASEPTR, t->frames[TOP]), 0);
	for (unsigned int level = 0; level < LEVELS; level++) {
		must(t, "clearing used", mmuext(t, MMUEXT_CLEAR_PAGE, t->frames[level]),
		     ERR(EINVAL));
		if (level)
			refuse_entries(t, level);
		change_used(t, level);
	}
	take_apart(t);
	must(t, "unpinning", mmuext(t, MMUEXT_UNPIN_TABLE, t->frames[TOP]), 0);
	if (base) {
		must(t, "clearing a base of", mmuext(t, MMUEXT_CLEAR_PAGE, t->frames[0]),
		     ERR(EINVAL));
		must(t, "no base after", mmuext(t, MMUEXT_NEW_USER_BASEPTR, 0), 0);
	}
}

static void give_back(const struct tables *t, long count)
{
	struct xen_memory_reservation *r = (void *)memory_aside(t);

	memset(r, 0, sizeof(*r));
	r->domid = DOMID_SELF;
	r->nr_extents = (xen_ulong_t)count;
	memcpy(r + 1, t->frames, sizeof(t->frames));
	set_xen_guest_handle(r->extent_start, (void *)(r + 1));
	must(t, "giving back", aside(t->call->run, __HYPERVISOR_memory_op,
				     XENMEM_decrease_reservation, (uintptr_t)r, 0), count);
	must(t, "counting our pages after", pages_of_ours(t), t->pages - count);
}

static void generate_tables(struct call *call)
{
	struct xen_memory_reservation *r = (void *)call->structure->at;
	struct area *list = area_take(call, LEVELS * sizeof(xen_pfn_t), false);
	uint64_t address = area_sure(list);

	r->domid = DOMID_SELF;
	r->nr_extents = LEVELS;
	list->out_size = list->size;
	memcpy(&r->extent_start, &address, sizeof(address));
	call->interrupted = chance(call, 50);
}

/* As many as we may have. */
static void expect_tables(struct call *call)
{
	expect_range(call, 0, LEVELS);
}

static void after_tables(struct call *call)
{
	struct tables t = { .call = call };

	if (call->result <= 0)
		return;
	memcpy(t.frames, call->areas[1].at, sizeof(t.frames));
	t.pages = pages_of_ours(&t);
	if (call->result == LEVELS) {
		check_free(&t);
		draw_slots(&t);
		for (unsigned int level = 0; level < LEVELS; level++)
			change_all(&t, level, entry_of(&t, level));
		if (chance(call, 50))
			refuse_whole(&t);
		use(&t);
		check_free(&t);
	}
	give_back(&t, call->result);
}

static const struct field tables_fields[] = {
	FIELD(struct xen_memory_reservation, nr_extents, FLOW_IN),
	FIELD(struct xen_memory_reservation, domid, FLOW_IN),
	FIELDS_END,
};

/* As a row of memory_op, which is how the pages come. */
const struct operation memory_tables[] = {
	{ .name = "tables_of_our_own", .command = XENMEM_increase_reservation,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_DEAR, .weight = 1,
	  .structure_size = sizeof(struct xen_memory_reservation), .fields = tables_fields,
	  .generate = generate_tables, .expect = expect_tables, .after = after_tables },
};
const size_t memory_tables_count = COUNT(memory_tables);

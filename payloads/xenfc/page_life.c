/* A page beside the kernel's own that is copied to, cleared, and a page table of each level. */
#include "grant_own.h"
#include "memory.h"
#include "page_transfer.h"
#include "page_uses.h"
#include "window.h"

#define PAGE_BITS 12
#define READ_ONLY_ENTRY 0x25ull
#define WRITABLE_ENTRY 0x67ull
#define ACCESSED 0x20ull
#define DIRTY 0x40ull
#define ENTRY_BITS 0x67ull
#define ADDRESS_BITS 0x000ffffffffff000ull
#define LEVELS 4u
#define SOME_PAGE 26u
#define NEW_NUMBER (1ull << 20)	/* what a page is to us that we do not count */

/* The life of a page that is ours and nowhere mapped. */
struct life {
	struct call *call;
	uint64_t frame;
};

static long mmuext(const struct life *life, unsigned int command, uint64_t first, uint64_t second)
{
	struct run *run = life->call->run;
	struct mmuext_op *op = (void *)(run->door->arena + ARENA_ASIDE);
	uint64_t arguments[5] = { (uintptr_t)op, 1, 0, DOMID_SELF };

	op->cmd = command;
	op->arg1.mfn = first;
	op->arg2.src_mfn = second;
	return make_hypercall(run, __HYPERVISOR_mmuext_op, arguments);
}

static void must(const struct life *life, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(life->call, "%s a page of ours gave %ld, expected %ld", what, result,
			   expected);
}

static uint64_t arena_frame(const struct life *life, unsigned int number)
{
	return life->call->run->door->arena_frames[number];
}

static long change_entry(const struct life *life, uint64_t slot, unsigned int how, uint64_t value)
{
	struct run *run = life->call->run;
	struct mmu_update *update = (void *)(run->door->arena + ARENA_ASIDE);
	uint64_t arguments[5] = { (uintptr_t)update, 1, 0, DOMID_SELF };

	update->ptr = (life->frame << PAGE_BITS | slot * sizeof(value)) | how;
	update->val = value;
	return make_hypercall(run, __HYPERVISOR_mmu_update, arguments);
}

/* A page table may be seen, but never be written to. */
static void refuse_writing(const struct life *life)
{
	struct run *run = life->call->run;

	if (!window_open(run, WINDOW_SECOND, life->frame, DOMID_SELF)) {
		call_wrong(life->call, "a page table could be mapped for writing");
		window_close(run, WINDOW_SECOND);
	}
	must(life, "clearing", mmuext(life, MMUEXT_CLEAR_PAGE, life->frame, 0), ERR(EINVAL));
}

/* What an entry is afterwards: Xen adds only who else may look there. */
static void check_entry(const struct life *life, uint64_t slot, uint64_t expected)
{
	struct run *run = life->call->run;
	const volatile uint64_t *table = window_page(WINDOW_SECOND);

	if (window_show(run, WINDOW_SECOND, life->frame)) {
		call_wrong(life->call, "a page table of ours cannot be seen");
		return;
	}
	if ((table[slot] ^ expected) & (ADDRESS_BITS | ENTRY_BITS))
		call_wrong(life->call, "an entry of a page table is %lx, expected %lx", table[slot],
			   expected);
	window_close(run, WINDOW_SECOND);
}

static void be_lowest_table(const struct life *life)
{
	static const struct {
		unsigned int how;
		uint64_t flags, after;
	} steps[] = {
		{ MMU_NORMAL_PT_UPDATE, READ_ONLY_ENTRY, READ_ONLY_ENTRY },
		{ MMU_PT_UPDATE_PRESERVE_AD, READ_ONLY_ENTRY & ~ACCESSED, READ_ONLY_ENTRY },
		{ MMU_NORMAL_PT_UPDATE, READ_ONLY_ENTRY & ~ACCESSED, READ_ONLY_ENTRY & ~ACCESSED },
		{ MMU_NORMAL_PT_UPDATE, WRITABLE_ENTRY, WRITABLE_ENTRY },
		{ MMU_PT_UPDATE_PRESERVE_AD, READ_ONLY_ENTRY & ~ACCESSED, READ_ONLY_ENTRY | DIRTY },
	};
	uint64_t slot = draw(life->call, DOOR_PAGE / 8);
	uint64_t page = arena_frame(life, SOME_PAGE) << PAGE_BITS;

	for (unsigned int i = 0; i < COUNT(steps); i++) {
		must(life, "filling", change_entry(life, slot, steps[i].how,
						   page | steps[i].flags), 0);
		check_entry(life, slot, page | steps[i].after);
	}
	slot = draw(life->call, DOOR_PAGE / 8);
	if (!change_entry(life, slot, MMU_NORMAL_PT_UPDATE,
			  life->frame << PAGE_BITS | WRITABLE_ENTRY))
		call_wrong(life->call, "a page table maps itself for writing");
}

/* Of user space; setting it once more changes nothing. */
static void be_user_base(const struct life *life)
{
	for (unsigned int i = 0; i < 2; i++)
		must(life, "making the base of user space", mmuext(life, MMUEXT_NEW_USER_BASEPTR,
								   life->frame, 0), 0);
	must(life, "making none the base of user space after",
	     mmuext(life, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
}

static void be_table(const struct life *life, unsigned int level)
{
	unsigned int pin = MMUEXT_PIN_L1_TABLE + level;

	must(life, "pinning", mmuext(life, pin, life->frame, 0), 0);
	must(life, "pinning twice", mmuext(life, pin, life->frame, 0), ERR(EINVAL));
	refuse_writing(life);
	if (!level)
		be_lowest_table(life);
	if (level == LEVELS - 1)
		be_user_base(life);
	must(life, "unpinning", mmuext(life, MMUEXT_UNPIN_TABLE, life->frame, 0), 0);
	must(life, "unpinning twice", mmuext(life, MMUEXT_UNPIN_TABLE, life->frame, 0),
	     ERR(EINVAL));
}

static void copy_and_clear(const struct life *life)
{
	struct run *run = life->call->run;
	uint8_t *some = run->door->arena + SOME_PAGE * (size_t)DOOR_PAGE;
	const uint64_t *seen = window_page(WINDOW_SECOND);

	some[0] = 1;
	must(life, "copying to", mmuext(life, MMUEXT_COPY_PAGE, life->frame,
					arena_frame(life, SOME_PAGE)), 0);
	if (window_open(run, WINDOW_SECOND, life->frame, DOMID_SELF)) {
		call_wrong(life->call, "a page of ours cannot be mapped");
		return;
	}
	if (memcmp(seen, some, DOOR_PAGE))
		call_wrong(life->call, "a copied page is another one");
	must(life, "clearing", mmuext(life, MMUEXT_CLEAR_PAGE, life->frame, 0), 0);
	for (unsigned int i = 0; i < DOOR_PAGE / 8; i++)
		if (seen[i])
			call_wrong(life->call, "a cleared page holds something");
	must(life, "pinning what is written to", mmuext(life, MMUEXT_PIN_L1_TABLE, life->frame, 0),
	     ERR(EINVAL));
	window_close(run, WINDOW_SECOND);
}

/* Two pages for one of twice the size, but the second is in use: the first comes back. */
static void exchange_half(const struct life *life)
{
	struct run *run = life->call->run;
	struct xen_memory_exchange *e = (void *)(run->door->arena + ARENA_ASIDE);
	uint64_t *frames = (void *)(e + 1);
	const uint64_t lists[] = { (uintptr_t)&frames[0], (uintptr_t)&frames[2] };

	memset(e, 0, sizeof(*e));
	frames[0] = life->frame;
	frames[1] = chance(life->call, 50) ? arena_frame(life, SOME_PAGE) : NO_FRAME;
	frames[2] = NEW_NUMBER;
	e->in.domid = e->out.domid = DOMID_SELF;
	e->in.nr_extents = 2;
	e->out.nr_extents = 1;
	e->out.extent_order = 1;
	memcpy(&e->in.extent_start, &lists[0], sizeof(lists[0]));
	memcpy(&e->out.extent_start, &lists[1], sizeof(lists[1]));
	must(life, "exchanging, and one of another's,", aside(run, __HYPERVISOR_memory_op,
							     XENMEM_exchange, (uintptr_t)e, 0),
	     ERR(EINVAL));
	if (e->nr_exchanged)
		call_wrong(life->call, "an exchange that failed told %lu pages",
			   (uint64_t)e->nr_exchanged);
	must(life, "clearing after a failed exchange",
	     mmuext(life, MMUEXT_CLEAR_PAGE, life->frame, 0), 0);
}

/* For another one, which is ours from then on; the first is not. */
static void exchange(struct life *life)
{
	struct run *run = life->call->run;
	struct xen_memory_exchange *e = (void *)(run->door->arena + ARENA_ASIDE);
	uint64_t *frames = (void *)(e + 1), old = life->frame;
	const uint64_t lists[] = { (uintptr_t)&frames[0], (uintptr_t)&frames[1] };

	memset(e, 0, sizeof(*e));
	frames[0] = old;
	frames[1] = NEW_NUMBER;
	e->in.domid = e->out.domid = DOMID_SELF;
	e->in.nr_extents = e->out.nr_extents = 1;
	memcpy(&e->in.extent_start, &lists[0], sizeof(lists[0]));
	memcpy(&e->out.extent_start, &lists[1], sizeof(lists[1]));
	must(life, "exchanging", aside(run, __HYPERVISOR_memory_op, XENMEM_exchange, (uintptr_t)e, 0),
	     0);
	if (life->call->wrong[0])
		return;
	if (e->nr_exchanged != 1 || frames[1] == NEW_NUMBER)
		call_wrong(life->call, "an exchange told %lu pages, the new one is %lx",
			   (uint64_t)e->nr_exchanged, frames[1]);
	life->frame = frames[1];
	if (life->frame != old)
		must(life, "clearing what was given away for",
		     mmuext(life, MMUEXT_CLEAR_PAGE, old, 0), ERR(EINVAL));
}

static void generate_life(struct call *call)
{
	struct xen_memory_reservation *r = (void *)call->structure->at;
	struct area *list = area_take(call, sizeof(xen_pfn_t), false);
	uint64_t address = area_sure(list);

	r->domid = DOMID_SELF;
	r->nr_extents = 1;
	list->out_size = list->size;
	memcpy(&r->extent_start, &address, sizeof(address));
}

/* One more page, if we may have one. */
static void expect_life(struct call *call)
{
	expect_range(call, 0, 1);
}

static void give_back(const struct life *life)
{
	struct run *run = life->call->run;
	struct xen_memory_reservation *r = (void *)(run->door->arena + ARENA_ASIDE);

	memset(r, 0, sizeof(*r));
	r->domid = DOMID_SELF;
	r->nr_extents = 1;
	memcpy(r + 1, &life->frame, sizeof(life->frame));
	set_xen_guest_handle(r->extent_start, (void *)(r + 1));
	must(life, "giving back", aside(run, __HYPERVISOR_memory_op, XENMEM_decrease_reservation,
					(uintptr_t)r, 0), 1);
}

static void after_life(struct call *call)
{
	struct life life = { .call = call };

	if (call->result != 1)
		return;
	memcpy(&life.frame, call->areas[1].at, sizeof(life.frame));
	copy_and_clear(&life);
	exchange_half(&life);
	page_use(call, life.frame);
	exchange(&life);
	own_lend(call, life.frame);
	for (unsigned int level = 0; level < LEVELS; level++) {
		be_table(&life, level);
		must(&life, "clearing", mmuext(&life, MMUEXT_CLEAR_PAGE, life.frame, 0), 0);
	}
	if (page_transfer(call, life.frame))
		give_back(&life);
}

/* Whoever refuses it, it is not ours any more. */
static void after_offer(struct call *call)
{
	uint64_t frame;

	if (call->result != 1)
		return;
	memcpy(&frame, call->areas[1].at, sizeof(frame));
	page_offer(call, frame);
}

static const struct field life_fields[] = {
	FIELD(struct xen_memory_reservation, domid, FLOW_IN),
	FIELDS_END,
};

/* As rows of memory_op, which is how the page comes. */
const struct operation memory_own[] = {
	{ .name = "page_of_our_own", .command = XENMEM_increase_reservation,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_DEAR, .weight = 1,
	  .structure_size = sizeof(struct xen_memory_reservation), .fields = life_fields,
	  .generate = generate_life, .expect = expect_life, .after = after_life },
	{ .name = "page_for_another", .command = XENMEM_increase_reservation,
	  .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2,
	  .structure_size = sizeof(struct xen_memory_reservation), .fields = life_fields,
	  .generate = generate_life, .expect = expect_life, .after = after_offer },
};
const size_t memory_own_count = COUNT(memory_own);

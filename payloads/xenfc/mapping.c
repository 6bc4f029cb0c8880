/*
 * update_va_mapping: what is seen at an address of ours, and which processors are told.  And the
 * other way round: a page that is not ours to see is ours in no other way either.
 */
#include "mapping.h"

#include "grant_own.h"

#define PAGE_BITS 12
#define READ_ONLY_ENTRY 0x25ull
#define WRITABLE_ENTRY 0x67ull
#define FLUSH_KINDS 4u
#define MASK_BYTES 8u
#define NO_ADDRESS 0xffff830000000000ull	/* Xen's own: told by a dry run */
#define SOME_FRAMES (1u << 17)	/* every machine has most of them */

static uint64_t first_window(const struct call *call)
{
	return call->run->plan.dry_run ? NO_ADDRESS : (uintptr_t)window_page(WINDOW_FIRST);
}

/* Who is told is a number, or an address with a bit for each processor. */
static uint64_t draw_told(struct call *call)
{
	struct area *mask = area_take(call, MASK_BYTES, true);

	if (chance(call, 50))
		return chance(call, 50) ? UVMF_ALL : UVMF_LOCAL;
	return area_address(call, mask) & ~(uint64_t)(FLUSH_KINDS - 1);
}

static void generate_mapping(struct call *call)
{
	uint64_t entry = own_frame(call, SOURCE) << PAGE_BITS;

	call->arguments[0] = first_window(call);
	call->arguments[1] = chance(call, 80) ? entry | (chance(call, 50) ? READ_ONLY_ENTRY :
							WRITABLE_ENTRY) : 0;
	call->arguments[2] = draw(call, FLUSH_KINDS) | draw_told(call);
}

/* Xen changes the entry first, and says when it could not read whom to tell. */
static void expect_mapping(struct call *call)
{
	uint64_t kind = call->arguments[2] % FLUSH_KINDS, told = call->arguments[2] - kind;
	bool asks = kind == UVMF_TLB_FLUSH || kind == UVMF_INVLPG;

	expect_only(call, asks && told != UVMF_ALL && told != UVMF_LOCAL &&
		    !reachable(call, told, MASK_BYTES) ? ERR(EFAULT) : 0);
}

static void after_mapping(struct call *call)
{
	bool present = call->arguments[1];

	if (!call->result && present &&
	    memcmp(window_page(WINDOW_FIRST), own_page(call, SOURCE), DOOR_PAGE))
		call_wrong(call, "another page is seen than the one that was mapped");
	if (window_close(call->run, WINDOW_FIRST))
		call_wrong(call, "what was mapped cannot be unmapped");
}

/* Any frame: ours, another domain's, Xen's, a device's or nobody's. */
static void generate_any(struct call *call)
{
	call->arguments[0] = first_window(call);
	call->arguments[1] = draw(call, SOME_FRAMES) << PAGE_BITS | READ_ONLY_ENTRY;
	call->arguments[2] = UVMF_INVLPG | UVMF_LOCAL;
}

static void expect_any(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(EPERM));
	expect_also(call, ERR(EBUSY));
}

static void refused(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a page that we may not even see gave %ld, expected %ld", what,
			   result, expected);
}

static void *begin(struct call *call, size_t size)
{
	return memset(call->run->door->arena + ARENA_ASIDE, 0, size);
}

/* Of lists with one element: their hypercalls take the same four arguments. */
static long list(struct call *call, unsigned int hypercall, const void *element)
{
	uint64_t arguments[5] = { (uintptr_t)element, 1, 0, DOMID_SELF };
	struct run *run = call->run;

	return make_hypercall(run, hypercall, arguments);
}

static void refuse_extended(struct call *call, uint64_t frame)
{
	static const struct {
		const char *what;
		unsigned int command;
	} ways[] = {
		{ "clearing", MMUEXT_CLEAR_PAGE }, { "copying to", MMUEXT_COPY_PAGE },
		{ "pinning", MMUEXT_PIN_L1_TABLE }, { "unpinning", MMUEXT_UNPIN_TABLE },
		{ "making a base of", MMUEXT_NEW_USER_BASEPTR },
	};
	struct mmuext_op *op = begin(call, sizeof(*op));

	for (unsigned int i = 0; i < COUNT(ways); i++) {
		op->cmd = ways[i].command;
		op->arg1.mfn = frame;
		op->arg2.src_mfn = own_frame(call, SOURCE);
		refused(call, ways[i].what, list(call, __HYPERVISOR_mmuext_op, op), ERR(EINVAL));
	}
	op->cmd = MMUEXT_COPY_PAGE;
	op->arg1.mfn = own_frame(call, DEST);
	op->arg2.src_mfn = frame;
	refused(call, "copying from", list(call, __HYPERVISOR_mmuext_op, op), ERR(EINVAL));
}

static void refuse_updates(struct call *call, uint64_t frame)
{
	static const unsigned int kinds[] = {
		MMU_NORMAL_PT_UPDATE, MMU_MACHPHYS_UPDATE, MMU_PT_UPDATE_PRESERVE_AD,
	};
	struct mmu_update *update = begin(call, sizeof(*update));

	for (unsigned int i = 0; i < COUNT(kinds); i++) {
		update->ptr = frame << PAGE_BITS | kinds[i];
		refused(call, "updating", list(call, __HYPERVISOR_mmu_update, update), ERR(EINVAL));
	}
}

static void refuse_reservations(struct call *call, uint64_t frame)
{
	struct xen_memory_reservation *r = begin(call, sizeof(*r) + sizeof(frame));

	memcpy(r + 1, &frame, sizeof(frame));
	r->domid = DOMID_SELF;
	r->nr_extents = 1;
	set_xen_guest_handle(r->extent_start, (void *)(r + 1));
	refused(call, "giving back", aside(call->run, __HYPERVISOR_memory_op,
					   XENMEM_decrease_reservation, (uintptr_t)r, 0), 0);
}

static void refuse_grants(struct call *call, uint64_t frame)
{
	struct gnttab_copy *copy = begin(call, sizeof(*copy));
	struct gnttab_transfer *transfer;

	copy->source.u.gmfn = frame;
	copy->dest.u.gmfn = own_frame(call, DEST);
	copy->source.domid = copy->dest.domid = DOMID_SELF;
	copy->len = 1;
	refused(call, "copying by grant from", own_aside(call, GNTTABOP_copy, copy), 0);
	refused(call, "the status of copying from", copy->status, GNTST_bad_page);
	transfer = begin(call, sizeof(*transfer));
	transfer->mfn = frame;
	transfer->domid = call->run->machine.domid;
	refused(call, "transferring", own_aside(call, GNTTABOP_transfer, transfer), 0);
	refused(call, "the status of transferring", transfer->status, GNTST_bad_page);
}

static void after_any(struct call *call)
{
	uint64_t frame = call->arguments[1] >> PAGE_BITS;

	if (!call->result) {
		window_close(call->run, WINDOW_FIRST);
		return;
	}
	refuse_extended(call, frame);
	refuse_updates(call, frame);
	refuse_reservations(call, frame);
	refuse_grants(call, frame);
}

const struct operation va_mapping[] = {
	{ .name = "page_of_ours_seen", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 3, .generate = generate_mapping, .expect = expect_mapping,
	  .after = after_mapping },
	{ .name = "page_of_anybody", .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_ONCE, .weight = 1, .generate = generate_any,
	  .expect = expect_any, .after = after_any },
};
const size_t va_mapping_count = COUNT(va_mapping);

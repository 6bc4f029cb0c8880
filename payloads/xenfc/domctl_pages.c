/*
 * domctl: pages of PV domains of ours, which Xen looks at, writes to and pins for the control
 * domain.  What it did is seen in the page itself where the kernel is ours.
 */
#include "domctl.h"
#include "untold.h"
#include "window.h"

#define FRAMES 16u
#define MOST_FRAMES 1024u
#define NO_FRAME (1ull << 50)	/* no machine has memory there */
#define STUB_BYTES 32u
#define STUB_NUMBER 4u	/* where a 64-bit kernel's stub has its hypercall's number */
#define COMPAT_STUB_NUMBER 1u
#define UNTOLD_PAGE 26u	/* of the arena: the second for calls beside the sequence */
#define PINNED_TABLE (XEN_DOMCTL_PFINFO_L1TAB | XEN_DOMCTL_PFINFO_LPINTAB)

static void generate_frames(struct call *call)
{
	struct xen_domctl_getpageframeinfo3 *g = &domctl_of(call)->u.getpageframeinfo3;
	uint32_t room = chance(call, 96) ? FRAMES : MOST_FRAMES;
	struct area *list = buffer_take(call, &g->array, room * sizeof(xen_pfn_t), true, false);

	draw_bytes(call, list->at, list->size);
	g->num = chance(call, 90) ? draw_around(call, room, room) :
		MOST_FRAMES + 1 + draw_interesting(call, 63);
	/* Asked for more than there is room for, Xen would take what lies behind. */
	if (g->num > room && g->num <= MOST_FRAMES)
		g->num = room;
}

static void expect_frames(struct call *call)
{
	const struct xen_domctl_getpageframeinfo3 *g = &domctl_of(call)->u.getpageframeinfo3;

	if (g->num > MOST_FRAMES)
		expect_only(call, ERR(E2BIG));
	else
		expect_only(call, !g->num ||
			    reachable(call, handle_value(&g->array), g->num * sizeof(xen_pfn_t)) ?
			    0 : ERR(EFAULT));
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a page of another domain gave %ld, expected %ld", what, result,
			   expected);
}

static void check_type(struct call *call, uint64_t frame, uint64_t type)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t *told = (void *)(d + 1);

	memset(d, 0, sizeof(*d));
	*told = frame;
	d->u.getpageframeinfo3.num = 1;
	memcpy(&d->u.getpageframeinfo3.array, &told, sizeof(told));
	must(call, "asking about", domctl_aside(call->run, DOMCTL(getpageframeinfo3),
						call->domain->id), 0);
	if (*told != type)
		call_wrong(call, "a page of another domain is of type %lx, expected %lx", *told,
			   type);
}

/* Of a page that is there Xen holds it until it has told its type, or could not. */
static void ask_without_telling(struct call *call, uint64_t frame)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t *told = (void *)(call->run->door->arena + UNTOLD_PAGE * (size_t)DOOR_PAGE);

	memset(d, 0, sizeof(*d));
	*told = frame;
	d->u.getpageframeinfo3.num = 1;
	memcpy(&d->u.getpageframeinfo3.array, &told, sizeof(told));
	arena_page_lock(call, UNTOLD_PAGE, true);
	must(call, "asking about, where nothing can be told,",
	     domctl_aside(call->run, DOMCTL(getpageframeinfo3), call->domain->id), ERR(EFAULT));
	arena_page_lock(call, UNTOLD_PAGE, false);
}

static void fill_with_stubs(struct call *call, long expected)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);

	memset(d, 0, sizeof(*d));
	d->u.hypercall_init.gmfn = call->domain->frame;
	must(call, "filling", domctl_aside(call->run, DOMCTL(hypercall_init), call->domain->id),
	     expected);
}

/* The word at `offset` of what the page has for hypercall `number`. */
static uint32_t stub_word(uint32_t number, uint32_t offset)
{
	const uint8_t *page = window_page(WINDOW_SECOND);
	uint32_t word;

	memcpy(&word, page + number * STUB_BYTES + offset, sizeof(word));
	return word;
}

static bool look_at(struct call *call, uint64_t frame)
{
	long result = window_open(call->run, WINDOW_SECOND, frame, call->domain->id);

	must(call, "mapping", result, 0);
	return !result;
}

static void look_away(struct call *call)
{
	must(call, "unmapping", window_close(call->run, WINDOW_SECOND), 0);
}

static void check_stubs(struct call *call, bool there)
{
	uint32_t offset = call->domain->compat ? COMPAT_STUB_NUMBER : STUB_NUMBER;

	if (!look_at(call, call->domain->frame))
		return;
	for (uint32_t number = 1; number < __HYPERVISOR_iret; number++)
		if (stub_word(number, offset) != (there ? number : 0)) {
			call_wrong(call, "a page for hypercalls has %x for number %u",
				   stub_word(number, offset), number);
			break;
		}
	look_away(call);
}

static void extended(struct call *call, const char *what, unsigned int command, long expected)
{
	struct mmuext_op *op = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*op));
	uint64_t arguments[5] = { (uintptr_t)op, 1, 0, call->domain->id };

	op->cmd = command;
	op->arg1.mfn = call->domain->frame;
	must(call, what, make_hypercall(call->run, __HYPERVISOR_mmuext_op, arguments), expected);
}

/* As a table of pages nobody writes to it, Xen for others neither. */
static void pin_and_not(struct call *call)
{
	uint64_t frame = call->domain->frame;

	extended(call, "clearing", MMUEXT_CLEAR_PAGE, 0);
	check_stubs(call, false);
	extended(call, "pinning", MMUEXT_PIN_L1_TABLE, 0);
	extended(call, "pinning twice", MMUEXT_PIN_L1_TABLE, ERR(EINVAL));
	check_type(call, frame, PINNED_TABLE);
	fill_with_stubs(call, ERR(EPERM));
	extended(call, "clearing, when it is a table,", MMUEXT_CLEAR_PAGE, ERR(EINVAL));
	extended(call, "unpinning", MMUEXT_UNPIN_TABLE, 0);
	extended(call, "unpinning twice", MMUEXT_UNPIN_TABLE, ERR(EINVAL));
}

/* A page that the domain was given is as it was after each use, and goes with its domain. */
static void use_frame(struct call *call)
{
	check_type(call, call->domain->frame, XEN_DOMCTL_PFINFO_NOTAB);
	fill_with_stubs(call, 0);
	if (!call->run->door->owns_kernel)
		return;
	check_stubs(call, true);
	ask_without_telling(call, call->domain->frame);
	pin_and_not(call);
	fill_with_stubs(call, 0);
	check_type(call, call->domain->frame, XEN_DOMCTL_PFINFO_NOTAB);
}

/* The page that Xen shares with a domain is told to be no frame of it; asking keeps nothing. */
static void after_frames(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;

	if (call->result || !call->domain || call->domain->hvm)
		return;
	info = domain_read(call->run, call->domain->id);
	if (info)
		check_type(call, info->shared_info_frame, XEN_DOMCTL_PFINFO_XTAB);
	if (call->domain->frame)
		use_frame(call);
}

static void generate_no_frame(struct call *call)
{
	domctl_of(call)->u.hypercall_init.gmfn = NO_FRAME | draw_interesting(call, 50);
}

/* What a domain is told of the time of day, in the page that Xen shares with it. */
static uint64_t seconds_in(const struct shared_info *shared)
{
	return (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;
}

/* Another domain's time of day is ours and its offset: of a 64-bit one; ours has none. */
static void after_offset(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;
	const struct shared_info *shared = window_page(WINDOW_SECOND), *ours = call->run->door->shared;
	uint64_t offset = (uint64_t)domctl_of(call)->u.settimeoffset.time_offset_seconds, told;

	if (call->result || !call->domain || call->domain->hvm || call->domain->compat || !ours ||
	    !call->run->machine.hardware)
		return;
	info = domain_read(call->run, call->domain->id);
	if (!info || !look_at(call, info->shared_info_frame))
		return;
	told = seconds_in(shared) - seconds_in(ours);
	look_away(call);
	if (told != offset)
		call_wrong(call, "a domain's time of day is %ld seconds before ours, expected %ld",
			   told, offset);
}

static const struct field frame_fields[] = {
	/* Where it goes on after an interruption is kept here. */
	DOMCTL_FIELD(getpageframeinfo3.num, FLOW_INOUT),
	DOMCTL_FIELD(getpageframeinfo3.array, FLOW_INOUT),
	FIELDS_END,
};

static const struct field page_fields[] = {
	DOMCTL_FIELD(hypercall_init.gmfn, FLOW_IN),
	FIELDS_END,
};

static const struct field time_fields[] = {
	DOMCTL_FIELD(settimeoffset.time_offset_seconds, FLOW_IN),
	FIELDS_END,
};

const struct operation domctl_pages[] = {
	/* It may fail after it was interrupted, and says how far it came. */
	{ .name = "getpageframeinfo3", .command = DOMCTL(getpageframeinfo3), .danger = DANGER_OWN,
	  .weight = 6, .traits = TRAIT_TELLS | TRAIT_WRITES_ON_ERROR, .fields = frame_fields,
	  .generate = generate_frames, .expect = expect_frames, .after = after_frames },
	{ .name = "hypercall_init", .command = DOMCTL(hypercall_init), .danger = DANGER_OWN,
	  .weight = 6, .fields = page_fields, .generate = generate_no_frame,
	  .expect = expect_invalid },
	{ .name = "settimeoffset", .command = DOMCTL(settimeoffset), .danger = DANGER_OWN,
	  .traits = TRAIT_REPLACES, .fields = time_fields, .expect = expect_success,
	  .after = after_offset },
};
const size_t domctl_pages_count = COUNT(domctl_pages);

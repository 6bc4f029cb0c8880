/* What a PV kernel asks for its processor: tables of descriptors, and what is written to them. */
#include "processor.h"

#define MOST_DESCRIPTORS (FIRST_RESERVED_GDT_PAGE * 512u)
#define ASIDE_PAGE 25u
#define PAGE_BITS 12
/* Of a descriptor. */
#define PRESENT (1ull << 47)
#define SEGMENT (1ull << 44)	/* code or data, else the system's */
#define SYSTEM_TYPE (0xfull << 40)
#define CALL_GATE (0xcull << 40)
#define GATE_RESERVED (0xffull << 32)
#define LEAST_RIGHTS (3ull << 45)
#define GATE_LEAST_RIGHTS (3ull << 16)	/* of the segment that a gate leads to */

/* set_gdt(frames, entries): none at all, or of pages that can be no table. */

static void generate_table(struct call *call)
{
	struct area *list = area_take(call, FIRST_RESERVED_GDT_PAGE * sizeof(uint64_t), false);
	uint64_t frame = 1ull << 40 | draw(call, 1u << 20);

	memcpy(list->at, &frame, sizeof(frame));
	call->arguments[0] = area_address(call, list);
	call->arguments[1] = chance(call, 70) ? draw(call, MOST_DESCRIPTORS + 2) :
		draw_interesting(call, 31);
	if (chance(call, 20))
		call->arguments[1] = 0;
}

static void expect_table(struct call *call)
{
	uint64_t pages = (call->arguments[1] + 511) / 512;

	if (call->arguments[1] > MOST_DESCRIPTORS)
		expect_only(call, ERR(EINVAL));
	else if (pages && !reachable(call, call->arguments[0], pages * sizeof(uint64_t)))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, pages ? ERR(EINVAL) : 0);
}

static const struct operation table_list[] = {
	{ .name = "set_gdt", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 3,
	  .generate = generate_table, .expect = expect_table },
};

FAMILY(table, "processor", __HYPERVISOR_set_gdt, table_list);

/* update_descriptor(address, descriptor): in a page of ours, or in one that is nobody's. */

static uint64_t draw_descriptor(struct call *call)
{
	uint64_t descriptor = dice_u64(&call->dice), gate;

	gate = (descriptor & ~(SEGMENT | SYSTEM_TYPE)) | PRESENT | CALL_GATE;
	switch (draw(call, 4)) {
	case 0:
		return descriptor & ~PRESENT;
	case 1:
		return descriptor | PRESENT;
	case 2:
		return gate;
	default:
		return gate & ~GATE_RESERVED;
	}
}

static void generate_descriptor(struct call *call)
{
	const uint64_t *frames = call->run->door->arena_frames;
	uint64_t frame = frames && !call->run->plan.dry_run ? frames[ASIDE_PAGE] : 0;

	call->arguments[0] = frame << PAGE_BITS | draw(call, DOOR_PAGE / 8) * 8;
	if (chance(call, 30))
		call->arguments[0] |= 1ull << 50;
	else if (chance(call, 20))
		call->arguments[0] |= 1 + draw(call, 7);
	call->arguments[1] = draw_descriptor(call);
}

/* Code and data always; of the rest call gates to a segment of ours, with nothing reserved set. */
static bool descriptor_sane(uint64_t descriptor)
{
	uint32_t selector = descriptor >> 16 & 0xffff;

	if (!(descriptor & PRESENT) || descriptor & SEGMENT || !(descriptor & SYSTEM_TYPE))
		return true;
	return (descriptor & SYSTEM_TYPE) == CALL_GATE && !(descriptor & GATE_RESERVED) &&
	       (selector >> 3 < MOST_DESCRIPTORS || selector == FLAT_KERNEL_CS || selector & 4);
}

static void expect_descriptor(struct call *call)
{
	bool misplaced = call->arguments[0] & (1ull << 50 | 7);
	bool ours = call->run->plan.dry_run || call->run->door->arena_frames;

	expect_only(call, misplaced || !ours || !descriptor_sane(call->arguments[1]) ? ERR(EINVAL) : 0);
}

/*
 * What becomes of it: no segment has more rights than we, and through a gate, whose own rights
 * are taken away, no more are given.
 */
static uint64_t descriptor_made(uint64_t descriptor)
{
	if (!(descriptor & PRESENT) || !(descriptor & (SEGMENT | SYSTEM_TYPE)))
		return descriptor;
	if (descriptor & SEGMENT)
		return descriptor | LEAST_RIGHTS;
	return (descriptor & ~LEAST_RIGHTS) | GATE_LEAST_RIGHTS;
}

static void after_descriptor(struct call *call)
{
	const uint8_t *page = call->run->door->arena + ASIDE_PAGE * (size_t)DOOR_PAGE;
	uint64_t now;

	if (call->result)
		return;
	memcpy(&now, page + call->arguments[0] % DOOR_PAGE, sizeof(now));
	if (now != descriptor_made(call->arguments[1]))
		call_wrong(call, "the descriptor is %lx afterwards", now);
}

static const struct operation descriptor_list[] = {
	{ .name = "update_descriptor", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 3,
	  .generate = generate_descriptor, .expect = expect_descriptor,
	  .after = after_descriptor },
};

FAMILY(descriptor, "processor", __HYPERVISOR_update_descriptor, descriptor_list);

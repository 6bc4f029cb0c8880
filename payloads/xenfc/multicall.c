/*
 * multicall(entries, count): one inside of another is refused, and the rest goes on; a long one is
 * interrupted; one whose end cannot be read leaves nothing behind but what it did.
 */
#include "small.h"
#include "torn.h"

/* One inside of another. */

#define NESTED_ENTRIES 3u

static void generate_nested(struct call *call)
{
	struct area *area = area_take(call, NESTED_ENTRIES * sizeof(multicall_entry_t), false);
	multicall_entry_t *entries = (void *)area->at;

	entries[0].op = __HYPERVISOR_multicall;
	entries[0].args[0] = (unsigned long)area_sure(area) + 2 * sizeof(*entries);
	entries[0].args[1] = 1;
	entries[1].op = entries[2].op = __HYPERVISOR_xen_version;
	area->out_size = area->size;
	call->arguments[0] = area_sure(area);
	call->arguments[1] = draw(call, NESTED_ENTRIES);
}

static void after_nested(struct call *call)
{
	const multicall_entry_t *entries = (const void *)call->areas[0].at;

	if (call->arguments[1] > 0 && (long)entries[0].result != ERR(EINVAL))
		call_wrong(call, "a multicall inside of one gave %ld", (long)entries[0].result);
	if (call->arguments[1] > 1 && (long)entries[1].result <= 0)
		call_wrong(call, "the call after it gave %ld", (long)entries[1].result);
	if (entries[2].result)
		call_wrong(call, "a call beyond the count was made");
}

static void generate_nothing(struct call *call)
{
	(void)call;
}

/* A long one that Xen interrupts after a timer that is over at once, and goes on with. */

#define MANY_ENTRIES 64u
#define NOT_MADE 0xffffffffffffffffull

static void generate_interrupted(struct call *call)
{
	struct area *area = area_take(call, MANY_ENTRIES * sizeof(multicall_entry_t), false);
	multicall_entry_t *entries = (void *)area->at;
	uint64_t last = draw(call, MANY_ENTRIES), timer = draw(call, last + 1);

	for (unsigned int i = 0; i < MANY_ENTRIES; i++) {
		entries[i].op = __HYPERVISOR_xen_version;
		entries[i].result = NOT_MADE;
	}
	entries[timer].op = __HYPERVISOR_set_timer_op;
	entries[timer].args[0] = 1;
	area->out_size = area->size;
	call->note = (long)timer;
	call->arguments[0] = area_sure(area);
	call->arguments[1] = last + 1;
}

static void after_interrupted(struct call *call)
{
	const multicall_entry_t *entries = (const void *)call->areas[0].at;
	unsigned long version = (unsigned long)aside(call->run, __HYPERVISOR_xen_version,
						     XENVER_version, 0, 0);

	for (uint64_t i = 0; i < MANY_ENTRIES; i++) {
		unsigned long right = i >= call->arguments[1] ? NOT_MADE :
			(long)i == call->note ? 0 : version;

		if (entries[i].result != right)
			call_wrong(call, "call %lu of %lu gave %ld, expected %ld", i,
				   call->arguments[1], (long)entries[i].result, (long)right);
	}
}

static const struct operation multicall_list[] = {
	{ .name = "interrupted", .danger = DANGER_OWN, .traits = TRAIT_KERNEL | TRAIT_ALONE,
	  .weight = 1, .generate = generate_interrupted, .expect = expect_success,
	  .after = after_interrupted },
	{ .name = "nested", .danger = DANGER_SAFE, .traits = TRAIT_ALONE, .weight = 4,
	  .generate = generate_nested, .expect = expect_success, .after = after_nested },
	{ .name = "torn", .danger = DANGER_SAFE, .traits = TRAIT_ALONE, .weight = 3,
	  .generate = torn_generate, .expect = torn_expect, .after = torn_after },
};

FAMILY(multicall, "multicall", __HYPERVISOR_multicall, multicall_list, 0, generate_nothing,
       no_checks_before);

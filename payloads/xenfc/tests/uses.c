/* The uses of a page and of the caches, beside a stand-in that may answer one of them otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "grant_own.h"
#include "page_uses.h"

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define FRAME 0x1234u
#define CALLS 20u

#define DESCRIPTORS_OF_A_PAGE 512u
#define MOST_LOCAL_DESCRIPTORS 8192u

enum careless {
	NOTHING, FLUSH, COPY_STATUS, DESCRIPTOR, TABLE, WHOLE_TABLE, LOCAL_TABLE, EVENTS, COPY_PAGE,
	STILL_USED, ENDS,
	/* What a page that is pinned as a table must refuse. */
	PINNED_TWICE, UNPINNED_TWICE, TABLE_CLEARED, TABLE_COPIED_TO, TABLE_AS_BASE,
	TABLE_DESCRIBED, TABLE_OF_DESCRIPTORS, TABLE_OF_INFORMATION, TABLE_OF_ENDS,
	TABLE_AS_CONTROL, TABLE_OF_EVENTS,
	LARGE_TABLE, LARGE_LOCAL_TABLE,
	ONE_CACHE,
};

static struct run run;
static struct door door;
static uint8_t *arena;
static uint64_t frames[DOOR_ARENA_PAGES];
static enum careless careless;
static bool pinned;

static long grant(unsigned int command, void *structure)
{
	struct gnttab_cache_flush *flush = structure;
	struct gnttab_copy *copy = structure;

	if (command == GNTTABOP_copy) {
		copy->status = careless == COPY_STATUS ? GNTST_bad_page : GNTST_okay;
		return 0;
	}
	assert_int_equal(command, GNTTABOP_cache_flush);
	assert_int_equal(flush->a.dev_bus_addr, (uint64_t)FRAME * DOOR_PAGE);
	return flush->op & GNTTAB_CACHE_CLEAN || careless == FLUSH ? 0 : ERR(EOPNOTSUPP);
}

static long pin(bool to)
{
	if (pinned == to && careless != (to ? PINNED_TWICE : UNPINNED_TWICE))
		return ERR(EINVAL);
	pinned = to;
	return 0;
}

/* Of what a table refuses: unless it is this that is let through. */
static long refused(enum careless let_through)
{
	return pinned && careless != let_through ? ERR(EINVAL) : 0;
}

static long extended(const struct mmuext_op *op)
{
	switch (op->cmd) {
	case MMUEXT_COPY_PAGE:
		if (op->arg1.mfn == FRAME && refused(TABLE_COPIED_TO))
			return ERR(EINVAL);
		return careless == COPY_PAGE && op->arg2.src_mfn == FRAME ? ERR(EINVAL) : 0;
	case MMUEXT_PIN_L1_TABLE:
		return careless == STILL_USED ? ERR(EINVAL) : pin(true);
	case MMUEXT_UNPIN_TABLE:
		return pin(false);
	case MMUEXT_CLEAR_PAGE:
		return refused(TABLE_CLEARED);
	case MMUEXT_NEW_USER_BASEPTR:
		return refused(TABLE_AS_BASE);
	case MMUEXT_SET_LDT:
		if (op->arg2.nr_ents > MOST_LOCAL_DESCRIPTORS)
			return careless == LARGE_LOCAL_TABLE ? 0 : ERR(EINVAL);
		return careless == LOCAL_TABLE && op->arg2.nr_ents ? ERR(EINVAL) : 0;
	default:
		if (careless == ONE_CACHE)
			return 0;
		return op->cmd == MMUEXT_FLUSH_CACHE ? ERR(EACCES) : ERR(EINVAL);
	}
}

/* A table of all the pages listed, each of which must be the one that is used. */
static long describe(const uint64_t *list, uint64_t descriptors)
{
	if (descriptors > FIRST_RESERVED_GDT_ENTRY)
		return careless == LARGE_TABLE ? 0 : ERR(EINVAL);
	for (uint64_t i = 0; i * DESCRIPTORS_OF_A_PAGE < descriptors; i++)
		if (list[i] != FRAME)
			return careless == TABLE ? 0 : ERR(EINVAL);
	return careless == WHOLE_TABLE && descriptors ? ERR(EINVAL) : refused(TABLE_OF_DESCRIPTORS);
}

static long event(unsigned int command, const void *structure)
{
	const struct evtchn_init_control *control = structure;
	const struct evtchn_expand_array *array = structure;

	if (command == EVTCHNOP_init_control)
		return control->control_gfn == FRAME ? refused(TABLE_AS_CONTROL) : 0;
	if (command != EVTCHNOP_expand_array)
		return 0;
	assert_int_equal(array->array_gfn, FRAME);
	return careless == EVENTS ? ERR(EINVAL) : refused(TABLE_OF_EVENTS);
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	switch (number) {
	case __HYPERVISOR_grant_table_op:
		return grant((unsigned int)arguments[0], (void *)(uintptr_t)arguments[1]);
	case __HYPERVISOR_update_descriptor:
		assert_int_equal(arguments[0] / DOOR_PAGE, FRAME);
		return careless == DESCRIPTOR ? ERR(EINVAL) : refused(TABLE_DESCRIBED);
	case __HYPERVISOR_set_gdt:
		return describe((const void *)(uintptr_t)arguments[0], arguments[1]);
	case __HYPERVISOR_update_va_mapping:
		return 0;
	case __HYPERVISOR_vcpu_op:
		return refused(TABLE_OF_INFORMATION);
	case __HYPERVISOR_physdev_op:
		if (pinned)
			return refused(TABLE_OF_ENDS);
		return careless == ENDS ? 0 : ERR(EBUSY);
	case __HYPERVISOR_event_channel_op:
		return event((unsigned int)arguments[0], (void *)(uintptr_t)arguments[1]);
	default:
		assert_int_equal(number, __HYPERVISOR_mmuext_op);
		return extended((const void *)(uintptr_t)arguments[0]);
	}
}

static int begin(void **state)
{
	(void)state;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, 0, ARENA_SIZE);
	memset(&run, 0, sizeof(run));
	door = (struct door){ .hypercall = hypercall, .arena = arena, .arena_frames = frames };
	run.door = &door;
	careless = NOTHING;
	pinned = false;
	return 0;
}

/* Which of many pages were not used as they must be. */
static unsigned int pages_failed(void)
{
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		call_begin(&call, &run, number);
		page_use(&call, FRAME);
		failed += call.wrong[0] != '\0';
	}
	return failed;
}

static void every_use_of_a_page_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(pages_failed(), 0);
	careless = FLUSH;
	assert_in_range(pages_failed(), 1, CALLS - 1);
	for (careless = COPY_STATUS; careless < ONE_CACHE; careless++) {
		pinned = false;
		assert_int_equal(pages_failed(), CALLS);
	}
}

static const char *what_of_caches(uint32_t command, long result)
{
	extern const struct family family_mmuext;
	const struct operation *row = family_mmuext.parts[0].list;
	static struct call call;

	while (row->command != command)
		row++;
	call_begin(&call, &run, 0);
	call.command = command;
	call.result = result;
	row->expect(&call);
	row->after(&call);
	return call.wrong;
}

static void caches_are_flushed_for_all_or_for_nobody(void **state)
{
	(void)state;
	assert_string_equal(what_of_caches(MMUEXT_FLUSH_CACHE, ERR(EACCES)), "");
	assert_string_equal(what_of_caches(MMUEXT_FLUSH_CACHE_GLOBAL, ERR(EINVAL)), "");
	assert_string_not_equal(what_of_caches(MMUEXT_FLUSH_CACHE_GLOBAL, 0), "");
	careless = ONE_CACHE;
	assert_string_equal(what_of_caches(MMUEXT_FLUSH_CACHE_GLOBAL, 0), "");
	assert_string_not_equal(what_of_caches(MMUEXT_FLUSH_CACHE, ERR(EACCES)), "");
}

static void one_other_byte_is_not_untouched(void **state)
{
	uint8_t bytes[40] = { 0 };

	(void)state;
	assert_true(own_is_untouched(bytes, 0));
	for (size_t size = 1; size <= sizeof(bytes); size++)
		for (size_t other = 0; other < size; other++) {
			memset(bytes, DEST_BYTE, sizeof(bytes));
			assert_true(own_is_untouched(bytes, size));
			bytes[other] ^= 1;
			assert_false(own_is_untouched(bytes, size));
		}
	memset(bytes, DEST_BYTE ^ 1, sizeof(bytes));
	assert_false(own_is_untouched(bytes, sizeof(bytes)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_use_of_a_page_is_looked_at, begin),
		cmocka_unit_test_setup(caches_are_flushed_for_all_or_for_nobody, begin),
		cmocka_unit_test(one_other_byte_is_not_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

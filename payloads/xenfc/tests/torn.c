/* Lists whose end cannot be read, and interruptions, beside a stand-in that may be careless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"
#include "torn.h"

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define CALLS 20u
#define VERSION 0x40011l

enum careless { NOTHING, STAYS_OPEN, FORGETS_RESULTS, COUNTS_WRONG, COPIES_NOTHING, FORGETS_STATUS,
		CARELESS };

static struct run run;
static struct door door;
static uint8_t *arena;
static uint64_t frames[DOOR_ARENA_PAGES];
static enum careless careless;
static bool open_now;
static unsigned int interrupted;

static uint64_t there(uint64_t list, size_t size, uint64_t count)
{
	uint64_t most = ((uintptr_t)arena + ARENA_SIZE - list) / size;

	return count < most ? count : most;
}

static long multicall(multicall_entry_t *list, uint64_t count)
{
	uint64_t made = there((uintptr_t)list, sizeof(*list), count);

	if (open_now)
		return ERR(EINVAL);
	for (uint64_t i = 0; i < made; i++)
		if (careless != FORGETS_RESULTS)
			list[i].result = VERSION;
	open_now = made < count && careless == STAYS_OPEN;
	return made < count ? ERR(EFAULT) : 0;
}

static long extended(const struct mmuext_op *list, uint64_t count, uint32_t *done)
{
	uint64_t made = there((uintptr_t)list, sizeof(*list), count);

	*done = (uint32_t)(careless == COUNTS_WRONG ? count : made);
	return made < count ? ERR(EFAULT) : 0;
}

static long copies(struct gnttab_copy *list, uint64_t count)
{
	uint64_t made = there((uintptr_t)list, sizeof(*list), count);

	for (uint64_t i = 0; i < made; i++) {
		if (careless != FORGETS_STATUS)
			list[i].status = 0;
		if (careless != COPIES_NOTHING)
			memcpy(arena + list[i].dest.u.gmfn * DOOR_PAGE + list[i].dest.offset,
			       arena + list[i].source.u.gmfn * DOOR_PAGE + list[i].source.offset,
			       list[i].len);
	}
	return made < count ? ERR(EFAULT) : 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	switch (number) {
	case __HYPERVISOR_xen_version:
		return VERSION;
	case __HYPERVISOR_multicall:
		return multicall((void *)(uintptr_t)arguments[0], arguments[1]);
	case __HYPERVISOR_mmuext_op:
		return extended((void *)(uintptr_t)arguments[0], arguments[1],
				(void *)(uintptr_t)arguments[2]);
	default:
		assert_int_equal(number, __HYPERVISOR_grant_table_op);
		return copies((void *)(uintptr_t)arguments[1], arguments[2]);
	}
}

static long hypercall_interrupted(struct door *from, unsigned int number,
				  const uint64_t arguments[5])
{
	interrupted++;
	return hypercall(from, number, arguments);
}

static int begin(void **state)
{
	(void)state;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
	memset(&run, 0, sizeof(run));
	for (uint64_t i = 0; i < DOOR_ARENA_PAGES; i++)
		frames[i] = i;
	door = (struct door){ .hypercall = hypercall, .arena = arena, .arena_frames = frames,
			      .owns_kernel = true };
	run.door = &door;
	careless = NOTHING;
	interrupted = 0;
	return 0;
}

static unsigned int failed(void)
{
	struct call *call = &run.call;
	unsigned int failures = 0;

	for (uint64_t number = 0; number < CALLS; number++) {
		open_now = false;
		call_begin(call, &run, number);
		torn_generate(call);
		torn_expect(call);
		call->result = multicall((void *)(uintptr_t)call->arguments[0], call->arguments[1]);
		assert_true(expect_holds(call));
		torn_after(call);
		failures += call->wrong[0] != '\0';
	}
	return failures;
}

static void what_a_torn_list_leaves_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(failed(), 0);
	for (careless = STAYS_OPEN; careless < CARELESS; careless++)
		assert_int_equal(failed(), CALLS);
}

static void all_of_a_call_is_interrupted_where_that_can_be(void **state)
{
	(void)state;
	assert_int_equal(aside(&run, __HYPERVISOR_xen_version, 0, 0, 0), VERSION);
	run.call.interrupted = true;
	assert_int_equal(aside(&run, __HYPERVISOR_xen_version, 0, 0, 0), VERSION);
	assert_int_equal(interrupted, 0);
	door.hypercall_interrupted = hypercall_interrupted;
	assert_int_equal(aside(&run, __HYPERVISOR_xen_version, 0, 0, 0), VERSION);
	assert_int_equal(interrupted, 1);
	assert_int_equal(run.outcome.hypercalls, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_a_torn_list_leaves_is_looked_at, begin),
		cmocka_unit_test_setup(all_of_a_call_is_interrupted_where_that_can_be, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

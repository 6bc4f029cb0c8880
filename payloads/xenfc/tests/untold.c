/* Answers that cannot be told, beside a stand-in for Xen that does not notice, or keeps something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sysctl.h"
#include "ticks.h"
#include "untold.h"

#define TELLS __HYPERVISOR_mca
#define WRITABLE 2u	/* in the entry of a page */

enum careless { NOTHING, NOT_NOTICED, OTHER_ERROR, KEEPS_PAGES };

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(DOOR_PAGE)));
static uint64_t frames[DOOR_ARENA_PAGES];
static bool writable[DOOR_ARENA_PAGES];
static struct run run;
static struct door door;
static struct operation operation;
static struct area *answer;
static enum careless careless;
static uint64_t free_pages, moment;
static unsigned int told, untold;

static uint8_t *page_of_answer(void)
{
	return &arena[((size_t)(answer->at - arena)) / DOOR_PAGE * DOOR_PAGE];
}

static long tell(void)
{
	if (writable[(page_of_answer() - arena) / DOOR_PAGE]) {
		told++;
		return 0;
	}
	untold++;
	if (careless == KEEPS_PAGES)
		free_pages--;
	if (careless == OTHER_ERROR)
		return -XEN_EINVAL;
	return careless == NOT_NOTICED ? 0 : -XEN_EFAULT;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t a[5])
{
	struct xen_sysctl *s = (void *)(uintptr_t)a[0];

	(void)from;
	switch (number) {
	case __HYPERVISOR_sysctl:
		s->u.physinfo.free_pages = free_pages;
		return 0;
	case __HYPERVISOR_update_va_mapping:
		assert_int_equal(a[1] / DOOR_PAGE, frames[(a[0] - (uintptr_t)arena) / DOOR_PAGE]);
		writable[(a[0] - (uintptr_t)arena) / DOOR_PAGE] = a[1] & WRITABLE;
		return 0;
	case TELLS:
		return tell();
	default:
		return 1;
	}
}

static uint64_t now(struct door *from)
{
	(void)from;
	return moment += 1000000;
}

static int begin(void **state)
{
	struct call *call = &run.call;

	(void)state;
	memset(&run, 0, sizeof(run));
	memset(arena, ARENA_BACKGROUND, sizeof(arena));
	for (unsigned int i = 0; i < DOOR_ARENA_PAGES; i++) {
		frames[i] = 0x1000 + i;
		writable[i] = true;
	}
	door = (struct door){ .name = "stand-in", .hypercall = hypercall, .now_ns = now, .ticks = ticks,
			      .arena = arena, .arena_frames = frames, .owns_kernel = true };
	operation = (struct operation){ .name = "any", .traits = TRAIT_READS };
	run.door = &door;
	run.machine.control = true;
	call_begin(call, &run, 1);
	call->operation = &operation;
	call->hypercall = TELLS;
	call->twice = true;
	answer = area_take(call, 16, false);
	answer->out_size = answer->size;
	careless = NOTHING;
	free_pages = 100000;
	told = untold = 0;
	return 0;
}

static bool is_wrong(void)
{
	check_untold(&run, &run.call);
	for (unsigned int i = 0; i < DOOR_ARENA_PAGES; i++)
		assert_true(writable[i]);
	assert_int_equal(run.call.result, 0);
	return run.call.wrong[0];
}

static void what_cannot_be_told_is_refused(void **state)
{
	(void)state;
	assert_false(is_wrong());
	assert_true(untold > 1);
	assert_int_equal(told, 0);
}

static void what_was_told_must_be_refused(void **state)
{
	(void)state;
	careless = NOT_NOTICED;
	memset(answer->at, 7, 1);
	assert_true(is_wrong());
}

static void where_nothing_is_told_both_are_right(void **state)
{
	(void)state;
	careless = NOT_NOTICED;
	memcpy(run.shadow + (answer->at - arena), answer->at, answer->size);
	assert_false(is_wrong());
}

static void what_xen_forgets_is_not_asked(void **state)
{
	(void)state;
	careless = NOT_NOTICED;
	memset(answer->at, 7, 1);
	run.call.forgets = true;
	assert_false(is_wrong());
	assert_int_equal(untold, 0);
}

static void another_error_is_wrong(void **state)
{
	(void)state;
	careless = OTHER_ERROR;
	assert_true(is_wrong());
}

static void pages_that_are_kept_are_seen(void **state)
{
	(void)state;
	careless = KEEPS_PAGES;
	assert_true(is_wrong());
}

static void what_changes_something_is_not_made_again(void **state)
{
	(void)state;
	operation.traits = 0;
	careless = KEEPS_PAGES;
	assert_false(is_wrong());
	assert_int_equal(untold, 0);
}

#define CASE(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_cannot_be_told_is_refused), CASE(what_was_told_must_be_refused),
		CASE(where_nothing_is_told_both_are_right), CASE(what_xen_forgets_is_not_asked),
		CASE(another_error_is_wrong),
		CASE(pages_that_are_kept_are_seen), CASE(what_changes_something_is_not_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

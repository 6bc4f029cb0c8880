/* Numbers come near their limit, and a list ends where Xen says that it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"

#define BOUND 24u
#define CALLS 3000u
#define ROOM 32u
#define LEFT_BY_THE_SECOND_CALL 0xc3

static struct run run;
static struct call call;
static uint8_t list[ROOM];
static struct area area = { .at = list, .size = ROOM, .out_size = ROOM };

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	call_begin(&call, &run, 0);
	memset(list, 0, sizeof(list));
	return 0;
}

static unsigned int times_drawn(uint32_t value)
{
	unsigned int times = 0;

	for (uint64_t number = 0; number < CALLS; number++) {
		call_begin(&call, &run, number);
		times += draw_mostly(&call, 90, BOUND) == value;
	}
	return times;
}

static void a_limit_and_its_neighbours_are_drawn(void **state)
{
	(void)state;
	for (uint32_t value = BOUND - 1; value <= BOUND + 1; value++)
		assert_in_range(times_drawn(value), 10, CALLS / 10);
	assert_in_range(times_drawn(UINT32_MAX), 1, CALLS / 10);
}

static bool is_wrong(uint64_t address, uint64_t bytes)
{
	call.wrong[0] = '\0';
	check_rest(&call, &area, address, bytes);
	return call.wrong[0];
}

static void what_was_not_told_is_not_written(void **state)
{
	(void)state;
	memset(list, 1, 8);
	assert_false(is_wrong(area_sure(&area), 8));
	assert_true(is_wrong(area_sure(&area), 7));
	list[ROOM - 1] = 1;
	assert_true(is_wrong(area_sure(&area), 8));
	assert_false(is_wrong(area_sure(&area), ROOM));
	assert_false(is_wrong(0, 0));
}

static void a_second_call_leaves_what_it_found(void **state)
{
	(void)state;
	call.twice = true;
	assert_true(is_wrong(area_sure(&area), 8));
	memset(list + 8, LEFT_BY_THE_SECOND_CALL, ROOM - 8);
	assert_false(is_wrong(area_sure(&area), 8));
	assert_true(is_wrong(area_sure(&area), 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_limit_and_its_neighbours_are_drawn, begin),
		cmocka_unit_test_setup(what_was_not_told_is_not_written, begin),
		cmocka_unit_test_setup(a_second_call_leaves_what_it_found, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

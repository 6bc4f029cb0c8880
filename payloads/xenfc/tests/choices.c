/* What calls are drawn from: the numbers, and how often each row of the table has its turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"

#define DRAWS 100000u

static struct run run;

static void begin(unsigned int allow)
{
	memset(&run, 0, sizeof(run));
	plan_default(&run.plan);
	run.plan.allow = allow;
	run.machine.release = RELEASE(4, 17);
	assert_true(choices_make(&run));
}

static unsigned int shares_of(const char *name)
{
	unsigned int shares = 0;

	for (unsigned int i = 0; i < run.weight; i++)
		shares += !strcmp(run.choices[run.drawn[i]].operation->name, name);
	return shares;
}

static void each_row_has_its_turn(void **state)
{
	static unsigned int shares[MAX_CHOICES];

	(void)state;
	begin(DANGER_DEFAULT | DANGER_HOST | DANGER_FATAL);
	for (unsigned int i = 0; i < run.weight; i++)
		shares[run.drawn[i]]++;
	for (unsigned int i = 0; i < run.n_choices; i++)
		assert_int_not_equal(shares[i], 0);
}

static void dear_rows_have_a_quarter_of_their_weight(void **state)
{
	(void)state;
	begin(DANGER_DEFAULT);
	assert_int_equal(shares_of("pausedomain"), 40);
	assert_int_equal(shares_of("createdomain"), 32);
	assert_int_equal(shares_of("destroydomain"), 2);
	assert_int_equal(shares_of("page_of_our_own"), 1);
}

static void numbers_are_even_and_within_bounds(void **state)
{
	unsigned int seen[10] = { 0 }, often = 0;
	struct dice dice = dice_of(7);

	(void)state;
	for (unsigned int i = 0; i < DRAWS; i++) {
		uint64_t value = dice_below(&dice, 10);

		assert_in_range(value, 0, 9);
		seen[value]++;
		often += dice_chance(&dice, 6);
		assert_true(dice_chance(&dice, 100));
		assert_false(dice_chance(&dice, 0));
	}
	for (unsigned int i = 0; i < 10; i++)
		assert_in_range(seen[i], DRAWS / 10 - DRAWS / 100, DRAWS / 10 + DRAWS / 100);
	assert_in_range(often, DRAWS * 55 / 1000, DRAWS * 65 / 1000);
	assert_int_equal(dice_below(&dice, 0), 0);
}

/* Calls whose numbers differ by one begin nowhere near each other: the first numbers are even, too. */
static void neighbours_have_nothing_in_common(void **state)
{
	unsigned int seen[10] = { 0 };

	(void)state;
	for (uint64_t number = 0; number < DRAWS; number++) {
		struct dice dice = dice_of(number);

		seen[dice_below(&dice, 10)]++;
	}
	for (unsigned int i = 0; i < 10; i++)
		assert_in_range(seen[i], DRAWS / 10 - DRAWS / 100, DRAWS / 10 + DRAWS / 100);
}

static void each_bit_of_drawn_bytes_is_even(void **state)
{
	static unsigned int set[24 * 8];
	static struct call call;
	uint8_t bytes[24];

	(void)state;
	call.dice = dice_of(3);
	for (unsigned int i = 0; i < DRAWS; i++) {
		draw_bytes(&call, bytes, sizeof(bytes));
		for (unsigned int bit = 0; bit < COUNT(set); bit++)
			set[bit] += bytes[bit / 8] >> bit % 8 & 1;
	}
	for (unsigned int bit = 0; bit < COUNT(set); bit++)
		assert_in_range(set[bit], DRAWS * 48 / 100, DRAWS * 52 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_has_its_turn),
		cmocka_unit_test(dear_rows_have_a_quarter_of_their_weight),
		cmocka_unit_test(numbers_are_even_and_within_bounds),
		cmocka_unit_test(neighbours_have_nothing_in_common),
		cmocka_unit_test(each_bit_of_drawn_bytes_is_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The generator against the published sequence, and what is made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random.h"
#include "seed.h"

#define DRAWS 100000

static void known_sequence(void **state)
{
	static const uint64_t expected[] = {
		11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u,
		607988272756665600u, 16172922978634559625u, 8476171486693032832u,
		10595114339597558777u, 2904607092377533576u,
	};
	struct random r = { { 1, 2, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_true(random_u64(&r) == expected[i]);
}

/* Computed with another program from the definitions of splitmix64 and xoshiro256**. */
static void seed_fills_the_state(void **state)
{
	struct random r;

	(void)state;
	random_seed(&r, 42);
	assert_true(random_u64(&r) == 1546998764402558742u);
	assert_true(random_u64(&r) == 6990951692964543102u);
	assert_true(random_u64(&r) == 12544586762248559009u);
	assert_true(random_u64(&r) == 17057574109182124193u);
}

static void below_is_even_and_bounded(void **state)
{
	unsigned int seen[7] = { 0 };
	struct random r;

	(void)state;
	random_seed(&r, 1);
	assert_int_equal(random_below(&r, 0), 0);
	assert_int_equal(random_below(&r, 1), 0);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t drawn = random_below(&r, 7);

		assert_true(drawn < 7);
		seen[drawn]++;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], DRAWS / 7 - 600, DRAWS / 7 + 600);
}

/* With a plain remainder a third of the range would come up twice as often. */
static void huge_bound_has_no_bias(void **state)
{
	const uint64_t bound = UINT64_MAX / 3 * 2;
	unsigned int low = 0;
	struct random r;

	(void)state;
	random_seed(&r, 2);
	for (int i = 0; i < DRAWS; i++)
		low += random_below(&r, bound) < bound / 2;
	assert_in_range(low, DRAWS / 2 - 1000, DRAWS / 2 + 1000);
}

static void between_includes_both_ends(void **state)
{
	bool seen[3] = { false };
	struct random r;

	(void)state;
	random_seed(&r, 3);
	for (int i = 0; i < 100; i++) {
		uint64_t drawn = random_between(&r, 10, 12);

		assert_in_range(drawn, 10, 12);
		seen[drawn - 10] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	assert_int_equal(random_between(&r, 5, 5), 5);
	assert_true(random_between(&r, 0, UINT64_MAX) != random_between(&r, 0, UINT64_MAX));
}

static void chance_is_a_percentage(void **state)
{
	unsigned int hits = 0;
	struct random r;

	(void)state;
	random_seed(&r, 4);
	for (int i = 0; i < DRAWS; i++) {
		assert_false(random_chance(&r, 0));
		assert_true(random_chance(&r, 100));
		hits += random_chance(&r, 30);
	}
	assert_in_range(hits, DRAWS / 100 * 29, DRAWS / 100 * 31);
}

static void fill_stops_at_its_size(void **state)
{
	struct random r, again;
	uint8_t bytes[12] = { 0 };
	uint64_t first;

	(void)state;
	random_seed(&r, 5);
	again = r;
	first = random_u64(&again);
	random_fill(&r, bytes, 11);
	for (int i = 0; i < 8; i++)
		assert_int_equal(bytes[i], first >> 8 * i & 0xff);
	assert_int_equal(bytes[11], 0);
	random_fill(&r, bytes, 0);
}

static void chosen_seeds_differ_and_are_short(void **state)
{
	uint64_t first = seed_choose(), second = seed_choose(), third = seed_choose();

	(void)state;
	assert_true(first <= UINT32_MAX && second <= UINT32_MAX);
	assert_false(first == second && second == third);
}

int main(void)
{
	const struct CMUnitTest random_numbers[] = {
		cmocka_unit_test(known_sequence),
		cmocka_unit_test(seed_fills_the_state),
		cmocka_unit_test(below_is_even_and_bounded),
		cmocka_unit_test(huge_bound_has_no_bias),
		cmocka_unit_test(between_includes_both_ends),
		cmocka_unit_test(chance_is_a_percentage),
		cmocka_unit_test(fill_stops_at_its_size),
		cmocka_unit_test(chosen_seeds_differ_and_are_short),
	};

	return cmocka_run_group_tests(random_numbers, NULL, NULL);
}

/* Machines that run, and instructions of our own: beside stand-ins that get something wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "guest_code.h"
#include "guest_places.h"

#define TRIES 3000u

extern const struct family family_instructions;

static struct run run;
static struct door door;
static struct guest_code code;
static uint32_t results[GUEST_CHECKS][2][2];
static int vector;	/* what every instruction ends in */

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	(void)number;
	(void)arguments;
	return 0;
}

static int execute(struct door *from, const uint8_t *bytes, size_t size, struct registers *r)
{
	(void)from;
	assert_true(size > 0 && size <= 32);
	assert_non_null(bytes);
	memset(r, 0, sizeof(*r));
	return vector;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	if (!door.arena)
		door.arena = aligned_alloc(DOOR_PAGE, ARENA_BYTES);
	door.hypercall = hypercall;
	door.execute = execute;
	run.door = &door;
	call_begin(&run.call, &run, 1);
	guest_code_draw(&run.call, &code);
	for (unsigned int i = 0; i < GUEST_CHECKS; i++)
		for (unsigned int second = 0; second < 2; second++) {
			results[i][second][0] = i;
			results[i][second][1] = ALWAYS_SET;
		}
	return 0;
}

static unsigned int differs(void)
{
	return guest_code_differs(&code, (const uint8_t *)results);
}

static void test_equal_results_are_right(void **state)
{
	(void)state;
	assert_int_equal(differs(), GUEST_CHECKS);
	assert_true(guest_code_complete((const uint8_t *)results));
}

static void test_another_value_is_seen(void **state)
{
	(void)state;
	results[7][1][0] ^= 0x80000000;
	assert_int_equal(differs(), 7);
}

static void test_a_defined_flag_is_seen_and_others_are_not(void **state)
{
	(void)state;
	results[3][1][1] |= code.checks[3].flags & -code.checks[3].flags;
	assert_int_equal(differs(), 3);
	results[3][1][1] = ALWAYS_SET | ~(code.checks[3].flags | ALWAYS_SET);
	assert_int_equal(differs(), GUEST_CHECKS);
}

static void test_what_was_not_reached_is_no_difference_but_not_complete(void **state)
{
	(void)state;
	memset(results[20], 0, sizeof(results[20]));
	assert_int_equal(differs(), GUEST_CHECKS);
	assert_false(guest_code_complete((const uint8_t *)results));
}

/* An exception in the emulated one alone. */
static void test_a_first_result_alone_is_not_complete(void **state)
{
	(void)state;
	memset(results[20][1], 0, sizeof(results[20][1]));
	assert_false(guest_code_complete((const uint8_t *)results));
}

/* QEMU ends itself at a write to a debug register, and after LTR with a null selector. */
static void test_nothing_looks_like_what_kills_the_emulator(void **state)
{
	static uint8_t page[DOOR_PAGE];

	(void)state;
	for (unsigned int i = 0; i < TRIES; i++) {
		call_begin(&run.call, &run, i);
		guest_code_draw(&run.call, &code);
		guest_code_write(&run.call, &code, 2 + i % 2, page);
		for (unsigned int at = 0; at + 2 < DOOR_PAGE; at++) {
			if (page[at] != 0x0f)
				continue;
			assert_int_not_equal(page[at + 1], 0x23);
			if (page[at + 1] == 0x00)
				assert_int_not_equal(page[at + 2] >> 3 & 7, 3);
		}
	}
}

/* Else what a first touch does to the flags would be taken for the instruction's own doing. */
static void test_the_page_of_the_processor_is_touched_before_the_instruction(void **state)
{
	static const uint8_t touch[] = { 0x8b, 0x07, 0x89, 0x07 };	/* to eax from [edi], and back */
	uint8_t unit[2][64];

	(void)state;
	for (unsigned int emulated = 0; emulated < 2; emulated++) {
		struct writer w = { unit[emulated] };

		memset(unit[emulated], 0, sizeof(unit[emulated]));
		guest_check_write(&w, &code.checks[0], 0, emulated);
	}
	assert_non_null(memmem(unit[0], sizeof(unit[0]), touch, sizeof(touch)));
	assert_null(memmem(unit[1], sizeof(unit[1]), touch, sizeof(touch)));
}

/* How many of the tries would execute anything. */
static unsigned int wild_ones(uint32_t flags, unsigned int allowed)
{
	static struct xen_domctl d;
	static struct area structure = { .at = (uint8_t *)&d, .size = sizeof(d) };
	unsigned int found = 0;

	d.u.createdomain.flags = flags;
	run.plan.allow = allowed;
	for (unsigned int i = 0; i < TRIES; i++) {
		call_begin(&run.call, &run, i);
		run.call.structure = &structure;
		running_code_draw(&run.call, &code);
		found += !code.checked;
	}
	return found;
}

static void test_without_hap_nothing_at_random_is_executed(void **state)
{
	const uint32_t shadow = XEN_DOMCTL_CDF_hvm, hap = shadow | XEN_DOMCTL_CDF_hap;
	const unsigned int usual = DANGER_SAFE | DANGER_OWN | DANGER_HOST;

	(void)state;
	assert_int_equal(wild_ones(shadow, usual), 0);
	assert_in_range(wild_ones(hap, usual), TRIES / 4, TRIES - 1);
	assert_in_range(wild_ones(shadow, usual | DANGER_FATAL), TRIES / 4, TRIES - 1);
}

/* How many of the tries found something wrong. */
static unsigned int wrong_ones(void)
{
	const struct operation *operation = family_instructions.parts[0].list;
	unsigned int found = 0;

	for (unsigned int i = 0; i < TRIES; i++) {
		call_begin(&run.call, &run, i);
		run.call.operation = operation;
		operation->after(&run.call);
		found += run.call.wrong[0] != 0;
	}
	return found;
}

/* Each outcome is wrong for some of them; nothing that is answered is right for all. */
static void test_no_outcome_is_right_for_all_instructions(void **state)
{
	(void)state;
	for (vector = NO_FAULT; vector < 20; vector++)
		assert_in_range(wrong_ones(), TRIES / 4, TRIES - (vector == NO_FAULT ||
								  vector == 13));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_equal_results_are_right, begin),
		cmocka_unit_test_setup(test_another_value_is_seen, begin),
		cmocka_unit_test_setup(test_a_defined_flag_is_seen_and_others_are_not, begin),
		cmocka_unit_test_setup(test_what_was_not_reached_is_no_difference_but_not_complete,
				       begin),
		cmocka_unit_test_setup(test_a_first_result_alone_is_not_complete, begin),
		cmocka_unit_test_setup(test_nothing_looks_like_what_kills_the_emulator, begin),
		cmocka_unit_test_setup(
			test_the_page_of_the_processor_is_touched_before_the_instruction, begin),
		cmocka_unit_test_setup(test_without_hap_nothing_at_random_is_executed, begin),
		cmocka_unit_test_setup(test_no_outcome_is_right_for_all_instructions, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

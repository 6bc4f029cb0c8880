/* Each scenario passes with an honest driver and turns red with the fault it looks for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"

static const struct manners old = { EPERM, EBADMSG, EFBIG };

typedef struct verdict (*scenario)(struct trial *trial);

static void expect(struct stage *stage, scenario run, enum outcome outcome, const char *words)
{
	expect_verdict(run(&stage->trial), outcome, words);
}

static void test_honest_driver_passes(void **state)
{
	static const scenario all[] = {
		scenario_read, scenario_lower, scenario_raise, scenario_random, scenario_cycles,
		scenario_beyond, scenario_tiny, scenario_one_byte, scenario_long_write,
	};
	struct stage *stage = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		expect(stage, all[i], OUTCOME_PASS, "");
		assert_int_equal(stage->fake.target, stage->trial.before.target);
		assert_int_equal(stage->fake.current, stage->trial.before.current);
	}
}

static void test_deaf_driver(void **state)
{
	struct stage *stage = *state;

	stage->fake.deaf = true;
	expect(stage, scenario_lower, OUTCOME_FAIL, "did not follow");
	expect(stage, scenario_raise, OUTCOME_FAIL, "did not follow");
	expect(stage, scenario_random, OUTCOME_FAIL, "did not follow");
	expect(stage, scenario_cycles, OUTCOME_FAIL, "cycle 1:");
}

static void test_target_that_is_not_shown(void **state)
{
	struct stage *stage = *state;

	stage->fake.forgets_target = true;
	expect(stage, scenario_lower, OUTCOME_FAIL, "the target reads");
}

static void test_memory_that_does_not_return(void **state)
{
	static const scenario all[] = {
		scenario_lower, scenario_random, scenario_tiny, scenario_one_byte,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct stage *stage;

		stage_teardown(state);
		stage_setup(state);
		stage = *state;
		stage->fake.never_grows = true;
		expect(stage, all[i], OUTCOME_FAIL, "did not come back");
	}
}

static void test_lost_pages(void **state)
{
	struct stage *stage = *state;

	stage->fake.leak = 4;
	stage->door.slack = 1024;	/* too little for one move to notice */
	expect(stage, scenario_cycles, OUTCOME_FAIL, "after 5 cycles");
}

/* Without the guest's word two books are left, which is not what was to be compared. */
static void test_guest_that_stops_telling(void **state)
{
	struct stage *stage = *state;

	stage->fake.guest_stops_telling = true;
	expect(stage, scenario_lower, OUTCOME_ERROR, "no longer tells");
	expect(stage, scenario_raise, OUTCOME_ERROR, "no longer tells");
}

/* From inside a guest with virtio there is no allocation to be read. */
static void test_watching_is_no_verdict(void **state)
{
	struct stage *stage = *state;

	stage->door.place = PLACE_WATCH;
	expect(stage, scenario_read, OUTCOME_SKIP, "only the host knows");
}

static void test_kernel_that_does_not_see_it(void **state)
{
	struct stage *stage = *state;

	stage->fake.guest_blind = true;
	expect(stage, scenario_lower, OUTCOME_FAIL, "MemTotal by 0 kB");
}

static void test_hypervisor_that_does_not_see_it(void **state)
{
	struct stage *stage = *state;

	stage->fake.hypervisor_blind = true;
	expect(stage, scenario_lower, OUTCOME_FAIL, "the hypervisor counts 0 kB");
}

static void test_allocation_above_the_limit(void **state)
{
	struct stage *stage = *state;

	stage->fake.ignores_limit = true;
	expect(stage, scenario_beyond, OUTCOME_FAIL, "above the hard limit");
}

static void test_refusals(void **state)
{
	struct stage *stage = *state;

	stage->fake.refuses = true;
	expect(stage, scenario_lower, OUTCOME_FAIL, "was refused");
	expect(stage, scenario_random, OUTCOME_FAIL, "was refused");
	/* Also what it had: that says nothing of a target. */
	expect(stage, scenario_beyond, OUTCOME_FAIL, "was refused");
	expect(stage, scenario_tiny, OUTCOME_FAIL, "was refused");
	stage->fake.refuses = false;
	stage->fake.refuses_wild = true;
	expect(stage, scenario_beyond, OUTCOME_PASS, "refused");
	expect(stage, scenario_tiny, OUTCOME_PASS, "refused");
}

/* Who does not answer has neither refused nor taken anything. */
static void test_silence(void **state)
{
	static const scenario all[] = {
		scenario_lower, scenario_raise, scenario_random, scenario_cycles, scenario_beyond,
		scenario_tiny, scenario_limit, scenario_neighbour, scenario_pages_back,
		scenario_save_restore,
	};
	struct stage *stage = *state;

	stage->fake.silent = true;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		expect(stage, all[i], OUTCOME_ERROR, "no answer to");
}

static void test_manners_of_the_old_driver(void **state)
{
	struct stage *stage = *state;

	stage->door.manners = &old;
	stage->fake.write_answer = EBADMSG;
	expect(stage, scenario_one_byte, OUTCOME_PASS, "EBADMSG");
	expect(stage, scenario_long_write, OUTCOME_FAIL, "EBADMSG instead of EFBIG");
	stage->fake.write_answer = EFBIG;
	expect(stage, scenario_long_write, OUTCOME_PASS, "EFBIG");
	stage->fake.write_answer = 0;
	expect(stage, scenario_one_byte, OUTCOME_FAIL, "taken instead of EBADMSG");
}

static void test_manners_of_today(void **state)
{
	struct stage *stage = *state;

	stage->fake.write_answer = EINVAL;
	expect(stage, scenario_one_byte, OUTCOME_PASS, "EINVAL");
	stage->fake.write_answer = EIO;
	expect(stage, scenario_one_byte, OUTCOME_FAIL, "EIO");
	stage->fake.write_answer = 0;
	stage->fake.rude = true;
	expect(stage, scenario_one_byte, OUTCOME_FAIL, "cut short");
}

static void test_another_user_who_may_write(void **state)
{
	struct stage *stage = *state;

	if (geteuid()) {
		expect(stage, scenario_not_root, OUTCOME_SKIP, "not root");
		return;
	}
	stage->fake.lets_others_write = true;
	expect(stage, scenario_not_root, OUTCOME_FAIL, "could write");
	stage->fake.refuses = true;
	expect(stage, scenario_not_root, OUTCOME_ERROR, "root may not write");
}

static void test_no_room(void **state)
{
	struct stage *stage = *state;

	stage->trial.step = 0;
	expect(stage, scenario_lower, OUTCOME_SKIP, "no room");
}

static void test_domain_that_still_moves(void **state)
{
	struct stage *stage = *state;

	stage->fake.deaf = true;
	stage->fake.target -= 4;
	stage->trial.settle_ms = 1;
	expect(stage, scenario_lower, OUTCOME_ERROR, "still moving");
}

static void test_numbers_that_cannot_be(void **state)
{
	struct stage *stage = *state;

	stage->fake.limit = stage->fake.current - 4;
	stage->fake.deaf = true;
	expect(stage, scenario_read, OUTCOME_FAIL, "above the hard limit");
	stage->fake.limit = 0;
	stage->fake.guest_gap = (uint64_t)-4;
	expect(stage, scenario_read, OUTCOME_FAIL, "the kernel manages");
	stage->fake.guest_gap = 20000;
	stage->fake.available = stage->fake.current;
	expect(stage, scenario_read, OUTCOME_FAIL, "are available of a MemTotal");
	stage->fake.current = 1ull << 63;
	expect(stage, scenario_read, OUTCOME_FAIL, "more than any processor can address");
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_honest_driver_passes), T(test_deaf_driver),
		T(test_target_that_is_not_shown), T(test_memory_that_does_not_return),
		T(test_lost_pages), T(test_kernel_that_does_not_see_it),
		T(test_hypervisor_that_does_not_see_it), T(test_allocation_above_the_limit),
		T(test_guest_that_stops_telling), T(test_watching_is_no_verdict),
		T(test_refusals), T(test_silence), T(test_manners_of_the_old_driver),
		T(test_manners_of_today), T(test_another_user_who_may_write), T(test_no_room),
		T(test_domain_that_still_moves), T(test_numbers_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

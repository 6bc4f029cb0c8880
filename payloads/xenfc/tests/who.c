/* Whom a number means to Xen, in each role; and that a guest names whom it may not touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"
#include "who.h"

#define DRAWS 20000

static struct run run;

static struct call *call_of(bool control, uint16_t self)
{
	static struct call call;

	memset(&run, 0, sizeof(run));
	run.machine.control = control;
	run.machine.domid = self;
	run.model.own[1].exists = true;
	call_begin(&call, &run, 0);
	call.dice = dice_of(1);
	return &call;
}

static bool allows_only(struct call *call, uint16_t id, enum lookup lookup, enum right right,
			long error)
{
	expect_only(call, 1);
	if (who_allows(call, id, lookup, right))
		return error == 0;
	return call->expect.count == 1 && call->expect.any[0] == error;
}

static void control_may_do_all_to_everybody_who_is_there(void **state)
{
	struct call *call = call_of(true, 0);

	(void)state;
	assert_true(allows_only(call, DOMID_OWN_FIRST + 1, LOOKUP_NUMBER, RIGHT_CONTROL, 0));
	assert_ptr_equal(call->domain, &run.model.own[1]);
	assert_true(allows_only(call, 0, LOOKUP_NUMBER, RIGHT_CONTROL, 0));
	assert_null(call->domain);
	assert_true(allows_only(call, DOMID_OWN_FIRST, LOOKUP_NUMBER, RIGHT_CONTROL,
				ERR(ESRCH)));
	assert_true(allows_only(call, DOMID_NOBODY_FIRST, LOOKUP_ANY, RIGHT_TARGET, ERR(ESRCH)));
}

static void guest_may_do_some_things_to_itself_only(void **state)
{
	struct call *call = call_of(false, 5);

	(void)state;
	assert_true(allows_only(call, 5, LOOKUP_ANY, RIGHT_TARGET, 0));
	assert_true(allows_only(call, DOMID_SELF, LOOKUP_ANY, RIGHT_TARGET, 0));
	assert_true(allows_only(call, 5, LOOKUP_ANY, RIGHT_CONTROL, ERR(EPERM)));
	assert_true(allows_only(call, 0, LOOKUP_ANY, RIGHT_TARGET, ERR(EPERM)));
	assert_true(allows_only(call, 0, LOOKUP_NUMBER, RIGHT_ANYBODY, 0));
	assert_true(allows_only(call, DOMID_INVALID, LOOKUP_ANY, RIGHT_TARGET, ERR(ESRCH)));
}

static void self_is_nobody_where_only_numbers_are_known(void **state)
{
	(void)state;
	assert_true(allows_only(call_of(true, 0), DOMID_SELF, LOOKUP_NUMBER, RIGHT_CONTROL,
				ERR(ESRCH)));
	assert_true(allows_only(call_of(false, 5), DOMID_SELF, LOOKUP_NUMBER, RIGHT_TARGET,
				ERR(ESRCH)));
}

static void what_a_guest_cannot_know_may_be_there_or_not(void **state)
{
	static const uint16_t ids[] = { 7, DOMID_OWN_FIRST, DOMID_OWN_FIRST + 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct call *call = call_of(false, 5);

		assert_false(who_allows(call, ids[i], LOOKUP_ANY, RIGHT_TARGET));
		assert_true(expect_names(&call->expect, ERR(EPERM)));
		assert_true(expect_names(&call->expect, ERR(ESRCH)));
	}
}

static void numbers_cover_everybody(void **state)
{
	bool seen[2][5] = { { false } };

	(void)state;
	for (unsigned int control = 0; control < 2; control++) {
		struct call *call = call_of(control, control ? 0 : 5);

		for (unsigned int i = 0; i < DRAWS; i++)
			seen[control][who_is(call, draw_who(call, true), LOOKUP_ANY)] = true;
	}
	assert_true(seen[0][WHO_OTHER] && seen[0][WHO_SELF] && seen[0][WHO_NOBODY] &&
		    seen[0][WHO_UNSURE]);
	assert_true(seen[1][WHO_OWN] && seen[1][WHO_SELF] && seen[1][WHO_NOBODY]);
}

static void oneself_comes_up_only_where_it_may(void **state)
{
	(void)state;
	for (unsigned int control = 0; control < 2; control++) {
		struct call *call = call_of(control, control ? 0 : 5);

		for (unsigned int i = 0; i < DRAWS; i++)
			assert_int_not_equal(who_is(call, draw_who(call, false), LOOKUP_ANY),
					     WHO_SELF);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_may_do_all_to_everybody_who_is_there),
		cmocka_unit_test(guest_may_do_some_things_to_itself_only),
		cmocka_unit_test(self_is_nobody_where_only_numbers_are_known),
		cmocka_unit_test(what_a_guest_cannot_know_may_be_there_or_not),
		cmocka_unit_test(numbers_cover_everybody),
		cmocka_unit_test(oneself_comes_up_only_where_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

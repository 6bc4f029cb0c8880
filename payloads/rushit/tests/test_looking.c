/* A thread that looks for more before it sleeps: as long as that pays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "looking.h"

#define LONG 20000

/* From the moment when there is nothing: 0 when it sleeps at once, else 1. */
static int vain_look(struct looking *l, uint64_t *now)
{
	int looked = !looking_tired(l, *now);

	if (looked) {
		assert_false(looking_tired(l, *now + LONG));
		assert_true(looking_tired(l, *now += LONG + 1));
	}
	/* The sleep ends because something came. */
	looking_found(l);
	*now += 1000;
	return looked;
}

static void looks_for_so_long(void **state)
{
	struct looking l = {.ns = LONG};
	uint64_t now = 1;

	(void)state;
	assert_int_equal(vain_look(&l, &now), 1);
	assert_int_equal(vain_look(&l, &now), 1);
}

static void vain_looks_get_rare(void **state)
{
	struct looking l = {.ns = LONG};
	uint64_t now = 1;
	int first = 0, later = 0;

	(void)state;
	for (int i = 0; i < 650; i++)
		first += vain_look(&l, &now);
	for (int i = 0; i < 650; i++)
		later += vain_look(&l, &now);
	assert_in_range(first, 10, 20);
	assert_int_equal(later, 10);
}

static void one_that_pays_makes_them_usual_again(void **state)
{
	struct looking l = {.ns = LONG};
	uint64_t now = 1;

	(void)state;
	for (int i = 0; i < 650; i++)
		vain_look(&l, &now);
	while (looking_tired(&l, now))
		looking_found(&l);
	looking_found(&l);
	assert_int_equal(vain_look(&l, &now), 1);
	assert_int_equal(vain_look(&l, &now), 1);
}

static void whoever_asked_for_it_gets_it(void **state)
{
	struct looking l = {.ns = LONG, .always = true};
	uint64_t now = 1;

	(void)state;
	for (int i = 0; i < 650; i++)
		assert_int_equal(vain_look(&l, &now), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_for_so_long),
		cmocka_unit_test(vain_looks_get_rare),
		cmocka_unit_test(one_that_pays_makes_them_usual_again),
		cmocka_unit_test(whoever_asked_for_it_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

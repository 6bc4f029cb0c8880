/* How memory is cached, range by range: beside a stand-in that keeps ranges, or one too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dm.h"

#define CALLS 3000u
#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define MOST_RANGES 64u
#define LAST_FRAME ((1ull << 48) - 1)
#define OWN (DOMID_OWN_FIRST + 1)

static struct run run;
static struct door door;
static uint8_t *arena;
static struct range {
	uint64_t start, end;
} ranges[MOST_RANGES + 1];
static unsigned int n_ranges, most_ranges;
static bool careless;	/* whether ranges overlap is not looked at */

static long forget(uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < n_ranges; i++) {
		if (ranges[i].start != start || ranges[i].end != end)
			continue;
		ranges[i] = ranges[--n_ranges];
		return 0;
	}
	return ERR(ENOENT);
}

static long pin(const struct xen_dm_op_pin_memory_cacheattr *c)
{
	if (c->pad || c->end < c->start || c->end > LAST_FRAME)
		return ERR(EINVAL);
	if (c->type == XEN_DMOP_DELETE_MEM_CACHEATTR)
		return forget(c->start, c->end);
	if (c->type > XEN_DMOP_MEM_CACHEATTR_UCM || c->type == 2 || c->type == 3)
		return ERR(EINVAL);
	for (unsigned int i = 0; i < n_ranges; i++) {
		if (ranges[i].start == c->start && ranges[i].end == c->end)
			return 0;
		if (!careless && ranges[i].start <= c->end && c->start <= ranges[i].end)
			return ERR(EBUSY);
	}
	if (n_ranges == most_ranges)
		return ERR(ENOSPC);
	ranges[n_ranges++] = (struct range){ c->start, c->end };
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	const xen_dm_op_buf_t *buffer = (void *)(uintptr_t)arguments[2];
	const struct xen_dm_op *dm = (void *)(uintptr_t)handle_value(&buffer->h);

	(void)from;
	assert_int_equal(number, __HYPERVISOR_dm_op);
	assert_int_equal(arguments[0], OWN);
	return dm->pad ? ERR(EINVAL) : pin(&dm->u.pin_memory_cacheattr);
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	n_ranges = 0;
	most_ranges = MOST_RANGES;
	careless = false;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	door = (struct door){ .hypercall = hypercall, .arena = arena, .unmapped = 1ull << 40 };
	run.door = &door;
	run.machine.control = true;
	run.model.own[1] = (struct domain_model){ .exists = true, .id = OWN, .hvm = true };
	return 0;
}

static unsigned int failures(void)
{
	extern const struct family family_dm;
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
		call_begin(&call, &run, number);
		call.family = &family_dm;
		call.operation = dm_caches;
		call.hypercall = family_dm.hypercall;
		call.command = dm_caches->command;
		family_dm.generate(&call);
		dm_caches->generate(&call);
		call.domain = &run.model.own[1];
		dm_caches->expect(&call);
		call.result = dm_of(&call)->pad ? ERR(EINVAL) :
			pin(&dm_of(&call)->u.pin_memory_cacheattr);
		failed += !expect_holds(&call);
		dm_caches->after(&call);
		failed += call.wrong[0] != '\0';
		n_ranges = careless ? 0 : n_ranges;
	}
	return failed;
}

static void ranges_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(failures(), 0);
	assert_int_equal(n_ranges, 0);
}

static void one_range_too_many_is_seen(void **state)
{
	(void)state;
	most_ranges++;
	assert_true(failures() > 10);
}

static void ranges_that_overlap_are_seen(void **state)
{
	(void)state;
	careless = true;
	assert_true(failures() > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ranges_come_and_go, begin),
		cmocka_unit_test_setup(one_range_too_many_is_seen, begin),
		cmocka_unit_test_setup(ranges_that_overlap_are_seen, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

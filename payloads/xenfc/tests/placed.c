/* What was promised, put or mapped somewhere is there, beside a stand-in that errs in one way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "memory.h"
#include "physdev.h"

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define PAGES 5u
#define MOST 8u
#define PIRQ 20
#define OLD_PIRQ 5
#define ANY_PLACE (-1)	/* no interrupt of a domain was asked for */
#define TRIES 20u	/* some checks are not made every time */

enum careless { NOTHING, NOT_MAPPED, STILL_MAPPED, NOT_PUT, CLAIM_OF_NONE, CLAIM_OF_TOO_MANY };

static struct run run;
static struct door door;
static struct domain_model *domain = &run.model.own[0];
static uint8_t *arena;
static enum careless careless;
static bool mapped;

static long claim(const struct xen_memory_reservation *r)
{
	if (r->nr_extents <= PAGES)
		return careless == CLAIM_OF_NONE ? 0 : ERR(EINVAL);
	assert_int_equal(r->nr_extents, MOST + 1);
	return careless == CLAIM_OF_TOO_MANY ? 0 : ERR(EINVAL);
}

static long memory(uint64_t command, const void *structure)
{
	switch (command) {
	case XENMEM_claim_pages:
		return claim(structure);
	default:
		assert_int_equal(command, XENMEM_current_reservation);
		return PAGES;
	}
}

static long unmap(const struct physdev_unmap_pirq *u)
{
	assert_int_equal(u->pirq, PIRQ);
	if (!mapped)
		return ERR(EINVAL);
	mapped = careless == STILL_MAPPED;
	return 0;
}

static long tell(struct xen_domctl *d)
{
	assert_int_equal(d->cmd, XEN_DOMCTL_getdomaininfo);
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	void *second = (void *)(uintptr_t)arguments[1];

	(void)from;
	switch (number) {
	case __HYPERVISOR_memory_op:
		return memory(arguments[0], second);
	case __HYPERVISOR_physdev_op:
		return unmap(second);
	case __HYPERVISOR_domctl:
		return tell((void *)(uintptr_t)arguments[0]);
	default:
		assert_int_equal(number, __HYPERVISOR_hvm_op);
		((struct xen_hvm_get_mem_type *)second)->mem_type =
			careless == NOT_PUT ? HVMMEM_mmio_dm : HVMMEM_ram_rw;
		return 0;
	}
}

static const struct operation *row(const struct operation *list, const char *name)
{
	while (strcmp(list->name, name))
		list++;
	return list;
}

/* In how many tries what follows a row's success complains. */
static unsigned int complaints(const struct operation *operation, const void *structure, size_t size)
{
	struct area area = { .at = arena, .size = (uint32_t)size };
	unsigned int count = 0;
	struct call call;

	for (uint64_t number = 0; number < TRIES; number++) {
		*domain = (struct domain_model){
			.exists = true, .id = DOMID_OWN_FIRST, .pages = PAGES, .max_pages = MOST,
		};
		mapped = careless != NOT_MAPPED;
		memcpy(arena, structure, size);
		call_begin(&call, &run, number);
		call.structure = &area;
		call.domain = domain;
		call.note = ANY_PLACE;
		operation->after(&call);
		count += call.wrong[0] != '\0';
	}
	return count;
}

/* Of messages only the place is looked at. */
static unsigned int tell_place(int pirq)
{
	struct physdev_map_pirq m = {
		.domid = DOMID_OWN_FIRST, .type = MAP_PIRQ_TYPE_MSI, .pirq = pirq,
	};

	careless = NOTHING;
	return complaints(row(physdev_route, "map_pirq"), &m, sizeof(m));
}

static void what_is_mapped_anywhere_is_behind_the_old_ones(void **state)
{
	(void)state;
	assert_int_equal(tell_place(PIRQ), 0);
	assert_int_equal(tell_place(OLD_PIRQ), TRIES);
}

static unsigned int map(enum careless mistake)
{
	struct physdev_map_pirq m = {
		.domid = DOMID_OWN_FIRST, .type = MAP_PIRQ_TYPE_GSI, .pirq = PIRQ,
	};

	careless = mistake;
	return complaints(row(physdev_route, "map_pirq"), &m, sizeof(m));
}

static void what_is_mapped_is_unmapped_once(void **state)
{
	(void)state;
	assert_int_equal(map(NOTHING), 0);
	assert_in_range(map(NOT_MAPPED), 1, TRIES - 1);
	assert_in_range(map(STILL_MAPPED), 1, TRIES - 1);
}

static unsigned int put(enum careless mistake)
{
	struct xen_add_to_physmap a = { .domid = DOMID_OWN_FIRST, .gpfn = 3 };

	careless = mistake;
	return complaints(row(memory_places, "add_to_physmap"), &a, sizeof(a));
}

static void what_is_put_somewhere_is_memory(void **state)
{
	(void)state;
	assert_int_equal(put(NOTHING), 0);
	assert_int_equal(put(NOT_PUT), TRIES);
}

/* A list of two with room for four answers, the last of which says that there is none. */
static bool answers_are_wrong(const int32_t answers[4])
{
	struct xen_add_to_physmap_batch batch = { .domid = DOMID_OWN_FIRST, .size = 2 };
	struct area area = { .at = (uint8_t *)&batch, .size = sizeof(batch) };
	const uint64_t at = (uintptr_t)arena;
	struct call call;

	memcpy(arena, answers, 4 * sizeof(*answers));
	memcpy(&batch.errs, &at, sizeof(at));
	call_begin(&call, &run, 0);
	call.structure = &area;
	call.areas[3] = (struct area){ .at = arena, .size = 4 * sizeof(*answers) };
	row(memory_places, "add_to_physmap_batch")->after(&call);
	return call.wrong[0];
}

static void each_of_a_list_is_answered(void **state)
{
	(void)state;
	assert_false(answers_are_wrong((const int32_t[]){ 0, -XEN_EINVAL, 1, 1 }));
	assert_true(answers_are_wrong((const int32_t[]){ 1, -XEN_EINVAL, 1, 1 }));
	assert_true(answers_are_wrong((const int32_t[]){ 0, 0, 0, 1 }));
}

static unsigned int promise(enum careless mistake)
{
	struct xen_memory_reservation r = { .domid = DOMID_OWN_FIRST };

	careless = mistake;
	return complaints(row(memory_claims, "claim_pages"), &r, sizeof(r));
}

static void claims_have_limits(void **state)
{
	(void)state;
	assert_int_equal(promise(NOTHING), 0);
	assert_int_equal(promise(CLAIM_OF_NONE), TRIES);
	assert_int_equal(promise(CLAIM_OF_TOO_MANY), TRIES);
}

static int begin(void **state)
{
	(void)state;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, 0, ARENA_SIZE);
	memset(&run, 0, sizeof(run));
	door = (struct door){ .hypercall = hypercall, .arena = arena };
	run.door = &door;
	run.machine.control = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_mapped_anywhere_is_behind_the_old_ones, begin),
		cmocka_unit_test_setup(what_is_mapped_is_unmapped_once, begin),
		cmocka_unit_test_setup(what_is_put_somewhere_is_memory, begin),
		cmocka_unit_test_setup(each_of_a_list_is_answered, begin),
		cmocka_unit_test_setup(claims_have_limits, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

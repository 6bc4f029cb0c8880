/* Rules and operations that came, went or changed with a release of Xen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "vcpu_areas.h"

#define MANY 20000u
#define GENERAL_PROTECTION 13

static struct run run;
static struct door door;
static uint64_t frames[DOOR_ARENA_PAGES];
static uint64_t told_error;	/* with the exception that an interrupt of our own ends in */
static bool gates_work;
static unsigned int tables;	/* of interrupts that were given */

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from, (void)arguments;
	tables += number == __HYPERVISOR_set_trap_table;
	return 0;
}

static long take_exceptions(struct door *from)
{
	(void)from;
	return 0;
}

/* The first table has gates, the second is none. */
static int execute(struct door *from, const uint8_t *code, size_t size, struct registers *registers)
{
	(void)from, (void)size;
	registers->error = told_error ? told_error : code[1] * 8u + 2;
	return gates_work && tables == 1 ? DOOR_INTERRUPT : GENERAL_PROTECTION;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	if (!door.arena)
		door.arena = aligned_alloc(DOOR_PAGE, ARENA_BYTES);
	for (unsigned int i = 0; i < DOOR_ARENA_PAGES; i++)
		frames[i] = 0x1000 + i;
	door.hypercall = hypercall;
	door.execute = execute;
	door.take_exceptions = take_exceptions;
	door.arena_frames = frames;
	door.owns_kernel = true;
	run.door = &door;
	run.plan.dry_run = true;
	run.plan.allow = DANGER_DEFAULT;
	run.machine = (struct machine){
		.control = true, .hardware = true, .pv = true, .pv_guests = true, .hvm = true,
		.hap = true, .shadow = true, .vcpus = 1,
	};
	return 0;
}

static const struct operation *row(const struct family *family, const char *name)
{
	for (size_t p = 0; p < family->n_parts; p++)
		for (size_t o = 0; o < *family->parts[p].count; o++)
			if (!strcmp(family->parts[p].list[o].name, name))
				return &family->parts[p].list[o];
	fail_msg("no row %s", name);
	return NULL;
}

static const struct family *family(const char *name)
{
	for (size_t f = 0; all_families[f]; f++)
		if (!strcmp(all_families[f]->name, name))
			return all_families[f];
	fail_msg("no family %s", name);
	return NULL;
}

/* Of many families that are called so. */
static const struct operation *processor_row(const char *name)
{
	for (size_t f = 0; all_families[f]; f++)
		if (!strcmp(all_families[f]->parts[0].list[0].name, name))
			return all_families[f]->parts[0].list;
	fail_msg("no row %s", name);
	return NULL;
}

/* A call as the sequence begins it, generated, and with its expectation. */
static struct call *made(const char *of, const char *name, unsigned int release, uint64_t number)
{
	struct call *call = &run.call;

	run.machine.release = release;
	call_begin(call, &run, number);
	call->family = family(of);
	call->operation = row(call->family, name);
	call->hypercall = call->family->hypercall;
	call->command = call->operation->command;
	call->family->generate(call);
	call->operation->generate(call);
	if (!call->family->expect || call->family->expect(call))
		call->operation->expect(call);
	return call;
}

static bool is_chosen(const char *name, unsigned int release)
{
	run.machine.release = release;
	assert_true(choices_make(&run));
	for (unsigned int i = 0; i < run.n_choices; i++)
		if (!strcmp(run.choices[i].operation->name, name))
			return true;
	return false;
}

static void operations_come_and_go(void **state)
{
	(void)state;
	assert_true(is_chosen("cache_flush", RELEASE(4, 20)));
	assert_false(is_chosen("cache_flush", RELEASE(4, 21)));
	assert_true(is_chosen("commandline2", RELEASE(4, 20)));
	assert_false(is_chosen("commandline2", RELEASE(4, 19)));
	assert_true(is_chosen("register_runstate_phys_area", RELEASE(4, 18)));
	assert_false(is_chosen("register_runstate_phys_area", RELEASE(4, 17)));
	assert_true(is_chosen("get_domain_state", RELEASE(4, 21)));
	assert_false(is_chosen("get_domain_state", RELEASE(4, 20)));
}

static bool refuses_own_number(unsigned int release)
{
	for (uint64_t number = 0; number < MANY; number++) {
		struct call *call = made("domctl", "createdomain", release, number);
		const struct xen_domctl *d = domctl_of(call);

		if (model_slot(&run.model, d->domain) && !d->u.createdomain.max_vcpus)
			return true;
	}
	return false;
}

/* What is refused before anything is made keeps its number for ever. */
static void no_number_of_ours_is_lost(void **state)
{
	(void)state;
	assert_true(refuses_own_number(RELEASE(4, 20)));
	assert_false(refuses_own_number(RELEASE(4, 21)));
	run.plan.allow |= DANGER_FATAL;
	assert_true(refuses_own_number(RELEASE(4, 21)));
}

static bool number_may_be_taken(bool died)
{
	for (uint64_t number = 0; number < MANY; number++) {
		struct domain_model *slot;
		struct call *call;

		for (uint16_t id = DOMID_OWN_FIRST; id < DOMID_OWN_FIRST + OWN_DOMAINS; id++)
			model_slot(&run.model, id)->died = died;
		call = made("domctl", "createdomain", RELEASE(4, 21), number);
		slot = model_slot(&run.model, domctl_of(call)->domain);
		if (slot && expect_names(&call->expect, 0) &&
		    expect_names(&call->expect, ERR(EEXIST)))
			return true;
	}
	return false;
}

/* Else a Xen that makes no domain at all would be right. */
static void only_a_number_of_a_dead_domain_may_be_taken(void **state)
{
	(void)state;
	assert_false(number_may_be_taken(false));
	assert_true(number_may_be_taken(true));
}

static bool asks_for_shadows(unsigned int release)
{
	for (uint64_t number = 0; number < MANY; number++) {
		const struct call *call = made("domctl", "createdomain", release, number);
		uint32_t flags = domctl_of(call)->u.createdomain.flags;

		if (flags & XEN_DOMCTL_CDF_hvm && !(flags & XEN_DOMCTL_CDF_hap))
			return true;
	}
	return false;
}

static void shadows_are_not_asked_for_where_that_loses_memory(void **state)
{
	(void)state;
	assert_true(asks_for_shadows(RELEASE(4, 17)));
	run.machine.shadow = false;
	assert_false(asks_for_shadows(RELEASE(4, 21)));
	assert_true(asks_for_shadows(RELEASE(4, 22)));
}

static bool takes_odd_bytes(unsigned int release)
{
	for (uint64_t number = 0; number < MANY; number++) {
		const struct call *call = made("hvm", "xentrace", release, number);
		const struct xen_hvm_xentrace *t = (const void *)call->structure->at;

		if (t->extra_bytes % 4 && expect_names(&call->expect, 0))
			return true;
	}
	return false;
}

static void traces_are_of_whole_words(void **state)
{
	(void)state;
	assert_true(takes_odd_bytes(RELEASE(4, 17)));
	assert_false(takes_odd_bytes(RELEASE(4, 18)));
}

/* In a page of ours, at a word, or nowhere; of what is given it is known which error it has. */
static void places_in_pages_are_checked(void **state)
{
	unsigned int seen[4] = { 0 };

	(void)state;
	for (uint64_t number = 0; number < MANY; number++) {
		struct call *call = made("vcpu", "register_runstate_phys_area", RELEASE(4, 18), number);
		uint64_t at;

		if (!call->structure || expect_names(&call->expect, ERR(ENOENT)))
			continue;
		memcpy(&at, call->structure->at, sizeof(at));
		seen[0] += at == UINT64_MAX && expect_names(&call->expect, 0);
		seen[1] += at % 8 && at != UINT64_MAX && expect_names(&call->expect, ERR(ENXIO));
		seen[2] += at >> 51 == 1 && expect_names(&call->expect, ERR(EINVAL));
		seen[3] += !(at % DOOR_PAGE) && at < 1u << 30 && expect_names(&call->expect, 0);
		if (at % 8 && at != UINT64_MAX)
			assert_false(expect_names(&call->expect, 0));
	}
	for (unsigned int i = 0; i < COUNT(seen); i++)
		assert_true(seen[i] > 0);
}

static struct call *told_state(const struct xen_domctl_get_domain_state *told)
{
	struct call *call = &run.call;

	call_begin(call, &run, 0);
	call->family = family("domctl");
	call->operation = row(call->family, "get_domain_state");
	call->command = call->operation->command;
	call->family->generate(call);
	memcpy(&domctl_of(call)->u, told, sizeof(*told));
	call->domain = &run.model.own[0];
	call->operation->after(call);
	return call;
}

static void the_state_of_a_domain_is_its_own(void **state)
{
	static const struct xen_domctl_createdomain config = { .max_vcpus = 1 };
	struct xen_domctl_get_domain_state told = {
		.state = XEN_DOMCTL_GETDOMSTATE_STATE_EXIST, .unique_id = 77,
	};
	struct domain_model *own = run.model.own;

	(void)state;
	model_created(&own[0], DOMID_OWN_FIRST, &config);
	model_created(&own[1], DOMID_OWN_FIRST + 1, &config);
	assert_string_equal(told_state(&told)->wrong, "");
	told.unique_id = 78;
	assert_non_null(strstr(told_state(&told)->wrong, "is now 0x4e, not 0x4d"));
	own[1].unique = own[0].unique;
	told.unique_id = 78;
	assert_non_null(strstr(told_state(&told)->wrong, "as well"));
	model_destroyed(&own[0]);
	model_created(&own[0], DOMID_OWN_FIRST, &config);
	assert_non_null(strstr(told_state(&told)->wrong, "that is dead"));
	told.unique_id = 79;
	told.caps = XEN_DOMCTL_GETDOMSTATE_CAP_XENSTORE;
	assert_non_null(strstr(told_state(&told)->wrong, "the rights 0x4"));
	told.caps = 0;
	told.state = 3;
	assert_non_null(strstr(told_state(&told)->wrong, "a state of 0x3"));
}

/* No version is asked for of what will stay as it is, and what a xenstored waits for is left to it. */
static void the_state_of_a_domain_needs_no_version(void **state)
{
	unsigned int right = 0, refused = 0;

	(void)state;
	run.machine.domctl_version = 0x17;
	for (uint64_t number = 0; number < MANY; number++) {
		const struct call *call = made("domctl", "get_domain_state", RELEASE(4, 21), number);
		const struct xen_domctl *d = domctl_of(call);

		assert_int_not_equal(d->domain, DOMID_INVALID);
		right += !d->interface_version && !expect_names(&call->expect, ERR(EACCES));
		refused += d->interface_version == 0x17 && expect_names(&call->expect, ERR(EACCES));
	}
	assert_true(right > MANY / 2 && refused > 0);
}

static bool gates_are_wrong(unsigned int release, bool work, uint64_t error)
{
	struct call *call = &run.call;

	begin(NULL);
	run.machine.release = release;
	run.plan.dry_run = false;
	tables = 0;
	gates_work = work;
	told_error = error;
	for (uint64_t number = 0; number < 20 && !call->wrong[0]; number++) {
		call_begin(call, &run, number);
		tables = 0;
		processor_row("set_trap_table")->after(call);
	}
	return call->wrong[0];
}

/* A processor that tells of another interrupt than was made is no fault of Xen's. */
static void gates_that_xen_cannot_know(void **state)
{
	(void)state;
	assert_true(gates_are_wrong(RELEASE(4, 18), false, 16 * DOOR_INTERRUPT + 2));
	assert_false(gates_are_wrong(RELEASE(4, 19), false, 16 * DOOR_INTERRUPT + 2));
	assert_true(gates_are_wrong(RELEASE(4, 19), false, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(operations_come_and_go, begin),
		cmocka_unit_test_setup(no_number_of_ours_is_lost, begin),
		cmocka_unit_test_setup(only_a_number_of_a_dead_domain_may_be_taken, begin),
		cmocka_unit_test_setup(shadows_are_not_asked_for_where_that_loses_memory, begin),
		cmocka_unit_test_setup(traces_are_of_whole_words, begin),
		cmocka_unit_test_setup(places_in_pages_are_checked, begin),
		cmocka_unit_test_setup(the_state_of_a_domain_is_its_own, begin),
		cmocka_unit_test_setup(the_state_of_a_domain_needs_no_version, begin),
		cmocka_unit_test_setup(gates_that_xen_cannot_know, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

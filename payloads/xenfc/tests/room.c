/* Answers with just enough room, and what is told in them, beside a stand-in that errs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "room.h"

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define LENGTH 20u	/* of the build id */
#define CONTENT 40u	/* of the directory */
#define CALLS 2000u

enum careless {
	NOTHING,
	/* Of the build id. */
	JUST_ENOUGH_REFUSED, TOO_LITTLE_TAKEN, ANOTHER_LENGTH,
	/* Of another text. */
	OTHER_TEXT,
	/* Of the directory. */
	PADDING, TOO_SMALL_READ, LONG_ENTRY, NAME_WITHOUT_END,
};

static struct run run;
static struct door door;
static uint8_t *arena;
static enum careless careless;
static uint64_t parameters[HVM_NR_PARAMS];
static int lost;	/* a parameter that is set, and is not; or none */

static long tell_id(const uint32_t *room)
{
	if (!room)
		return LENGTH;
	if (careless == ANOTHER_LENGTH)
		return LENGTH + 1;
	if (*room < LENGTH)
		return careless == TOO_LITTLE_TAKEN ? LENGTH : ERR(ENOBUFS);
	return careless == JUST_ENOUGH_REFUSED && *room == LENGTH ? ERR(ENOBUFS) : LENGTH;
}

/* What is told whole, and what of it is told cut off. */
static long tell_text(uint64_t command, uint8_t *at)
{
	uint8_t text[LENGTH];

	memset(text, 't', sizeof(text));
	if (command == XENVER_extraversion) {
		memset(at, 0, sizeof(xen_extraversion_t));
		memset(at, careless == OTHER_TEXT ? 'o' : 't', sizeof(xen_extraversion_t) - 1);
		return 0;
	}
	if (at && *(uint32_t *)(void *)at >= LENGTH)
		memcpy(at + sizeof(uint32_t), text, sizeof(text));
	return tell_id((void *)at);
}

/* Two entries, "a" and "longer", behind what is told of the directory itself. */
static long read_directory(uint8_t *at, uint64_t room)
{
	struct xen_hypfs_direntry self = { .content_len = CONTENT, .pad = careless == PADDING };
	struct xen_hypfs_dirlistentry first = { .off_next = 16 }, second = { .off_next = 0 };

	if (careless == LONG_ENTRY)
		first.off_next = 60;
	if (room < sizeof(self))
		return ERR(EINVAL);
	memcpy(at, &self, sizeof(self));
	if (room < sizeof(self) + CONTENT)
		return careless == TOO_SMALL_READ ? 0 : ERR(ENOBUFS);
	memset(at + sizeof(self), 0, CONTENT);
	memcpy(at + sizeof(self), &first, sizeof(first));
	memcpy(at + sizeof(self) + offsetof(struct xen_hypfs_dirlistentry, name), "a", 2);
	memcpy(at + sizeof(self) + 16, &second, sizeof(second));
	memset(at + sizeof(self) + 16 + offsetof(struct xen_hypfs_dirlistentry, name), 'l',
	       careless == NAME_WITHOUT_END ? 10 : 6);
	return 0;
}

static long parameter(uint64_t command, struct xen_hvm_param *p)
{
	uint64_t value = p->value;

	if (command == HVMOP_get_param) {
		p->value = p->index == HVM_PARAM_VM86_TSS ?
			(uint32_t)parameters[HVM_PARAM_VM86_TSS_SIZED] : parameters[p->index];
		return 0;
	}
	if ((int)p->index == lost)
		return 0;
	switch (p->index) {
	case HVM_PARAM_VIRIDIAN:
	case HVM_PARAM_IOREQ_PFN:
	case HVM_PARAM_BUFIOREQ_PFN:
	case HVM_PARAM_IOREQ_SERVER_PFN:
	case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
	case HVM_PARAM_ALTP2M:
		if (parameters[p->index] && parameters[p->index] != value)
			return ERR(EEXIST);
		break;
	case HVM_PARAM_VM86_TSS:
		parameters[HVM_PARAM_VM86_TSS_SIZED] = value ? value | 128ull << 32 : 0;
		return 0;
	case HVM_PARAM_VM86_TSS_SIZED:
		if (value >> 32 > 8329)
			value = 8329ull << 32 | (uint32_t)value;
		break;
	}
	parameters[p->index] = value;
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	switch (number) {
	case __HYPERVISOR_xen_version:
		return tell_text(arguments[0], (void *)(uintptr_t)arguments[1]);
	case __HYPERVISOR_hypfs_op:
		return read_directory((void *)(uintptr_t)arguments[3], arguments[4]);
	default:
		assert_int_equal(number, __HYPERVISOR_hvm_op);
		return parameter(arguments[0], (void *)(uintptr_t)arguments[1]);
	}
}

static int begin(void **state)
{
	(void)state;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, 0, ARENA_SIZE);
	memset(&run, 0, sizeof(run));
	memset(parameters, 0, sizeof(parameters));
	door = (struct door){ .hypercall = hypercall, .arena = arena };
	run.door = &door;
	run.machine.control = true;
	run.plan.allow = DANGER_FATAL;	/* so that all of them are set */
	careless = NOTHING;
	lost = -1;
	return 0;
}

static const struct operation *row(const struct family *family, size_t part, uint32_t command)
{
	const struct operation *operation = family->parts[part].list;

	while (operation->command != command)
		operation++;
	return operation;
}

static bool id_is_wrong(enum careless mistake)
{
	extern const struct family family_version;
	struct call call;

	careless = mistake;
	call_begin(&call, &run, 0);
	call.result = LENGTH;
	call.command = XENVER_build_id;
	row(&family_version, 1, XENVER_build_id)->after(&call);
	return call.wrong[0];
}

static void room_is_just_enough(void **state)
{
	(void)state;
	assert_false(id_is_wrong(NOTHING));
	assert_true(id_is_wrong(JUST_ENOUGH_REFUSED));
	assert_true(id_is_wrong(TOO_LITTLE_TAKEN));
	assert_true(id_is_wrong(ANOTHER_LENGTH));
}

static bool text_is_wrong(enum careless mistake)
{
	extern const struct family family_version;
	struct call call;

	careless = mistake;
	call_begin(&call, &run, 0);
	call.result = LENGTH;
	call.command = XENVER_extraversion2;
	row(&family_version, 1, XENVER_extraversion2)->after(&call);
	return call.wrong[0];
}

static void what_is_cut_off_is_the_beginning(void **state)
{
	(void)state;
	assert_false(text_is_wrong(NOTHING));
	assert_true(text_is_wrong(OTHER_TEXT));
	assert_true(text_is_wrong(TOO_LITTLE_TAKEN));
}

static bool directory_is_wrong(enum careless mistake, uint64_t room)
{
	extern const struct family family_hypfs;
	struct call call;

	careless = mistake;
	call_begin(&call, &run, 0);
	call.areas[0] = (struct area){ .at = arena };
	call.areas[1] = (struct area){ .at = arena + DOOR_PAGE, .size = 512 };
	call.arguments[3] = area_sure(&call.areas[1]);
	call.arguments[4] = room;
	call.result = read_directory(call.areas[1].at, room);
	row(&family_hypfs, 0, XEN_HYPFS_OP_read)->after(&call);
	return call.wrong[0];
}

static void directories_are_read_to_their_end(void **state)
{
	(void)state;
	for (uint64_t room = 1; room < 100; room++)
		assert_false(directory_is_wrong(NOTHING, room));
	assert_true(directory_is_wrong(PADDING, 20));
	assert_true(directory_is_wrong(TOO_SMALL_READ, 20));
	assert_true(directory_is_wrong(LONG_ENTRY, 100));
	assert_true(directory_is_wrong(NAME_WITHOUT_END, 100));
}

/* Of many parameters that are set, and asked for, how often one was not what it must be. */
static unsigned int parameters_wrong(void)
{
	extern const struct family family_hvm;
	const struct operation *set = row(&family_hvm, 0, HVMOP_set_param);
	const struct operation *get = row(&family_hvm, 0, HVMOP_get_param);
	unsigned int wrong = 0;
	struct call call;

	memset(parameters, 0, sizeof(parameters));
	run.model.own[2] = (struct domain_model){
		.exists = true, .hvm = true, .id = DOMID_OWN_FIRST + 2,
	};
	for (uint64_t number = 0; number < CALLS; number++) {
		struct xen_hvm_param *p;

		call_begin(&call, &run, number);
		call.family = &family_hvm;
		call.operation = set;
		family_hvm.generate(&call);
		set->generate(&call);
		p = (void *)call.structure->at;
		p->domid = DOMID_OWN_FIRST + 2;
		set->expect(&call);
		call.result = call.expect.any[0];
		if (!call.result)
			call.result = parameter(HVMOP_set_param, p);
		wrong += !expect_holds(&call);
		set->after(&call);
		if (!call.result)
			parameter(HVMOP_get_param, p);
		get->after(&call);
		wrong += call.wrong[0] != '\0';
	}
	return wrong;
}

static void each_parameter_is_told_as_it_was_set(void **state)
{
	static const int plain[] = {
		HVM_PARAM_CALLBACK_IRQ, HVM_PARAM_STORE_PFN, HVM_PARAM_IDENT_PT,
		HVM_PARAM_MONITOR_RING_PFN, HVM_PARAM_X87_FIP_WIDTH, HVM_PARAM_VIRIDIAN,
		HVM_PARAM_VM86_TSS, HVM_PARAM_VM86_TSS_SIZED, HVM_PARAM_ALTP2M,
	};

	(void)state;
	assert_int_equal(parameters_wrong(), 0);
	for (size_t i = 0; i < COUNT(plain); i++) {
		lost = plain[i];
		assert_true(parameters_wrong() > 0);
	}
}

/* Whether a parameter that was set to 5 may be told as this, some time later. */
static bool later_told(uint64_t value)
{
	extern const struct family family_hvm;
	struct xen_hvm_param p = { .index = HVM_PARAM_STORE_PFN, .value = value };
	struct area area = { .at = (uint8_t *)&p, .size = sizeof(p) };
	struct domain_model domain = { .parameters = { [HVM_PARAM_STORE_PFN] = 5 } };
	struct call call;

	call_begin(&call, &run, 0);
	call.structure = &area;
	call.domain = &domain;
	row(&family_hvm, 0, HVMOP_get_param)->after(&call);
	return !call.wrong[0];
}

static void what_changed_since_is_seen(void **state)
{
	(void)state;
	assert_true(later_told(5));
	assert_false(later_told(6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(room_is_just_enough, begin),
		cmocka_unit_test_setup(what_is_cut_off_is_the_beginning, begin),
		cmocka_unit_test_setup(directories_are_read_to_their_end, begin),
		cmocka_unit_test_setup(each_parameter_is_told_as_it_was_set, begin),
		cmocka_unit_test_setup(what_changed_since_is_seen, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

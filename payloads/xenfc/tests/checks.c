/* Each check can fail: a stand-in for Xen that errs in one way at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "door.h"
#include "exits.h"
#include "plan.h"
#include "run.h"
#include "ticks.h"
#include "xenabi.h"

enum error {
	HONEST,
	WRONG_ERRNO,
	EINTR_LET_THROUGH,
	SUCCEEDS_ALWAYS,
	WRITES_PAST_THE_END,
	WRITES_BEFORE_THE_START,
	WRITES_FAR_AWAY,
	CHANGES_INPUT,
	OUTPUT_NOT_WRITTEN,
	OUTPUT_FROM_THE_STACK,
	TEXT_FROM_THE_STACK,
	UNKNOWN_HYPERCALL_SUCCEEDS,
	VERSION_REFUSED,
	NEIGHBOUR_SPOILT,
	FEATURE_MISSING,
	FEATURE_OF_OTHERS,
};

#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)

static enum error error;
static uint8_t *arena;
static uint8_t stack_left;	/* what the last sysctl or domctl left on our "stack" */
static char said[1 << 20];
static size_t said_size;

static bool reaches(uint64_t address, size_t size)
{
	return address >= (uintptr_t)arena && address + size <= (uintptr_t)arena + ARENA_SIZE;
}

static void write_features(struct xen_feature_info *info)
{
	info->submap = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
		1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |
		1u << XENFEAT_direct_mapped;
	if (error == FEATURE_MISSING)
		info->submap &= ~(1u << XENFEAT_highmem_assist);
	if (error == FEATURE_OF_OTHERS)
		info->submap |= 1u << XENFEAT_hvm_callback_vector;
	if (error == OUTPUT_FROM_THE_STACK)
		memset(&info->submap, stack_left, sizeof(info->submap));
	if (error == CHANGES_INPUT)
		info->submap_idx++;
	if (error == WRITES_PAST_THE_END && (uint8_t *)(info + 1) < arena + ARENA_SIZE)
		*(uint8_t *)(info + 1) ^= 1;
	if (error == WRITES_FAR_AWAY)
		arena[10 * DOOR_PAGE] = 0;
	if (error == WRITES_BEFORE_THE_START)
		((uint8_t *)info)[-1] ^= 1;
}

static long get_features(uint64_t address)
{
	struct xen_feature_info *info = (void *)(uintptr_t)address;

	if (error == EINTR_LET_THROUGH)
		return -4;
	if (!reaches(address, sizeof(*info)))
		return error == SUCCEEDS_ALWAYS ? 0 : -XEN_EFAULT;
	if (info->submap_idx >= XENFEAT_NR_SUBMAPS)
		return error == WRONG_ERRNO ? -XEN_EPERM : -XEN_EINVAL;
	if (error != OUTPUT_NOT_WRITTEN)
		write_features(info);
	return 0;
}

/* What guests are told. */
static long get_text(uint64_t address)
{
	xen_extraversion_t *text = (void *)(uintptr_t)address;

	if (!reaches(address, sizeof(*text)))
		return -XEN_EFAULT;
	memset(*text, 0, sizeof(*text));
	strcpy(*text, "<denied>");
	if (error == TEXT_FROM_THE_STACK)
		(*text)[sizeof(*text) - 1] = (char)stack_left;
	return 0;
}

static long version(uint64_t command, uint64_t address)
{
	if (command == XENVER_version)
		return error == VERSION_REFUSED ? -XEN_EPERM : 4 << 16 | 17;
	if (command == XENVER_get_features)
		return get_features(address);
	if (command == XENVER_extraversion)
		return get_text(address);
	return -XEN_ENOSYS;
}

/* domctl and sysctl as a guest sees them. */
static long control(uint64_t address)
{
	const uint32_t *words = (void *)(uintptr_t)address;

	if (!reaches(address, 16))
		return -XEN_EFAULT;
	stack_left = (uint8_t)words[3];
	return words[1] == 0x15 ? -XEN_EPERM : -XEN_EACCES;
}

static long hypercall(struct door *door, unsigned int number, const uint64_t a[5]);

static long multicall(struct door *door, const uint64_t a[5])
{
	struct multicall_entry *entries = (void *)(uintptr_t)a[0];

	for (uint64_t i = 0; i < a[1]; i++)
		entries[i].result = (unsigned long)hypercall(door, (unsigned int)entries[i].op,
							     (const uint64_t *)entries[i].args);
	if (error == NEIGHBOUR_SPOILT)
		entries[2].result = 0;
	return 0;
}

static long hypercall(struct door *door, unsigned int number, const uint64_t a[5])
{
	switch (number) {
	case __HYPERVISOR_xen_version:
		return version(a[0], a[1]);
	case __HYPERVISOR_domctl:
	case __HYPERVISOR_sysctl:
		return control(a[0]);
	case __HYPERVISOR_platform_op:
		return -XEN_EPERM;
	case __HYPERVISOR_multicall:
		return multicall(door, a);
	case __HYPERVISOR_event_channel_op:
		return 0;
	default:
		return error == UNKNOWN_HYPERCALL_SUCCEEDS ? 0 : -XEN_ENOSYS;
	}
}

static void keep(struct door *door, const char *text, size_t size)
{
	(void)door;
	if (size < sizeof(said) - said_size) {
		memcpy(said + said_size, text, size);
		said_size += size;
	}
	said[said_size] = '\0';
}

static uint64_t now(struct door *door)
{
	static uint64_t moment;

	(void)door;
	return moment += 1000;
}

static int run_with(enum error planted, struct outcome *outcome)
{
	struct door door = {
		.name = "stand-in", .hypercall = hypercall, .write = keep, .mark = keep,
		.now_ns = now, .ticks = ticks, .arena = arena,
		.unmapped = (uintptr_t)arena - 64 * DOOR_PAGE,
	};
	struct plan plan;

	error = planted;
	said_size = 0;
	plan_default(&plan);
	plan.seed = 1;
	plan.loops = 3000;
	plan.telling = TELL_BLOCKS;
	plan.only = "version.get_features,version.extraversion";
	return xenfc_main(&door, &plan, outcome);
}

static void honest_xen_passes(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(run_with(HONEST, &outcome), EXIT_PASS);
	assert_int_equal(outcome.made, 3000);
	assert_int_equal(outcome.failed, 0);
	assert_null(strstr(said, "FAIL"));
}

static void every_error_is_seen(void **state)
{
	static const struct { enum error error; const char *words; } errors[] = {
		{ WRONG_ERRNO, "FAIL: errno=-1 expected -22: unexpected result" },
		{ EINTR_LET_THROUGH, "-4 is no error that a caller may see" },
		{ SUCCEEDS_ALWAYS, "FAIL: errno=0 expected -14: unexpected result" },
		{ WRITES_PAST_THE_END, "Xen wrote past the end of a buffer" },
		{ WRITES_BEFORE_THE_START, "Xen wrote to the memory before a buffer" },
		{ CHANGES_INPUT, "which is no output" },
		{ OUTPUT_NOT_WRITTEN, "Xen left the output submap undefined" },
		{ OUTPUT_FROM_THE_STACK, "two calls in a row gave different submap" },
		{ TEXT_FROM_THE_STACK, "two calls in a row filled byte 15 of a buffer with" },
		{ UNKNOWN_HYPERCALL_SUCCEEDS, "expected -38: unexpected result" },
		{ NEIGHBOUR_SPOILT, "its neighbours in the multicall" },
		{ FEATURE_MISSING, "must be there" },
		{ FEATURE_OF_OTHERS, "must not" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct outcome outcome;

		assert_int_equal(run_with(errors[i].error, &outcome), EXIT_FAIL);
		assert_true(outcome.failed > 0);
		assert_non_null(strstr(said, errors[i].words));
		assert_non_null(strstr(outcome.reason, "seed 1 call "));
	}
}

static void writing_far_away_is_seen_at_the_end(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(run_with(WRITES_FAR_AWAY, &outcome), EXIT_FAIL);
	assert_non_null(strstr(said, "far from any buffer"));
}

static void closed_door_is_a_skip_with_its_reason(void **state)
{
	struct outcome outcome;

	(void)state;
	assert_int_equal(run_with(VERSION_REFUSED, &outcome), EXIT_SKIP);
	assert_non_null(strstr(outcome.reason, "XSA-482"));
	assert_int_equal(outcome.made, 0);
}

/* Byte for byte: what a kernel of our own may do besides is in the dry run of both. */
static void both_doors_have_one_sequence(void **state)
{
	static char first[sizeof(said)];

	(void)state;
	for (int owns = 0; owns < 2; owns++) {
		struct door door = {
			.name = "stand-in", .write = keep, .mark = keep, .now_ns = now,
			.ticks = ticks,
			.arena = arena, .unmapped = (uintptr_t)arena - 64 * DOOR_PAGE,
			.owns_kernel = owns,
		};
		struct plan plan;

		said_size = 0;
		plan_default(&plan);
		plan.seed = 4;
		plan.loops = 1500;
		plan.dry_run = true;
		assert_int_equal(xenfc_main(&door, &plan, NULL), EXIT_PASS);
		assert_true(said_size > 100000 && said_size < sizeof(said) - 1000);
		if (!owns)
			memcpy(first, said, sizeof(first));
	}
	assert_string_equal(first, said);
}

static void table_fits_into_a_run(void **state)
{
	size_t operations = 0, families = 0;

	(void)state;
	for (; all_families[families]; families++)
		for (size_t p = 0; p < all_families[families]->n_parts; p++)
			operations += *all_families[families]->parts[p].count;
	assert_in_range(operations, 100, MAX_CHOICES);
	assert_in_range(families, 10, MAX_FAMILIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest_xen_passes),
		cmocka_unit_test(every_error_is_seen),
		cmocka_unit_test(writing_far_away_is_seen_at_the_end),
		cmocka_unit_test(closed_door_is_a_skip_with_its_reason),
		cmocka_unit_test(both_doors_have_one_sequence),
		cmocka_unit_test(table_fits_into_a_run),
	};

	arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	return arena ? cmocka_run_group_tests(tests, NULL, NULL) : 99;
}

/* What is told for the case of a crash, beside a stand-in that may count one processor too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "run.h"

#define CALLS 5000u
#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)
#define PROCESSORS 3u
#define FAMILY_NUMBER 25u

extern const struct family family_kexec, family_mca;

static struct run run;
static struct door door;
static uint8_t *arena;
static bool threadless;	/* the last of them */
static uint32_t careless;	/* how many processors more there are for the stand-in */

/* What a processor is, is all that is asked beside the sequence. */
static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	struct xen_platform_op *op = (void *)(uintptr_t)arguments[0];

	(void)from;
	assert_int_equal(number, __HYPERVISOR_platform_op);
	assert_int_equal(op->cmd, XENPF_get_cpu_version);
	op->u.pcpu_version.family = FAMILY_NUMBER;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	door = (struct door){ .arena = arena, .unmapped = 1ull << 40, .hypercall = hypercall };
	run.door = &door;
	run.machine.control = true;
	run.machine.online = run.machine.processors = PROCESSORS;
	careless = 0;
	threadless = false;
	return 0;
}

/* False: the family refuses it already. */
static bool make(struct call *call, const struct family *family, uint32_t command, uint64_t number)
{
	const struct operation *row = family->parts[0].list;

	while (row->command != command)
		row++;
	memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
	call_begin(call, &run, number);
	call->family = family;
	call->operation = row;
	call->command = command;
	family->generate(call);
	if (row->generate)
		row->generate(call);
	if (!family->expect(call))
		return false;
	row->expect(call);
	return true;
}

static bool reach(uint64_t address)
{
	return address >= (uintptr_t)arena && address < (uintptr_t)arena + ARENA_BYTES;
}

static long range(const xen_kexec_range_t *asked)
{
	switch (asked->range) {
	case KEXEC_RANGE_MA_CRASH:
	case KEXEC_RANGE_MA_XEN:
	case KEXEC_RANGE_MA_VMCOREINFO:
		return 0;
	case KEXEC_RANGE_MA_CPU:
		return asked->nr < 0 || asked->nr >= (int)(PROCESSORS + careless) ? ERR(ERANGE) :
			0;
	default:
		return ERR(EINVAL);
	}
}

static unsigned int failures_of_ranges(void)
{
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		if (!make(&call, &family_kexec, KEXEC_CMD_kexec_get_range, number) ||
		    call.arguments[1] != area_sure(&call.areas[0]))
			continue;
		call.result = range((const void *)call.areas[0].at);
		failed += !expect_holds(&call);
	}
	return failed;
}

static void notes_of_a_processor_that_is_not_there_are_refused(void **state)
{
	(void)state;
	assert_int_equal(failures_of_ranges(), 0);
	careless = 1;
	assert_true(failures_of_ranges() > 10);
}

/* As many as there are room and processors for; the last one may have no thread. */
static void tell_processors(uint64_t at, uint32_t count)
{
	xen_mc_logical_cpu_t told;

	for (uint32_t i = 0; i < count; i++) {
		memset(&told, 0, sizeof(told));
		told.mc_cpunr = i;
		told.mc_ncores = told.mc_ncores_active = told.mc_nmsrvals = 1;
		told.mc_nthreads = !(threadless && i == count - 1);
		told.mc_family = FAMILY_NUMBER;
		memcpy((void *)(uintptr_t)(at + i * sizeof(told)), &told, sizeof(told));
	}
}

static long processors(struct xen_mc_physcpuinfo *p)
{
	uint64_t info = handle_value(&p->info);

	if (info && !p->ncpus)
		return ERR(EINVAL);
	if (info && p->ncpus > INT32_MAX)
		return ERR(ENOMEM);
	if (!info || p->ncpus > PROCESSORS)
		p->ncpus = PROCESSORS;
	p->ncpus += careless;
	if (reach(info))
		tell_processors(info, p->ncpus < PROCESSORS ? p->ncpus : PROCESSORS);
	return !info || reach(info) ? 0 : ERR(EFAULT);
}

static unsigned int failures_of_processors(void)
{
	unsigned int failed = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		struct xen_mc *mc;

		if (!make(&call, &family_mca, XEN_MC_physcpuinfo, number))
			continue;
		mc = (void *)call.areas[0].at;
		if (call.areas[1].out_size == 0 && handle_value(&mc->u.mc_physcpuinfo.info))
			continue;	/* out of reach in a way of its own */
		call.result = processors(&mc->u.mc_physcpuinfo);
		call.operation->after(&call);
		failed += !expect_holds(&call) || call.wrong[0];
	}
	return failed;
}

static void processors_that_are_not_there_are_not_told(void **state)
{
	(void)state;
	assert_int_equal(failures_of_processors(), 0);
	careless = 1;
	assert_true(failures_of_processors() > 10);
	careless = 0;
	threadless = true;
	assert_true(failures_of_processors() > 10);
}

static unsigned int calls_with_less_room_than_processors(void)
{
	unsigned int found = 0;
	struct call call;

	for (uint64_t number = 0; number < CALLS; number++) {
		const struct xen_mc *mc;

		make(&call, &family_mca, XEN_MC_physcpuinfo, number);
		mc = (void *)call.areas[0].at;
		found += mc->u.mc_physcpuinfo.ncpus && mc->u.mc_physcpuinfo.ncpus < PROCESSORS;
	}
	return found;
}

/* Xen 4.17 overruns its memory: seen as a page fault when that was given back. */
static void xen_is_not_made_to_overrun_its_memory(void **state)
{
	(void)state;
	assert_int_equal(calls_with_less_room_than_processors(), 0);
	run.plan.allow = DANGER_FATAL;
	assert_true(calls_with_less_room_than_processors() > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(notes_of_a_processor_that_is_not_there_are_refused, begin),
		cmocka_unit_test_setup(processors_that_are_not_there_are_not_told, begin),
		cmocka_unit_test_setup(xen_is_not_made_to_overrun_its_memory, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

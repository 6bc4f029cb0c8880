/* What a domain is given, beside a stand-in for Xen that forgets one thing at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "window.h"

#define FRAME 0x12345u
#define SHARED_FRAME 0x777u
#define STUB_BYTES 32u
#define STUB_NUMBER 4u
#define OFFSET 3600
#define WRITABLE 2u	/* in the entry of a page */

enum careless {
	NOTHING, TYPE, STUB, CLEARING, PIN, TABLE, TIME, MODE, INCARNATION, POOL, WEIGHT, CAP,
	UNTOLD, MISTAKES,
};

static struct run run;
static struct door door;
static struct domain_model domain;
static struct shared_info ours;
static struct xen_domctl asked;
static struct area area = { .at = (uint8_t *)&asked, .size = sizeof(asked) };
static uint8_t page[DOOR_PAGE];
static uint64_t frames[DOOR_ARENA_PAGES];
static bool pinned, locked;
static enum careless careless;

static void fill(void)
{
	for (uint32_t number = 0; number < DOOR_PAGE / STUB_BYTES; number++) {
		uint32_t told = careless == STUB && number == 9 ? 8 : number;

		memcpy(page + number * STUB_BYTES + STUB_NUMBER, &told, sizeof(told));
	}
}

static long tell_type(const struct xen_domctl *d)
{
	uint64_t address = handle_value(&d->u.getpageframeinfo3.array);
	uint64_t *frame = (uint64_t *)(uintptr_t)address;

	if (locked)
		return careless == UNTOLD ? 0 : ERR(EFAULT);
	if (*frame == SHARED_FRAME)
		*frame = XEN_DOMCTL_PFINFO_XTAB;
	else if (pinned && careless != PIN)
		*frame = XEN_DOMCTL_PFINFO_L1TAB | XEN_DOMCTL_PFINFO_LPINTAB;
	else
		*frame = careless == TYPE ? XEN_DOMCTL_PFINFO_XTAB : XEN_DOMCTL_PFINFO_NOTAB;
	return 0;
}

static long control(struct xen_domctl *d)
{
	switch (d->cmd) {
	case DOMCTL(getdomaininfo):
		d->u.getdomaininfo.shared_info_frame = SHARED_FRAME;
		return 0;
	case DOMCTL(getpageframeinfo3):
		return tell_type(d);
	case DOMCTL(hypercall_init):
		if (pinned)
			return careless == TABLE ? 0 : ERR(EPERM);
		fill();
		return 0;
	case DOMCTL(gettscinfo):
		d->u.tsc_info.tsc_mode = asked.u.tsc_info.tsc_mode + (careless == MODE);
		d->u.tsc_info.incarnation = asked.u.tsc_info.incarnation +
			(careless != INCARNATION);
		return 0;
	case DOMCTL(get_paging_mempool_size):
		d->u.paging_mempool.size = asked.u.paging_mempool.size -
			(careless == POOL ? DOOR_PAGE : 0);
		return 0;
	default:
		assert_int_equal(d->cmd, DOMCTL(scheduler_op));
		d->u.scheduler_op.u.credit2 = asked.u.scheduler_op.u.credit2;
		d->u.scheduler_op.u.credit2.weight -= careless == WEIGHT;
		d->u.scheduler_op.u.credit2.cap -= careless == CAP;
		return 0;
	}
}

static long extended(const struct mmuext_op *op)
{
	switch (op->cmd) {
	case MMUEXT_CLEAR_PAGE:
		if (pinned)
			return ERR(EINVAL);
		if (careless != CLEARING)
			memset(page, 0, sizeof(page));
		return 0;
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_UNPIN_TABLE:
		if (pinned == (op->cmd == MMUEXT_PIN_L1_TABLE))
			return ERR(EINVAL);
		pinned = !pinned;
		return 0;
	default:
		return ERR(ENOSYS);
	}
}

static long see(uint64_t entry)
{
	struct shared_info *shared = window_page(WINDOW_SECOND);

	memcpy(shared, page, sizeof(page));
	if (entry / DOOR_PAGE == SHARED_FRAME) {
		memset(shared, 0, sizeof(*shared));
		shared->wc_sec = ours.wc_sec + (careless == TIME ? 0 : OFFSET);
	}
	return 0;
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	switch (number) {
	case __HYPERVISOR_domctl:
		return control((void *)(uintptr_t)arguments[0]);
	case __HYPERVISOR_mmuext_op:
		return extended((const void *)(uintptr_t)arguments[0]);
	case __HYPERVISOR_update_va_mapping_otherdomain:
		return see(arguments[1]);
	default:
		assert_int_equal(number, __HYPERVISOR_update_va_mapping);
		if (arguments[1])	/* else a window is closed */
			locked = !(arguments[1] & WRITABLE);
		return 0;
	}
}

static const struct operation *row_of(const struct operation *list, size_t count, uint32_t command)
{
	while (count && list->command != command)
		list++, count--;
	assert_true(count > 0);
	return list;
}

static bool is_wrong_after(const struct operation *list, size_t count, uint32_t command)
{
	struct call *call = &run.call;

	call_begin(call, &run, 0);
	call->operation = row_of(list, count, command);
	call->structure = &area;
	call->domain = &domain;
	call->operation->after(call);
	return call->wrong[0];
}

static bool pages_are_wrong(uint32_t command)
{
	return is_wrong_after(domctl_pages, domctl_pages_count, command);
}

static bool parameters_are_wrong(uint32_t command)
{
	return is_wrong_after(domctl_parameters, domctl_parameters_count, command);
}

static bool anything_is_wrong(enum careless mistake)
{
	bool wrong = false;

	careless = mistake;
	pinned = false;
	memset(page, 0, sizeof(page));
	wrong |= pages_are_wrong(DOMCTL(getpageframeinfo3));
	asked.u.settimeoffset.time_offset_seconds = OFFSET;
	wrong |= pages_are_wrong(DOMCTL(settimeoffset));
	asked.u.tsc_info = (struct xen_domctl_tsc_info){ .tsc_mode = 1, .incarnation = 7 };
	wrong |= parameters_are_wrong(DOMCTL(settscinfo));
	asked.u.paging_mempool.size = 16 * DOOR_PAGE;
	wrong |= parameters_are_wrong(DOMCTL(set_paging_mempool_size));
	asked.u.scheduler_op = (struct xen_domctl_scheduler_op){
		.sched_id = XEN_SCHEDULER_CREDIT2, .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
		.u.credit2 = { .weight = 256, .cap = 50 },
	};
	wrong |= parameters_are_wrong(DOMCTL(scheduler_op));
	return wrong;
}

static void what_is_given_is_told_and_seen(void **state)
{
	(void)state;
	assert_false(anything_is_wrong(NOTHING));
	for (unsigned int mistake = NOTHING + 1; mistake < MISTAKES; mistake++)
		assert_true(anything_is_wrong(mistake));
}

#define NO_REASON ((uint32_t)XEN_DOMINF_shutdownmask << XEN_DOMINF_shutdownshift)
#define REASON 3u

static const char *info_wrong(uint32_t flags, bool shut, uint64_t pages)
{
	struct xen_domctl_getdomaininfo info = {
		.flags = flags | (shut ? REASON << XEN_DOMINF_shutdownshift : NO_REASON),
		.tot_pages = pages,
	};
	struct domain_model model = {
		.exists = true, .shut = shut, .shut_code = REASON, .pages = 5,
	};

	return domain_info_wrong(&info, &model);
}

static void what_became_of_a_domain_is_told(void **state)
{
	(void)state;
	assert_null(info_wrong(0, false, 5));
	assert_null(info_wrong(XEN_DOMINF_shutdown, true, 5));
	assert_non_null(info_wrong(0, true, 5));
	assert_non_null(info_wrong(XEN_DOMINF_shutdown, false, 5));
	assert_non_null(info_wrong(XEN_DOMINF_running, false, 5));
	assert_non_null(info_wrong(XEN_DOMINF_dying, false, 5));
	assert_non_null(info_wrong(0, false, 4));
	assert_non_null(info_wrong(XEN_DOMINF_shutdown | 4u << XEN_DOMINF_shutdownshift, true, 5));
	assert_non_null(info_wrong(XEN_DOMINF_hap, false, 5));
	assert_non_null(info_wrong(XEN_DOMINF_xs_domain, false, 5));
	assert_non_null(info_wrong(XEN_DOMINF_blocked, false, 5));
}

static unsigned int heaviest(unsigned int allow)
{
	const struct operation *row = row_of(domctl_parameters, domctl_parameters_count,
					     DOMCTL(scheduler_op));
	unsigned int most = 0;

	run.plan.allow = allow;
	for (uint64_t number = 0; number < 1000; number++) {
		call_begin(&run.call, &run, number);
		run.call.structure = &area;
		row->generate(&run.call);
		if (asked.u.scheduler_op.u.credit2.weight > most)
			most = asked.u.scheduler_op.u.credit2.weight;
	}
	run.plan.allow = 0;
	return most;
}

static void no_domain_outweighs_the_caller(void **state)
{
	(void)state;
	assert_int_equal(heaviest(0), 256);
	assert_true(heaviest(DANGER_FATAL) > 256);
}

static uint64_t clock_after_processors(uint32_t emulation)
{
	domain.hvm = true;
	domain.emulation = emulation;
	domain.has_vcpus = false;
	memset(domain.parameters, 0, sizeof(domain.parameters));
	is_wrong_after(domctl_limits, domctl_limits_count, DOMCTL(max_vcpus));
	return domain.parameters[HVM_PARAM_HPET_ENABLED];
}

/* Whether it says so is then not known any more. */
static void a_clock_may_come_with_the_first_processor(void **state)
{
	(void)state;
	assert_true(clock_after_processors(XEN_X86_EMU_HPET) == PARAMETER_UNKNOWN);
	assert_true(clock_after_processors(XEN_X86_EMU_LAPIC) == 0);
	domain.hvm = domain.has_vcpus = false;
}

static int begin(void **state)
{
	(void)state;
	door = (struct door){
		.hypercall = hypercall, .shared = &ours, .owns_kernel = true,
		.arena_frames = frames,
		.arena = aligned_alloc(DOOR_PAGE, ARENA_BYTES),
	};
	memset(door.arena, 0, ARENA_BYTES);
	run.door = &door;
	run.machine.hardware = true;
	domain = (struct domain_model){ .exists = true, .id = DOMID_OWN_FIRST, .frame = FRAME };
	ours.wc_sec = 1000000;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(door.arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_is_told_and_seen),
		cmocka_unit_test(what_became_of_a_domain_is_told),
		cmocka_unit_test(no_domain_outweighs_the_caller),
		cmocka_unit_test(a_clock_may_come_with_the_first_processor),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

/* A small HVM machine that is made, runs to its end and goes: all in one call of the sequence. */
#include "domctl.h"
#include "guest_code.h"
#include "machine_frames.h"
#include "machine_paging.h"
#include "machine_state.h"
#include "patience.h"
#include "surroundings.h"
#include "waiting.h"
#include "window.h"

#include <xen/hvm/save.h>

#define RUN_PERCENT 1
#define FRAMES_PERCENT 40	/* it is only given frames, and does not run */
#define NO_SUCH_FLAG (2u * XEN_DOMCTL_CDF_MAX)
#define KILOBYTES 1024u
#define LOOK_EVERY_NS 1000000u
#define LOOKS 10u
#define PATIENCE_NS 1000000000u

enum life { LIFE_RUNS, LIFE_OF_FRAMES };

/* Before anything is made. */
static bool refused_at_once(const struct call *call, uint32_t flags)
{
	const struct machine *m = &call->run->machine;

	if (flags & NO_SUCH_FLAG || !m->hvm)
		return true;
	return flags & XEN_DOMCTL_CDF_hap ? !m->hap : !m->shadow && since(call, RELEASE(4, 22));
}

static void generate_running(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);
	struct xen_domctl_createdomain *c = &d->u.createdomain;

	memset(c, 0, sizeof(*c));
	d->domain = DOMID_RUNNING;
	call->domain = NULL;
	c->flags = XEN_DOMCTL_CDF_hvm | (chance(call, 60) ? XEN_DOMCTL_CDF_hap : 0);
	c->flags |= paging_needed(call, c->flags);
	c->max_vcpus = 1;
	c->max_evtchn_port = 1023;
	c->max_grant_frames = c->max_maptrack_frames = -1;
	c->grant_opts = XEN_DOMCTL_GRANT_version(1);
	c->arch.emulation_flags = chance(call, 20) ? XEN_X86_EMU_LAPIC :
		XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
	call->note = LIFE_RUNS;
	if (!chance(call, RUN_PERCENT)) {	/* that costs as much as thousands of other calls */
		call->note = LIFE_OF_FRAMES;
		if (!chance(call, FRAMES_PERCENT))
			c->flags |= NO_SUCH_FLAG;
	}
	if (refused_at_once(call, c->flags) && since(call, RELEASE(4, 21)) && !may_break_xen(call))
		d->domain = number_to_lose(call);
}

static void expect_running(struct call *call)
{
	uint32_t flags = domctl_of(call)->u.createdomain.flags;

	if (refused_at_once(call, flags)) {
		expect_only(call, ERR(EINVAL));
		expect_number_lost(call);
	} else if (!(flags & XEN_DOMCTL_CDF_hap) && !call->run->machine.shadow) {
		expect_only(call, ERR(EOPNOTSUPP));
		expect_number_kept(call, call->run->model.runner_died);
	} else {
		expect_only(call, 0);
		expect_number_kept(call, call->run->model.runner_died);
	}
}

static bool must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a machine that is to run gave %ld, expected %ld", what, result,
			   expected);
	return result == expected;
}

static struct xen_domctl *structure(struct call *call)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);

	memset(d, 0, sizeof(*d));
	return d;
}

static long order(struct call *call, uint32_t command)
{
	return domctl_aside(call->run, command, DOMID_RUNNING);
}

static long set_limits(struct call *call)
{
	long result;

	structure(call)->u.max_mem.max_memkb = KILOBYTES;
	result = order(call, XEN_DOMCTL_max_mem);
	if (result)
		return result;
	structure(call)->u.max_vcpus.max = 1;
	return order(call, XEN_DOMCTL_max_vcpus);
}

static long give_memory(struct call *call)
{
	struct run *run = call->run;
	struct xen_memory_reservation *r = (void *)(run->door->arena + ARENA_ASIDE);
	xen_pfn_t *frames = (void *)(r + 1);

	memset(r, 0, sizeof(*r));
	r->domid = DOMID_RUNNING;
	r->nr_extents = GUEST_PAGES;
	set_xen_guest_handle(r->extent_start, frames);
	for (unsigned int i = 0; i < GUEST_PAGES; i++)
		frames[i] = i;
	return aside(run, __HYPERVISOR_memory_op, XENMEM_populate_physmap, (uintptr_t)r, 0);
}

static bool write_memory(struct call *call, const struct guest_code *code)
{
	for (unsigned int i = 0; i < GUEST_PAGES; i++) {
		uint8_t *page = window_page(WINDOW_SECOND);

		if (!must(call, "mapping a page of",
			  window_open(call->run, WINDOW_SECOND, i, DOMID_RUNNING), 0))
			return false;
		memset(page, 0, DOOR_PAGE);
		guest_code_write(call, code, i, page);
	}
	return must(call, "unmapping a page of", window_close(call->run, WINDOW_SECOND), 0);
}

static long start(struct call *call, const struct guest_code *code)
{
	long result;

	guest_code_start(code, machine_saved_begin(call, HVM_SAVE_CODE(CPU), HVM_SAVE_LENGTH(CPU)));
	result = machine_load(call, DOMID_RUNNING, 0);
	if (result)
		return result;
	structure(call);
	return order(call, XEN_DOMCTL_unpausedomain);
}

static void sleep_a_little(struct call *call)
{
	struct run *run = call->run;
	struct sched_poll *poll = (void *)(run->door->arena + ARENA_ASIDE);

	memset(poll, 0, sizeof(*poll));
	poll->timeout = run->door->now_ns(run->door) + LOOK_EVERY_NS;
	aside(run, __HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)poll, 0);
}

/* What it shut itself down with; negative: it did not in the time it had. */
static int follow(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;

	for (unsigned int i = 0; i < LOOKS; i++) {
		sleep_a_little(call);
		info = domain_read(call->run, DOMID_RUNNING);
		if (!info) {
			call_wrong(call, "a machine that ran is gone");
			return -1;
		}
		if (info->flags & XEN_DOMINF_shutdown)
			return info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
	}
	return -1;
}

/* What it executed may be anything, but not nothing: nobody has it wait any more. */
static void check_ran(struct call *call)
{
	struct patience patience = patience_begin(call->run->door, PATIENCE_NS);

	do {
		const struct xen_domctl *d = structure(call);

		if (!must(call, "asking for the time of", order(call, XEN_DOMCTL_getvcpuinfo), 0) ||
		    d->u.getvcpuinfo.cpu_time)
			return;
		sleep_a_little(call);
	} while (patience_lasts(&patience));
	call_wrong(call, "a machine that was started has never run");
}

static void check_results(struct call *call, const struct guest_code *code, int end)
{
	const uint8_t *results = window_page(WINDOW_SECOND);
	const struct guest_check *check;
	unsigned int first;

	if (!must(call, "looking into the memory of",
		  window_open(call->run, WINDOW_SECOND, GUEST_RESULTS_PAGE, DOMID_RUNNING), 0))
		return;
	first = guest_code_differs(code, results);
	check = &code->checks[first];
	if (first < GUEST_CHECKS)
		call_wrong(call, "Xen emulates %x %x %x %x %x (%u bits) otherwise than the processor",
			   check->bytes[0], check->bytes[1], check->bytes[2], check->bytes[3],
			   check->bytes[4], code->wide ? 64 : 32);
	else if (end == GUEST_END && !guest_code_complete(results))
		call_wrong(call, "a machine came to its end without what comes before");
	window_close(call->run, WINDOW_SECOND);
}

/* All of its state can be had, and is taken again; what is wild may have a state that is not. */
static void save_and_load(struct call *call, bool certain)
{
	struct xen_domctl *d = structure(call);
	uint64_t address = (uintptr_t)machine_saved_at(call);
	long result;

	order(call, XEN_DOMCTL_pausedomain);
	order(call, XEN_DOMCTL_gethvmcontext);	/* only the size */
	if (d->u.hvmcontext.size > MACHINE_SAVED_BYTES)
		return;
	memcpy(&d->u.hvmcontext.buffer, &address, sizeof(address));
	result = order(call, XEN_DOMCTL_gethvmcontext);
	if (!result)
		result = machine_load(call, DOMID_RUNNING, d->u.hvmcontext.size);
	if (certain)
		must(call, "saving and loading", result, 0);
}

/* Without HAP Xen emulates what writes to page tables: nothing at random then. */
void running_code_draw(struct call *call, struct guest_code *code)
{
	guest_code_draw(call, code);
	if (!(domctl_of(call)->u.createdomain.flags & XEN_DOMCTL_CDF_hap) && !may_break_xen(call))
		code->checked = true;
}

static long ask_for_context(struct call *call)
{
	struct xen_domctl *d = structure(call);
	uint64_t address = (uintptr_t)machine_saved_at(call);

	memcpy(&d->u.vcpucontext.ctxt, &address, sizeof(address));
	return order(call, XEN_DOMCTL_getvcpucontext);
}

/* A processor without a state is as new: it has none to tell, and is not online. */
static void reset_processor(struct call *call)
{
	const struct xen_domctl *d;

	must(call, "asking for the state of", ask_for_context(call), 0);
	structure(call);
	must(call, "taking the state from", order(call, XEN_DOMCTL_setvcpucontext), 0);
	must(call, "asking for no state of", ask_for_context(call), ERR(ENODATA));
	d = structure(call);
	must(call, "asking for the processor of", order(call, XEN_DOMCTL_getvcpuinfo), 0);
	if (d->u.getvcpuinfo.online)
		call_wrong(call, "a processor is online whose state was taken away");
}

static void live(struct call *call)
{
	struct surroundings around = {
		.call = call, .id = DOMID_RUNNING, .certain = true,
		.controllers = domctl_of(call)->u.createdomain.arch.emulation_flags !=
			XEN_X86_EMU_LAPIC,
	};
	struct guest_code code;
	bool held;
	int end;

	running_code_draw(call, &code);
	if (!must(call, "limiting", set_limits(call), 0) ||
	    !must(call, "giving memory to", give_memory(call), GUEST_PAGES) ||
	    !write_memory(call, &code))
		return;
	surroundings_before(&around);
	orders_before(&around);
	held = processor_held(&around);
	if (!must(call, "starting", start(call, &code), 0))
		return;
	if (held) {
		sleep_a_little(call);
		processor_let_go(&around);
	}
	surroundings_while(&around);
	end = follow(call);
	if (end < 0 && !call->wrong[0])
		check_ran(call);
	around.certain = code.checked;
	if (code.checked)
		check_results(call, &code, end);
	save_and_load(call, around.certain);
	surroundings_after(&around);
	reset_processor(call);
}

/* Its memory is nobody's before its first processor. */
static void have_frames(struct call *call)
{
	const struct surroundings around = { .call = call, .id = DOMID_RUNNING, .certain = true };

	structure(call)->u.max_mem.max_memkb = KILOBYTES;
	if (!must(call, "limiting", order(call, XEN_DOMCTL_max_mem), 0))
		return;
	machine_frames(&around);
	if (domctl_of(call)->u.createdomain.flags & XEN_DOMCTL_CDF_hap) {
		machine_log(&around);
		machine_paging(&around);
		machine_state(&around);
		machine_reset(&around);
	}
}

/* The last that has to do with it may be done a little later. */
static bool is_gone_soon(struct call *call)
{
	struct patience patience = patience_begin(call->run->door, PATIENCE_NS);

	do {
		if (!domain_read(call->run, DOMID_RUNNING))
			return true;
		sleep_a_little(call);
	} while (patience_lasts(&patience));
	return false;
}

static void after_running(struct call *call)
{
	if (call->result)
		return;
	if (call->note == LIFE_RUNS)
		live(call);
	else
		have_frames(call);
	structure(call);
	must(call, "destroying", order(call, XEN_DOMCTL_destroydomain), 0);
	call->run->model.runner_died = true;
	if (!is_gone_soon(call))
		call_wrong(call, "a machine that ran is still there");
}

static const struct field running_fields[] = {
	DOMCTL_FIELD(createdomain.flags, FLOW_INOUT),
	DOMCTL_FIELD(createdomain.arch.emulation_flags, FLOW_IN),
	FIELDS_END,
};

const struct operation domctl_running[] = {
	{ .name = "machine_that_runs", .command = DOMCTL(createdomain), .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_ONCE, .weight = 1, .fields = running_fields,
	  .generate = generate_running, .expect = expect_running, .after = after_running },
};
const size_t domctl_running_count = COUNT(domctl_running);

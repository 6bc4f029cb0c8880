/*
 * Where Xen tells a processor how its time passes: in memory of ours for as long as the call takes.
 * It is told there what it is told elsewhere, and nothing any more once the place is taken back.
 */
#include "vcpu_areas.h"

#include "run.h"

#include <xen/sched.h>

#define PLACE (ARENA_ASIDE + DOOR_PAGE)
#define PLACE_BYTES 128u
#define NOWHERE UINT64_MAX
#define NO_MEMORY (1ull << 51)	/* an address that no machine has */
#define TRIES 100u	/* what is told may change between two looks at it */

static void *place(const struct call *call)
{
	return call->run->door->arena + PLACE;
}

/* Of all kinds of places the address is all there is. */
static void give_address(struct call *call, uint64_t at)
{
	memcpy(call->structure->at, &at, sizeof(at));
	if (!call->run->plan.dry_run)
		memset(place(call), ARENA_BACKGROUND, PLACE_BYTES);
}

static void generate_place(struct call *call)
{
	give_address(call, (uintptr_t)place(call));
}

static uint64_t given_address(const struct call *call)
{
	uint64_t at;

	memcpy(&at, call->structure->at, sizeof(at));
	return at;
}

/* Where the place is in the machine's memory, which is how a PV domain counts its own. */
static uint64_t machine_address(const struct call *call)
{
	const unsigned int page = PLACE / DOOR_PAGE;

	return DOOR_PAGE *
		(call->run->plan.dry_run ? page : call->run->door->arena_frames[page]);
}

static uint64_t size_of_kind(const struct call *call)
{
	return call->command == VCPUOP_register_runstate_phys_area ?
		sizeof(struct vcpu_runstate_info) : sizeof(struct vcpu_time_info);
}

static void generate_physical(struct call *call)
{
	uint64_t page = machine_address(call), size = size_of_kind(call);

	switch (draw(call, 8)) {
	case 0:
		give_address(call, NO_MEMORY | draw(call, 1u << 30) * DOOR_PAGE);
		break;
	case 1:
		give_address(call, page + draw(call, PLACE_BYTES - size));
		break;
	case 2:
		give_address(call, page + DOOR_PAGE - 1 - draw(call, size - 1));
		break;
	case 3:
		give_address(call, NOWHERE);
		break;
	default:
		give_address(call, page);
	}
}

static void expect_physical(struct call *call)
{
	uint64_t at = given_address(call), first = at / DOOR_PAGE;
	bool in_page = first == (at + size_of_kind(call) - 1) / DOOR_PAGE;

	if (at == NOWHERE)
		expect_only(call, 0);
	else if (!in_page || at % sizeof(xen_ulong_t))
		expect_only(call, ERR(ENXIO));
	else
		expect_only(call, first == machine_address(call) / DOOR_PAGE ? 0 : ERR(EINVAL));
}

static void yield(struct call *call)
{
	aside(call->run, __HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
}

static const struct vcpu_runstate_info *ask_state(struct call *call)
{
	struct vcpu_runstate_info *told = (void *)(call->run->door->arena + ARENA_ASIDE);

	if (aside(call->run, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, (uintptr_t)told))
		call_wrong(call, "our processor's state is not told");
	return told;
}

static void compare_state(struct call *call, const struct vcpu_runstate_info *here,
			  const struct vcpu_runstate_info *told)
{
	bool later = false;

	for (unsigned int i = 0; i < COUNT(here->time); i++)
		later = later || here->time[i] > told->time[i];
	if (here->state != RUNSTATE_running || told->state != RUNSTATE_running || later ||
	    here->state_entry_time != told->state_entry_time)
		call_wrong(call, "our processor is told state %d since %lu, and state %d since %lu "
			   "at its place", told->state, (uint64_t)told->state_entry_time,
			   here->state, (uint64_t)here->state_entry_time);
}

static void check_state(struct call *call)
{
	const volatile struct vcpu_runstate_info *here = place(call);
	const struct vcpu_runstate_info *told;
	struct vcpu_runstate_info seen;
	unsigned int tries = TRIES;

	do {
		memcpy(&seen, place(call), sizeof(seen));
		told = ask_state(call);
	} while (here->state_entry_time != seen.state_entry_time && --tries);
	if (tries)
		compare_state(call, &seen, told);
}

static void take_back(struct call *call)
{
	uint64_t *nowhere = (void *)(call->run->door->arena + ARENA_ASIDE);
	const uint8_t *here = memset(place(call), ARENA_BACKGROUND, PLACE_BYTES);
	long result;

	*nowhere = given_address(call) == (uintptr_t)place(call) ? 0 : NOWHERE;
	result = aside(call->run, __HYPERVISOR_vcpu_op, call->command, 0, (uintptr_t)nowhere);
	if (result)
		call_wrong(call, "taking a place for times back gave %ld", result);
	memset(place(call), ARENA_BACKGROUND, PLACE_BYTES);
	yield(call);
	for (unsigned int i = 0; i < PLACE_BYTES; i++)
		if (here[i] != ARENA_BACKGROUND)
			call_wrong(call, "times are told at a place that was taken back");
}

static void after_state(struct call *call)
{
	if (call->result)
		return;
	check_state(call);
	yield(call);
	check_state(call);
	take_back(call);
}

static void check_time(struct call *call)
{
	const volatile struct vcpu_time_info *own = &call->run->door->processor->time;
	const volatile struct vcpu_time_info *here = place(call);
	unsigned int tries = TRIES;
	uint32_t version;
	bool same;

	do {
		version = own->version;
		same = own->tsc_timestamp == here->tsc_timestamp &&
			own->system_time == here->system_time &&
			own->tsc_to_system_mul == here->tsc_to_system_mul &&
			own->tsc_shift == here->tsc_shift && !(here->version & 1);
	} while (version != own->version && --tries);
	if (tries && !same)
		call_wrong(call, "the time at its place, %lu, is not our processor's, %lu",
			   (uint64_t)here->system_time, (uint64_t)own->system_time);
}

static void after_time(struct call *call)
{
	if (call->result || !call->run->door->processor)
		return;
	check_time(call);
	take_back(call);
}

/* What is told elsewhere in the page is taken back unseen. */
static void after_physical(struct call *call)
{
	if (call->result || given_address(call) == NOWHERE)
		return;
	if (given_address(call) != machine_address(call))
		take_back(call);
	else if (call->command == VCPUOP_register_runstate_phys_area)
		after_state(call);
	else
		after_time(call);
}

/* Only our first processor is there. */
static void expect_place(struct call *call)
{
	expect_only(call, 0);
}

#define AREA(label, command_name, type, follow) \
	{ .name = label, .command = VCPUOP_##command_name, .danger = DANGER_OWN, \
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2, .structure_size = sizeof(struct type), \
	  .generate = generate_place, .expect = expect_place, .after = follow }
#define PHYSICAL(command_name) \
	{ .name = #command_name, .command = VCPUOP_##command_name, .danger = DANGER_OWN, \
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2, .since = RELEASE(4, 18), \
	  .structure_size = sizeof(uint64_t), .generate = generate_physical, \
	  .expect = expect_physical, .after = after_physical }

const struct operation vcpu_areas[] = {
	AREA("runstate_area_own", register_runstate_memory_area,
	     vcpu_register_runstate_memory_area, after_state),
	AREA("time_area_own", register_vcpu_time_memory_area,
	     vcpu_register_time_memory_area, after_time),
	PHYSICAL(register_runstate_phys_area),
	PHYSICAL(register_vcpu_time_phys_area),
};
const size_t vcpu_areas_count = COUNT(vcpu_areas);

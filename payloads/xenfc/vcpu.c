/* vcpu_op(command, vcpu, pointer): the caller's own processors, their times and timers. */
#include "run.h"
#include "second.h"
#include "vcpu_areas.h"

#define NO_FRAME (1ull << 50)	/* no machine has memory there */
#define FRAME_BITS 52	/* of a number whose address 64 bits hold */
#define ANY_PAGE 26u	/* of the arena */
#define XEN_MEMORY 0xffff830000000000ull
#define LAST_INFORMATION ((uint32_t)(DOOR_PAGE - sizeof(struct vcpu_info)))
#define LEAST_PERIOD_NS 1000000ull
#define MOST_PERIOD_NS (UINT64_MAX >> 2)

static void *structure(const struct call *call)
{
	return call->structure->at;
}

/* A processor that is not there is refused before all else. */
static void vcpu_generate(struct call *call)
{
	call->arguments[0] = call->command;
	if (call->operation && call->operation->structure_size)
		structure_take(call, 2);
	call->arguments[1] = chance(call, 60) ? 0 :
		call->run->machine.vcpus + (chance(call, 50) ? 0 : draw_interesting(call, 30));
}

/* Who is pinned is asked before the structure is looked at. */
static bool vcpu_expect(struct call *call)
{
	if (call->arguments[1] >= call->run->machine.vcpus) {
		expect_only(call, ERR(ENOENT));
		return false;
	}
	return (call->operation && call->command == VCPUOP_get_physid) || command_expect(call);
}

static void expect_up(struct call *call)
{
	expect_only(call, 1);
}

/* The state of a processor that has one already is read, and not taken. */
static void generate_initialise(struct call *call)
{
	struct area *context = area_take(call, sizeof(vcpu_guest_context_t), true);

	call->arguments[2] = area_address(call, context);
}

static void expect_initialise(struct call *call)
{
	expect_only(call, reachable(call, call->arguments[2], sizeof(vcpu_guest_context_t)) ?
		    ERR(EEXIST) : ERR(EFAULT));
}

static void generate_periodic(struct call *call)
{
	struct vcpu_set_periodic_timer *set = structure(call);

	set->period_ns = chance(call, 30) ? LEAST_PERIOD_NS - 1 + draw(call, 3) :
		draw_interesting(call, 64);
}

static void expect_periodic(struct call *call)
{
	const struct vcpu_set_periodic_timer *set = structure(call);

	expect_only(call, set->period_ns < LEAST_PERIOD_NS || set->period_ns > MOST_PERIOD_NS ?
		    ERR(EINVAL) : 0);
}

static void after_timer(struct call *call)
{
	unsigned int command = call->command == VCPUOP_set_periodic_timer ?
		VCPUOP_stop_periodic_timer : VCPUOP_stop_singleshot_timer;
	long result;

	if (call->result)
		return;
	result = aside(call->run, __HYPERVISOR_vcpu_op, command, 0, 0);
	if (result)
		call_wrong(call, "stopping the timer gave %ld", result);
}

static void generate_single(struct call *call)
{
	struct vcpu_set_singleshot_timer *set = structure(call);

	set->timeout_abs_ns = draw_interesting(call, 64);
}

/* Where its own information lies cannot be moved to pages that are not there, nor twice. */
static void generate_register_info(struct call *call)
{
	struct vcpu_register_vcpu_info *info = structure(call);

	info->mfn = NO_FRAME | draw_interesting(call, 50);
	info->offset = draw_offset(call, LAST_INFORMATION);
}

/* A page that might well be the place: a kernel of ours has chosen another one already. */
static void generate_move_info(struct call *call)
{
	struct vcpu_register_vcpu_info *info = structure(call);

	generate_register_info(call);
	info->mfn = call->run->plan.dry_run ? ANY_PAGE : call->run->door->arena_frames[ANY_PAGE];
}

static void expect_register_info(struct call *call)
{
	const struct vcpu_register_vcpu_info *info = structure(call);
	bool fits = info->offset <= LAST_INFORMATION && !(info->offset % 8);
	bool in_memory = info->offset < DOOR_PAGE && !(info->mfn >> FRAME_BITS);

	if (since(call, RELEASE(4, 18)))
		expect_only(call, in_memory ? ERR(EBUSY) : ERR(EINVAL));
	else
		expect_only(call, fits ? ERR(EINVAL) : ERR(ENXIO));
}

/* Nowhere, or in Xen's own memory: Xen would write there whenever it likes. */
static void generate_area(struct call *call)
{
	uint64_t at = chance(call, 50) ? 0 : XEN_MEMORY + draw(call, 1u << 20) * 8;

	memcpy(structure(call), &at, sizeof(at));
}

static void expect_area(struct call *call)
{
	expect_only(call, handle_value(structure(call)) ? ERR(EFAULT) : 0);
}

/* A pointer where none may be. */
static void generate_nmi(struct call *call)
{
	call->arguments[2] = 1 + draw_interesting(call, 62);
}

/* Only processors that cannot move have a number that they are told. */
static void expect_physid(struct call *call)
{
	expect_only(call, ERR(EINVAL));
	if (!call->run->machine.hardware)
		return;
	expect_also(call, reachable(call, call->arguments[2], sizeof(struct vcpu_get_physid)) ? 0 :
		    ERR(EFAULT));
}

const struct field vcpu_runstate_fields[] = {
	FIELD(struct vcpu_runstate_info, state, FLOW_VOLATILE),
	FIELD(struct vcpu_runstate_info, state_entry_time, FLOW_VOLATILE),
	FIELD(struct vcpu_runstate_info, time, FLOW_VOLATILE),
	FIELDS_END,
};

const struct field vcpu_periodic_fields[] = {
	FIELD(struct vcpu_set_periodic_timer, period_ns, FLOW_IN),
	FIELDS_END,
};

const struct field vcpu_single_fields[] = {
	FIELD(struct vcpu_set_singleshot_timer, timeout_abs_ns, FLOW_IN),
	FIELDS_END,
};

const struct field vcpu_info_fields[] = {
	FIELD(struct vcpu_register_vcpu_info, mfn, FLOW_IN),
	FIELD(struct vcpu_register_vcpu_info, offset, FLOW_IN),
	FIELDS_END,
};

static const struct field area_fields[] = {
	FIELD(struct vcpu_register_runstate_memory_area, addr, FLOW_IN),
	FIELDS_END,
};

static const struct field physid_fields[] = {
	FIELD(struct vcpu_get_physid, phys_id, FLOW_OUT),
	FIELDS_END,
};

#define VCPU(command_name, class, traits_of, size, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = VCPUOP_##command_name, .danger = class, \
	  .traits = traits_of, .weight = 4, .structure_size = size, .fields = field_list, \
	  .generate = generator, .expect = expectation, .after = follow }

static const struct operation operations[] = {
	VCPU(is_up, DANGER_SAFE, TRAIT_READS, 0, NULL, NULL, expect_up, NULL),
	VCPU(up, DANGER_SAFE, 0, 0, NULL, NULL, expect_success, NULL),
	VCPU(initialise, DANGER_SAFE, 0, 0, NULL, generate_initialise, expect_initialise, NULL),
	VCPU(get_runstate_info, DANGER_SAFE, TRAIT_READS, sizeof(struct vcpu_runstate_info),
	     vcpu_runstate_fields, NULL, expect_success, NULL),
	VCPU(set_periodic_timer, DANGER_OWN, TRAIT_KERNEL, sizeof(struct vcpu_set_periodic_timer),
	     vcpu_periodic_fields, generate_periodic, expect_periodic, after_timer),
	VCPU(set_singleshot_timer, DANGER_OWN, TRAIT_KERNEL,
	     sizeof(struct vcpu_set_singleshot_timer), vcpu_single_fields, generate_single,
	     expect_success, after_timer),
	VCPU(register_vcpu_info, DANGER_SAFE, 0, sizeof(struct vcpu_register_vcpu_info),
	     vcpu_info_fields, generate_register_info, expect_register_info, NULL),
	{ .name = "move_vcpu_info", .command = VCPUOP_register_vcpu_info, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL, .weight = 2,
	  .structure_size = sizeof(struct vcpu_register_vcpu_info), .fields = vcpu_info_fields,
	  .generate = generate_move_info, .expect = expect_register_info },
	VCPU(register_runstate_memory_area, DANGER_OWN, TRAIT_KERNEL,
	     sizeof(struct vcpu_register_runstate_memory_area), area_fields, generate_area,
	     expect_area, NULL),
	VCPU(register_vcpu_time_memory_area, DANGER_OWN, TRAIT_KERNEL,
	     sizeof(struct vcpu_register_time_memory_area), area_fields, generate_area,
	     expect_area, NULL),
	VCPU(get_physid, DANGER_SAFE, TRAIT_READS, sizeof(struct vcpu_get_physid), physid_fields,
	     NULL, expect_physid, NULL),
	VCPU(send_nmi, DANGER_SAFE, 0, 0, NULL, generate_nmi, expect_invalid, NULL),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ vcpu_areas, &vcpu_areas_count },
	{ vcpu_second, &vcpu_second_count },
};

static bool exists(uint32_t command)
{
	return command < 17;
}

const struct family family_vcpu = {
	.name = "vcpu",
	.hypercall = __HYPERVISOR_vcpu_op,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = vcpu_generate,
	.expect = vcpu_expect,
};

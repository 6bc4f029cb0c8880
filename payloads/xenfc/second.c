/*
 * vcpu_op: the caller's second processor, which was never started.  What is said of a processor must
 * be this one's, and what is for the caller's own only is refused.
 */
#include "second.h"

#include "run.h"

#define PLACE (ARENA_ASIDE + DOOR_PAGE)
#define PLACE_BYTES 128u
#define NO_FRAME (1ull << 50)	/* no machine has memory there */
#define FRAME_BITS 52	/* of a number whose address 64 bits hold */
#define NO_ADDRESS 0x0000800000000000ull	/* of any kind */
#define LEAST_PERIOD_NS 1000000ull
#define MOST_PERIOD_NS (UINT64_MAX >> 2)

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static long ask(struct call *call, unsigned int command, const void *argument)
{
	return aside(call->run, __HYPERVISOR_vcpu_op, command, SECOND_VCPU, (uintptr_t)argument);
}

void second_expect(struct call *call, long result)
{
	expect_only(call, call->run->machine.vcpus > SECOND_VCPU ? result : ERR(ENOENT));
}

/* In reach, as whose processor it is may be asked before the structure is read. */
static void generate_second(struct call *call)
{
	call->arguments[1] = SECOND_VCPU;
	if (!call->structure)
		return;
	draw_fields(call);
	call->arguments[2] = area_sure(call->structure);
	call->torn = NULL;
}

static void expect_nothing(struct call *call)
{
	second_expect(call, 0);
}

static void expect_refused(struct call *call)
{
	second_expect(call, ERR(EINVAL));
}

/* Whatever was asked of it, it does not run. */
static void after_any(struct call *call)
{
	long up = ask(call, VCPUOP_is_up, NULL);

	if (up && up != ERR(ENOENT))
		call_wrong(call, "a processor that was never started is up: %ld", up);
}

static void check_offline(struct call *call, const struct vcpu_runstate_info *told)
{
	if (told->state != RUNSTATE_offline || told->time[RUNSTATE_running] ||
	    told->time[RUNSTATE_runnable] || told->time[RUNSTATE_blocked])
		call_wrong(call, "a processor that was never started is told state %d, and to have "
			   "run %lu ns", told->state, (uint64_t)told->time[RUNSTATE_running]);
}

static void after_state(struct call *call)
{
	if (!call->result)
		check_offline(call, structure(call));
}

static void generate_periodic(struct call *call)
{
	struct vcpu_set_periodic_timer *set = structure(call);

	generate_second(call);
	if (chance(call, 60))
		set->period_ns = LEAST_PERIOD_NS - 1 + draw(call, 3);
}

static void expect_periodic(struct call *call)
{
	const struct vcpu_set_periodic_timer *set = structure(call);

	second_expect(call, set->period_ns < LEAST_PERIOD_NS || set->period_ns > MOST_PERIOD_NS ?
		      ERR(EINVAL) : 0);
}

static void after_periodic(struct call *call)
{
	long result;

	if (call->result)
		return;
	result = ask(call, VCPUOP_stop_periodic_timer, NULL);
	if (result)
		call_wrong(call, "stopping the timer of our second processor gave %ld", result);
}

/* Memory of ours for as long as the call takes: told once, when the place is. */
static void generate_place(struct call *call)
{
	uint64_t at = (uintptr_t)(call->run->door->arena + PLACE);

	generate_second(call);
	memcpy(structure(call), &at, sizeof(at));
	if (!call->run->plan.dry_run)
		memset(call->run->door->arena + PLACE, ARENA_BACKGROUND, PLACE_BYTES);
}

static void after_place(struct call *call)
{
	uint64_t *nowhere = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*nowhere));
	uint8_t *place = call->run->door->arena + PLACE;
	long result;

	if (call->result)
		return;
	check_offline(call, (const void *)place);
	result = ask(call, call->command, nowhere);
	if (result)
		call_wrong(call, "taking the place of our second processor back gave %ld", result);
	memset(place, ARENA_BACKGROUND, PLACE_BYTES);
}

/* Its information could be moved to a page: none that is there is named, as that is for good. */
static void generate_information(struct call *call)
{
	struct vcpu_register_vcpu_info *info = structure(call);
	uint32_t last = (uint32_t)(DOOR_PAGE - sizeof(struct vcpu_info));

	generate_second(call);
	info->mfn = NO_FRAME | draw_interesting(call, 50);
	if (chance(call, 70))
		info->offset = last - 8 + (uint32_t)draw(call, 17);
}

static void expect_information(struct call *call)
{
	const struct vcpu_register_vcpu_info *info = structure(call);
	bool fits = info->offset <= DOOR_PAGE - sizeof(struct vcpu_info) && !(info->offset % 8);

	if (since(call, RELEASE(4, 18)) && (info->offset >= DOOR_PAGE || info->mfn >> FRAME_BITS))
		second_expect(call, ERR(EINVAL));
	else
		second_expect(call, fits ? ERR(EINVAL) : ERR(ENXIO));
}

/* The base of the page tables that we run with: one that would do. */
static uint64_t own_base(const struct call *call)
{
	static const uint8_t read_base[] = { 0x0f, 0x20, 0xd8 };	/* mov %cr3, %rax */
	struct registers registers = { .rax = 0 };
	struct door *door = call->run->door;

	if (!call->run->plan.dry_run && door->execute)
		door->execute(door, read_base, sizeof(read_base), &registers);
	return registers.rax;
}

static uint64_t *draw_address(struct call *call, vcpu_guest_context_t *c)
{
	uint64_t *const addresses[] = {
		&c->user_regs.rip, &c->user_regs.rsp, &c->kernel_sp, &c->fs_base,
		&c->gs_base_kernel, &c->gs_base_user, &c->event_callback_eip,
		&c->failsafe_callback_eip, &c->syscall_callback_eip,
		&c->trap_ctxt[draw(call, COUNT(c->trap_ctxt))].address,
	};

	return addresses[draw(call, COUNT(addresses))];
}

/* A state that would do, but for one thing. */
static void spoil(struct call *call, vcpu_guest_context_t *c)
{
	switch (draw(call, 8)) {
	case 0:
		c->gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1 + (unsigned int)draw(call, 2);
		break;
	case 1:
		c->gdt_ents = 1;
		c->gdt_frames[0] = NO_FRAME;
		break;
	case 2:
		c->ldt_ents = 8193;
		break;
	case 3:
		c->ldt_base = 1 + draw(call, DOOR_PAGE - 1);
		break;
	case 4:
		c->ctrlreg[3] = NO_FRAME << 12;
		break;
	case 5:
		c->ctrlreg[1] = NO_FRAME << 12;
		break;
	default:
		*draw_address(call, c) = NO_ADDRESS + draw(call, DOOR_PAGE);
	}
}

static void generate_initialise(struct call *call)
{
	vcpu_guest_context_t *c = (void *)area_take(call, sizeof(*c), false)->at;

	call->arguments[1] = SECOND_VCPU;
	call->arguments[2] = (uintptr_t)c;
	c->flags = VGCF_in_kernel;
	c->ctrlreg[3] = own_base(call);
	spoil(call, c);
}

#define SECOND(label, command_name, class, size, field_list, generator, expectation, follow) \
	{ .name = "second_" label, .command = VCPUOP_##command_name, .danger = class, \
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2, .structure_size = size, \
	  .fields = field_list, .generate = generator, .expect = expectation, .after = follow }

const struct operation vcpu_second[] = {
	SECOND("is_up", is_up, DANGER_SAFE, 0, NULL, generate_second, expect_nothing, NULL),
	SECOND("up", up, DANGER_SAFE, 0, NULL, generate_second, expect_refused, after_any),
	SECOND("down", down, DANGER_OWN, 0, NULL, generate_second, expect_nothing, after_any),
	SECOND("state", get_runstate_info, DANGER_SAFE, sizeof(struct vcpu_runstate_info),
	       vcpu_runstate_fields, generate_second, expect_nothing, after_state),
	SECOND("periodic", set_periodic_timer, DANGER_OWN, sizeof(struct vcpu_set_periodic_timer),
	       vcpu_periodic_fields, generate_periodic, expect_periodic, after_periodic),
	SECOND("singleshot", set_singleshot_timer, DANGER_SAFE,
	       sizeof(struct vcpu_set_singleshot_timer), vcpu_single_fields, generate_second,
	       expect_refused, NULL),
	SECOND("no_singleshot", stop_singleshot_timer, DANGER_SAFE, 0, NULL, generate_second,
	       expect_refused, NULL),
	SECOND("place", register_runstate_memory_area, DANGER_OWN,
	       sizeof(struct vcpu_register_runstate_memory_area), NULL, generate_place,
	       expect_nothing, after_place),
	SECOND("information", register_vcpu_info, DANGER_SAFE,
	       sizeof(struct vcpu_register_vcpu_info), vcpu_info_fields, generate_information,
	       expect_information, NULL),
	SECOND("initialise", initialise, DANGER_SAFE, 0, NULL, generate_initialise, expect_refused,
	       after_any),
};
const size_t vcpu_second_count = COUNT(vcpu_second);

/* Where the exceptions and interrupts of a PV kernel go. */
#include "processor.h"

#define GENERAL_PROTECTION 13
#define INTERRUPT 0xcd	/* the instruction; the vector follows */
#define RIGHTS 3u	/* of a selector, and of a gate's flags; the third flag masks events */
#define GATES 3u

/* set_trap_table(list): the list ends with an address of zero; no list at all takes ours away. */

static void generate_traps(struct call *call)
{
	struct area *area = area_take(call, 2 * sizeof(struct trap_info), false);
	struct trap_info *traps = (void *)area->at;

	traps[0].vector = DOOR_INTERRUPT;
	traps[0].address = chance(call, 60) ? 0 : draw_address(call);
	call->arguments[0] = area_address(call, area);
	if (!call->arguments[0])
		call->arguments[0] = call->run->door->unmapped;
}

static void expect_traps(struct call *call)
{
	const struct trap_info *traps = processor_seen_at(call->arguments[0]);
	uint64_t size = sizeof(*traps);

	if (!reachable(call, call->arguments[0], size))
		expect_only(call, ERR(EFAULT));
	else if (!is_canonical(traps[0].address))
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, !traps[0].address ||
			    reachable(call, call->arguments[0] + size, size) ? 0 : ERR(EFAULT));
}

/*
 * Interrupts that a kernel makes itself go where the table says, if it may make them, whatever rights
 * the selector asks for.
 */
static struct trap_info draw_gate(struct call *call, unsigned int number)
{
	return (struct trap_info){
		.vector = (uint8_t)(DOOR_INTERRUPT - number),
		.flags = (uint8_t)draw(call, 8),
		.cs = (uint16_t)((FLAT_KERNEL_CS & ~RIGHTS) | draw(call, RIGHTS + 1)),
		.address = call->run->door->interrupt_entry,
	};
}

static void use_gate(struct call *call, const struct trap_info *gate, bool there)
{
	const uint8_t code[] = { INTERRUPT, gate->vector };
	struct door *door = call->run->door;
	struct registers registers = { 0 };
	int right = there && gate->flags & RIGHTS ? DOOR_INTERRUPT : GENERAL_PROTECTION;
	int vector = door->execute(door, code, sizeof(code), &registers);

	/* A processor that tells of another interrupt: Xen sees that it is not this instruction's. */
	if (vector == GENERAL_PROTECTION && registers.error >> 3 != gate->vector &&
	    since(call, RELEASE(4, 19)))
		return;
	if (vector != right)
		call_wrong(call, "interrupt %x, with flags %x and selector %x, ended in exception "
			   "%d, expected %d", gate->vector, gate->flags, gate->cs, vector, right);
}

/* No table at all: until we give Xen ours again we must do nothing wrong, and not be interrupted. */
static void take_away(struct call *call)
{
	struct door *door = call->run->door;
	bool interrupted = call->interrupted;
	long cleared, taken;

	call->interrupted = false;
	cleared = aside(call->run, __HYPERVISOR_set_trap_table, 0, 0, 0);
	taken = door->take_exceptions(door);
	call->interrupted = interrupted;
	if (cleared || taken)
		call_wrong(call, "taking the table of interrupts away gave %ld, another one %ld",
			   cleared, taken);
}

/*
 * A list of some, which Xen may interrupt: none is left out.  Where QEMU (7.2 at least) emulates the
 * processor Xen is told twice the number that was asked for: the same is there, too.
 */
static void after_traps(struct call *call)
{
	struct trap_info *list = (void *)(call->run->door->arena + ARENA_ASIDE), gates[GATES];
	long result;

	if (call->result || !call->run->door->execute)
		return;
	memset(list, 0, (2 * GATES + 1) * sizeof(*list));
	for (unsigned int i = 0; i < GATES; i++) {
		gates[i] = list[2 * i] = list[2 * i + 1] = draw_gate(call, i);
		list[2 * i + 1].vector *= 2;
	}
	result = aside(call->run, __HYPERVISOR_set_trap_table, (uintptr_t)list, 0, 0);
	if (result)
		call_wrong(call, "a table of interrupts of our own gave %ld", result);
	for (unsigned int i = 0; i < GATES && !call->wrong[0]; i++)
		use_gate(call, &gates[i], true);
	take_away(call);
	for (unsigned int i = 0; i < GATES && !call->wrong[0]; i++)
		use_gate(call, &gates[i], false);
}

static const struct operation traps_list[] = {
	{ .name = "set_trap_table", .danger = DANGER_OWN, .traits = TRAIT_KERNEL, .weight = 4,
	  .generate = generate_traps, .expect = expect_traps, .after = after_traps },
};

FAMILY(traps, "processor", __HYPERVISOR_set_trap_table, traps_list);

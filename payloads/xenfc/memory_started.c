/*
 * memory_op: the command's upper bits say where a continuation goes on.  What knows none refuses
 * every start, and what counts places in sixteen bits all beyond, before anything else is looked at.
 */
#include "memory.h"

#define MOST_STARTED UINT16_MAX	/* places that a mapping can count */
#define START_BITS 20u

static void start_at(struct call *call, uint64_t start)
{
	call->arguments[0] |= start << MEMORY_START_SHIFT;
}

static void generate_started(struct call *call)
{
	start_at(call, 1 + draw_interesting(call, START_BITS));
}

static void expect_refused(struct call *call)
{
	expect_only(call, ERR(EINVAL));
}

static void generate_too_far(struct call *call)
{
	start_at(call, MOST_STARTED + 1 + draw_interesting(call, START_BITS));
}

static void expect_too_far(struct call *call)
{
	expect_only(call, ERR(EDOM));
}

#define STARTED(command_name) \
	{ .name = #command_name "_started", .command = XENMEM_##command_name, \
	  .danger = DANGER_SAFE, .generate = generate_started, .expect = expect_refused }
#define TOO_FAR(command_name) \
	{ .name = #command_name "_too_far", .command = XENMEM_##command_name, \
	  .danger = DANGER_SAFE, .generate = generate_too_far, .expect = expect_too_far }

const struct operation memory_started[] = {
	STARTED(exchange),
	STARTED(maximum_ram_page),
	STARTED(remove_from_physmap),
	STARTED(claim_pages),
	STARTED(get_vnumainfo),
	STARTED(reserved_device_memory_map),
	TOO_FAR(add_to_physmap),
	TOO_FAR(add_to_physmap_batch),
};
const size_t memory_started_count = COUNT(memory_started);

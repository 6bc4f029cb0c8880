/* What the files about the caller's own processor share. */
#ifndef XENFC_PROCESSOR_H
#define XENFC_PROCESSOR_H

#include "run.h"

/* A hypercall with one list of operations, whose own generators and expectations do all. */
#define FAMILY(variable, label, number, list) \
	COMMAND_FAMILY(variable, label, number, list, 0, processor_generate)

#define COMMAND_FAMILY(variable, label, number, list, unknown, generator) \
	static const size_t variable##_count = COUNT(list); \
	static const struct part variable##_parts[] = { { list, &variable##_count } }; \
	const struct family family_##variable = { \
		.name = label, .hypercall = number, .unknown_command = unknown, \
		.parts = variable##_parts, .n_parts = 1, .generate = generator, \
		.expect = processor_expect, \
	}

void processor_generate(struct call *call);
bool processor_expect(struct call *call);

/* What Xen finds there, as far as it can reach it: in the arena's last bytes it is nothing of ours. */
const void *processor_seen_at(uint64_t address);

#define LOW_END 0x0000800000000000ull
#define XEN_SPACE_START 0xffff800000000000ull	/* a PV kernel may not watch Xen's addresses */
#define XEN_SPACE_END 0xffff880000000000ull
#define ACTIVE_BREAKPOINTS 0xffull
#define GENERAL_DETECT 0x2000ull
#define STATUS_ONES 0xffff0ff0ull	/* bits of debug registers that always are the same */
#define STATUS_ZEROES 0x1000ull
#define CONTROL_ONES 0x400ull
#define CONTROL_ZEROES 0xd800ull
#define TASK_SWITCHED 8ull

static inline bool is_canonical(uint64_t address)
{
	return address < LOW_END || address >= 0 - LOW_END;
}

/* Many are not canonical, or nearly so. */
uint64_t draw_address(struct call *call);

#endif

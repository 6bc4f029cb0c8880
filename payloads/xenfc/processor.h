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

#endif

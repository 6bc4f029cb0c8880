/* What the files about hypercalls of a few commands share. */
#ifndef XENFC_SMALL_H
#define XENFC_SMALL_H

#include "run.h"

/* For families of which nothing comes before the operation's own expectation. */
bool no_checks_before(struct call *call);

/* Their generator and expectation are asked first; an expectation that is false is complete. */
#define FAMILY(variable, label, number, list, unknown, generator, expectation) \
	static const size_t variable##_count = COUNT(list); \
	static const struct part variable##_parts[] = { { list, &variable##_count } }; \
	const struct family family_##variable = { \
		.name = label, .hypercall = number, .unknown_command = unknown, \
		.parts = variable##_parts, .n_parts = 1, .generate = generator, \
		.expect = expectation, \
	}

#endif

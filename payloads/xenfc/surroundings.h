/* What a control domain does to a small HVM machine before, while and after it runs. */
#ifndef XENFC_SURROUNDINGS_H
#define XENFC_SURROUNDINGS_H

#include <stdbool.h>
#include <stdint.h>

struct call;

struct surroundings {
	struct call *call;
	uint16_t id;
	bool controllers;	/* it has interrupt controllers */
	bool certain;		/* what is asked has one answer: it did not execute anything at all */
};

/* Once it has memory, before its first instruction. */
void surroundings_before(const struct surroundings *s);

/* It may run, or be at its end. */
void surroundings_while(const struct surroundings *s);

/* It does not run any more. */
void surroundings_after(const struct surroundings *s);

/* Frames that have memory when they are touched first. */
void surroundings_late(const struct surroundings *s, uint64_t first, unsigned int count);

/* Put a page of Xen's, of this space its first, where the machine has this frame. */
void surroundings_share(const struct surroundings *s, unsigned int space, uint64_t frame);

#endif

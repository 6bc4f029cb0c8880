/* Answers whose length only Xen knows. */
#ifndef XENFC_ROOM_H
#define XENFC_ROOM_H

#include "call.h"

struct room {
	const char *what;
	/* Asks with room for `given`; how much there is goes to `told`. */
	long (*ask)(struct call *call, const struct room *room, uint64_t given, uint64_t *told);
	uint64_t most;		/* for which there is memory */
	uint64_t spare;		/* so much more than it tells Xen wants to have */
	long too_little;	/* what is said when there is less */
	bool second;		/* of two lists that are asked for in the same way */
};

/* What a processor can is told in two lists. */
#define ROOM_FOR_LEAVES(how) \
	{ "leaves", how, ROOM_BYTES / sizeof(xen_cpuid_leaf_t), 0, ERR(ENOBUFS), false }
#define ROOM_FOR_REGISTERS(how) \
	{ "registers", how, ROOM_BYTES / sizeof(xen_msr_entry_t), 0, ERR(ENOBUFS), true }

/* With just enough room for what there is, or more, it is told, and with less it is not. */
void check_room(struct call *call, const struct room *room, uint64_t needed);

/* The same, where it is told only to who has room for all of it. */
void check_room_of_all(struct call *call, const struct room *room);

/* Memory beside the sequence, behind its first page: 12 kB. */
#define ROOM_BYTES (3u * DOOR_PAGE)
void *room_buffer(const struct call *call);

#endif

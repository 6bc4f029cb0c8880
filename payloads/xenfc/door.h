/*
 * What the core needs from the place it runs in: Linux user space (privcmd), a kernel of
 * our own (ring 0), or nothing at all (dry run).  The core never calls anything else.
 */
#ifndef XENFC_DOOR_H
#define XENFC_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOOR_PAGE 4096u
#define DOOR_ARENA_PAGES 32u

/* Of the processor, before and after instructions that a door executes. */
struct registers {
	uint64_t rax, rcx, rdx, rbx, rsi, rdi;
	uint64_t error;	/* that came with the exception, if any did */
};

#define NO_FAULT (-1)
#define DOOR_INTERRUPT 0x7f	/* no exception has this number, and this kernel no use for it */

struct shared_info;
struct vcpu_info;

struct door {
	const char *name;	/* "privcmd", "ring 0", "dry run": only for people */

	/* The raw 64-bit result.  Calls that use less than five arguments get zeroes. */
	long (*hypercall)(struct door *door, unsigned int number, const uint64_t arguments[5]);

	/*
	 * The same while an event waits for this processor: Xen interrupts what takes long where
	 * it first may, and goes on with it.  NULL where the kernel is not ours.
	 */
	long (*hypercall_interrupted)(struct door *door, unsigned int number,
				      const uint64_t arguments[5]);

	/* Report text; it ends lines with '\n' itself.  Not buffered for longer than a line. */
	void (*write)(struct door *door, const char *text, size_t size);

	/*
	 * A short line that must be on a console that outlives this kernel when it returns:
	 * seed and number before each block of calls.
	 */
	void (*mark)(struct door *door, const char *text, size_t size);

	/* A clock that never goes back; only for rates and time limits. */
	uint64_t (*now_ns)(struct door *door);

	/* A counter that costs less than the clock, as fast as it likes: ticks.h. */
	uint64_t (*ticks)(void);

	/* True when the run shall end now (SIGINT, SIGTERM, time is over).  May be NULL. */
	bool (*stop)(struct door *door);

	/*
	 * DOOR_ARENA_PAGES pages, zeroed, in one piece, that Xen may read and write through
	 * their address.  The page before and the page after must not be mapped.
	 */
	uint8_t *arena;
	uint64_t unmapped;	/* address of a page that is never mapped */

	/*
	 * True when this kernel is ours: operations may then change the calling virtual
	 * processor and the calling domain's own memory.
	 */
	bool owns_kernel;
	/*
	 * Execute a few instructions, as this kernel: the number of the exception that they ended
	 * in, or NO_FAULT.  NULL where the kernel is not ours.
	 */
	int (*execute)(struct door *door, const uint8_t *code, size_t size,
		       struct registers *registers);
	/* Our table of exceptions as it was at the beginning, after Xen was told of another. */
	long (*take_exceptions)(struct door *door);
	uint64_t interrupt_entry;	/* where code that ended in DOOR_INTERRUPT came to */
	/* Number (pfn for HVM, mfn for PV) of each arena page; NULL when it is not known. */
	const uint64_t *arena_frames;

	/* Where Xen tells this kernel of its events; NULL where it is not ours. */
	struct shared_info *shared;
	struct vcpu_info *processor;

	void *context;		/* the door's own */
};

#endif

/*
 * Runs dangerous work in a child and undoes it in a parent that signals and crashes
 * of the work do not reach.  Should the parent be killed itself, a keeper undoes: what was
 * changed is put back whatever happens, short of kill -9 of both or a dead machine.
 */
#ifndef XENTEST_SUPERVISOR_H
#define XENTEST_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

struct supervised {
	int (*work)(void *context);	/* in a child and a process group of its own; its exit status */
	/* In the parent, or its keeper, after the child's whole group has ended; NULL: nothing. */
	void (*undo)(void *context);
	void *context;			/* shared with the child only if the caller made it so (mmap) */
	uint64_t limit_ms;
};

enum supervised_end {
	SUPERVISED_EXITED,	/* `status` is the exit status */
	SUPERVISED_KILLED,	/* `status` is the signal of the child's death */
	SUPERVISED_TIMED_OUT,
	SUPERVISED_INTERRUPTED,	/* the supervisor got SIGINT, SIGTERM or SIGHUP; `status` says which */
	SUPERVISED_FAILED,	/* fork failed; `status` is errno */
};

struct supervised_result {
	enum supervised_end end;
	int status;
};

/* The child dies with the supervisor (PR_SET_PDEATHSIG). */
struct supervised_result supervise(const struct supervised *what);

/* Run a program without a shell; its output (up to size - 1 bytes, NUL-terminated) to `output`. */
struct supervised_result run_program(char *const argv[], char *output, size_t size,
				     uint64_t limit_ms);

#endif

/* The machines of a backend: started by its scripts, known by their connections. */
#ifndef VIRTBENCH_MACHINES_H
#define VIRTBENCH_MACHINES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport.h"

#define MACHINES_MAX 64

/* What must be stopped.  In memory that is shared with the process that stops it. */
struct started {
	bool backend;
	int machines;
	char ids[MACHINES_MAX][256];
};

struct backend {
	char folder[PATH_MAX];		/* its scripts are here and run in the folder above */
	char name[64];
	char work[PATH_MAX];		/* for its files */
	uint64_t limit_ms;		/* for start and start_machine, and for all to connect */
	struct started *started;
};

struct connected {
	int fd;			/* -1: lost */
	char address[64];
	bool is_here;		/* runs on this very machine */
};

struct fleet {
	int n;
	struct connected machines[MACHINES_MAX];
};

/*
 * `name` is a folder below `backends`, or a path.  0 or -1; what is missing is said
 * with the nearest name and the list.
 */
int backend_find(struct backend *b, const char *name, const char *backends, struct why *why);

/* EXIT_PASS, EXIT_SKIP (it cannot run here, and has said why) or EXIT_ERROR. */
int backend_start(struct backend *b, char *address, size_t size, struct why *why);

/* Start `n` machines that connect to `listener`, and wait for all; same statuses. */
int fleet_start(struct fleet *fleet, struct backend *b, int n, int listener, const char *address,
		struct why *why);

/* Stop all that was started, and say what could not be stopped: 0 or -1. */
int backend_stop(struct backend *b);

void fleet_disconnect(struct fleet *fleet);

#endif

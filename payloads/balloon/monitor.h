/*
 * A client of QEMU's monitor (QMP).  Each command bears a number, and only the answer with that
 * number is its answer: events, and answers that came too late for their command, are passed over.
 */
#ifndef BALLOON_MONITOR_H
#define BALLOON_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

#define MONITOR_LINE 16384

struct monitor {
	int fd;
	uint64_t commands;		/* so many were sent */
	char line[MONITOR_LINE];	/* the last answer */
	size_t held;			/* bytes of what comes after it */
	char ahead[MONITOR_LINE];
};

/* Connect to the socket and hear the greeting; 0 or -1. */
int monitor_open(struct monitor *m, const char *socket, struct why *why);
void monitor_close(struct monitor *m);

/*
 * Send a command with its arguments, a JSON object or NULL, and wait for its answer.
 * 0: m->line holds it.  -EINVAL: QEMU refused, in its own words.  -ETIMEDOUT: no answer.
 */
int monitor_command(struct monitor *m, const char *name, const char *arguments, struct why *why);

/* The number behind "key" in the last answer, wherever it stands. */
bool monitor_number(const struct monitor *m, const char *key, uint64_t *number);

#endif

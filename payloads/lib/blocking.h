/*
 * Blocking sockets with a limit a call: fewer system calls a message than transport.h needs,
 * for loops that are measured.
 */
#ifndef XENTEST_BLOCKING_H
#define XENTEST_BLOCKING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport.h"

/* From now on calls on `fd` block, each at most `limit_ms` (0: without end).  0 or -1. */
int blocking_begin(int fd, uint64_t limit_ms, struct why *why);

/* All `size` bytes: `size`; 0 when the peer closed before the first; else -1. */
ssize_t blocking_read(int fd, void *buffer, size_t size, struct why *why);

/*
 * The same for words that are not measured: in all until the deadline (and one limit more), however
 * little comes at a time.
 */
ssize_t blocking_read_until(int fd, void *buffer, size_t size, deadline_t deadline,
			    struct why *why);

/* 0 or -1. */
int blocking_write(int fd, const void *buffer, size_t size, struct why *why);

#endif

/* Much data through a connection, with a limit for all of it. */
#ifndef VSOCK_STREAM_H
#define VSOCK_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "transport.h"

struct stream {
	int fd;			/* blocking_begin() was called on it */
	uint64_t bytes;
	size_t segment;		/* of one call */
	uint64_t limit_ms;	/* for all of `bytes` */
	char *out, *in;		/* a segment each, from stream_prepare() */
};

/*
 * Memory for what is written and read, touched already: what a kernel needs to find 64 pages
 * is no part of a transfer.  0 or -1 with `why`; stream_release() is due in both cases.
 */
int stream_prepare(struct stream *s, struct why *why);
void stream_release(struct stream *s);

/* Let a vsock keep so much for its reader; nothing for other sockets.  0 or -1 with `why`. */
int stream_set_buffer(int fd, uint64_t bytes, struct why *why);

/* 0 or -1 with `why`. */
int stream_write(const struct stream *s, struct why *why);

/* What the first read brought, and when it was here, on clock_ns(). */
struct first_read {
	uint64_t ns;
	size_t bytes;
};

/* `first` may be NULL. */
int stream_read(const struct stream *s, struct first_read *first, struct why *why);

/* Both at once, each with a limit of its own; when they were done goes to the `_ns`. */
int stream_both(const struct stream *s, uint64_t *written_ns, uint64_t *read_ns, struct why *why);

#endif

/*
 * Stream and datagram sockets over inet, unix and vsock, every step with a deadline.
 * Errors are returned, never printed: -1, and `why` holds a sentence.
 */
#ifndef XENTEST_TRANSPORT_H
#define XENTEST_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"

struct address {
	int family;		/* AF_INET, AF_INET6, AF_UNIX or AF_VSOCK */
	socklen_t size;
	struct sockaddr_storage storage;
};

struct why {
	char text[256];
};

void why_set(struct why *why, const char *text, ...) __attribute__((format(printf, 2, 3)));

/* Also appends ": " and strerror(error). */
void why_errno(struct why *why, int error, const char *text, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * "unix:PATH" ("unix:@NAME": abstract), "vsock:CID:PORT" (CID a number, "host",
 * "local" or "any"), "inet:HOST:PORT", "HOST:PORT" or "[V6]:PORT".  0 or -1.
 */
int address_parse(struct address *a, const char *text, struct why *why);

/* The form that address_parse takes, in `buffer`; returns `buffer`. */
const char *address_format(const struct address *a, char *buffer, size_t size);

int address_vsock(struct address *a, uint32_t cid, uint32_t port);
int address_unix(struct address *a, const char *path, struct why *why);

/* This machine's vsock CID, or -1 with `why` when there is no transport. */
int64_t vsock_local_cid(struct why *why);

/* True when AF_VSOCK sockets can reach `cid` or, for UINT32_MAX, anybody; else `why` says why not. */
bool vsock_usable(uint32_t cid, struct why *why);

/* Whether it is a socket in the file system to which nobody listens any more. */
bool transport_is_stale(const struct address *a, int type);

/* All descriptors are close-on-exec and non-blocking.  A stale unix path is removed before bind. */
int transport_listen(const struct address *a, int type, int backlog, struct why *why);
int transport_accept(int listener, struct address *peer, deadline_t deadline, struct why *why);

/* `from` may be NULL. */
int transport_connect(const struct address *to, const struct address *from, int type,
		      deadline_t deadline, struct why *why);

/* Retry a refused connection until the deadline: the peer may not listen yet. */
int transport_connect_patiently(const struct address *to, const struct address *from, int type,
				deadline_t deadline, struct why *why);

/* All `size` bytes, or -1.  An end of file in between is an error that says how far it came. */
int transport_read_all(int fd, void *buffer, size_t size, deadline_t deadline, struct why *why);
int transport_write_all(int fd, const void *buffer, size_t size, deadline_t deadline,
			struct why *why);

/* Whatever came, 0 at the end of file, -1 on an error or when the time is over. */
ssize_t transport_read_some(int fd, void *buffer, size_t size, deadline_t deadline,
			    struct why *why);

/* Wait for POLLIN or POLLOUT; -1 when the time is over. */
int transport_wait(int fd, short events, deadline_t deadline, struct why *why);

#endif

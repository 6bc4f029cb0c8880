/* The other machine: a vsock CID, or an IPv4 address where there is no vsock. */
#ifndef VSOCK_ENDPOINT_H
#define VSOCK_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "transport.h"

/* `who`: a CID, host, local, any, or an address as 10.0.0.2.  0 or -1. */
int endpoint_parse(struct address *a, const char *who, struct why *why);

/* The same machine, this port. */
struct address endpoint_at(const struct address *machine, uint32_t port);

uint32_t endpoint_port(const struct address *a);
bool endpoint_same_machine(const struct address *a, const struct address *b);

/* All of this machine, in the family of `like`. */
struct address endpoint_any(const struct address *like);

/* Whether there is a transport that leads there; else `why` says what is missing. */
bool endpoint_usable(const struct address *a, struct why *why);

/* EXIT_PASS, or EXIT_SKIP when AF_VSOCK does not lead there, which is said on standard error. */
int endpoint_require(const struct address *a, const char *program);

#endif

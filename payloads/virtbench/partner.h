/* The host's side of benchmarks between a machine and its host. */
#ifndef VIRTBENCH_PARTNER_H
#define VIRTBENCH_PARTNER_H

#include <stdint.h>

#include "transport.h"

struct partner {
	uint32_t port;		/* TCP */
	uint32_t vsock_port;	/* 0: no AF_VSOCK here */
};

/* Starts a process that serves until its parent ends.  0 or -1. */
int partner_start(struct partner *p, const char *address, struct why *why);

#endif

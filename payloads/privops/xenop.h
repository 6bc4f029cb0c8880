/* A hypercall of the toolstack's kind, with the interface version that this Xen wants. */
#ifndef PRIVOPS_XENOP_H
#define PRIVOPS_XENOP_H

#include <stdbool.h>

#include "check.h"
#include "privcmd.h"

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

struct xenop {
	struct privcmd door;
	long version;
	union {
		struct xen_domctl domctl;
		struct xen_sysctl sysctl;
		struct xen_platform_op platform;
	} *op;		/* alone on its page, which Xen can read */
	char *data;	/* for what an operation points to */
	size_t data_size;
};

/* Open it and find the version; false: `why` says what became of that. */
bool xenop_open(struct xenop *x, enum privcmd_interface interface, struct answer *why);

/* Fill in the version and call; the result as an answer. */
struct answer xenop_call(struct xenop *x, enum privcmd_interface interface, const char *words);

/* xen_version: whoever may make hypercalls may make this one. */
struct answer xenop_canary(struct scene *scene);

extern const struct door door_privcmd;

#endif

/* Event channels of the caller's own domain: used and given back within one call. */
#ifndef XENFC_PORT_H
#define XENFC_PORT_H

#include "call.h"

/* Zeroes for the structure of the next question about ports; what it must be answered. */
void *port_structure(struct call *call, size_t size);
void port_must(struct call *call, unsigned int command, const char *what, long expected);

/* Close a port that the call has just got. */
void port_close(struct call *call, uint32_t port);

/* Let a port be another processor's, or send to it: what must come of it. */
void port_move(struct call *call, uint32_t port, uint32_t vcpu, long expected);
void port_send(struct call *call, uint32_t port, long expected);

/*
 * A port that the call has just bound to something else than a port: what it is, whether it can
 * be moved to our first processor and be sent to; then it is closed.
 */
void port_check_bound(struct call *call, uint32_t port, uint32_t status, long moving,
		      long sending);

/*
 * The life of a port that waits for domain `remote`: asked about, moved, sent to, bound to
 * another of our own when it waits for us, closed.  Each step has its answer.
 */
void port_live(struct call *call, uint32_t port, uint16_t remote);

#endif

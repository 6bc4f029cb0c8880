/* Event channels of the caller's own domain: used and given back within one call. */
#ifndef XENFC_PORT_H
#define XENFC_PORT_H

#include "call.h"

/* Close a port that the call has just got. */
void port_close(struct call *call, uint32_t port);

/*
 * The life of a port that waits for domain `remote`: asked about, moved, sent to, bound to
 * another of our own when it waits for us, closed.  Each step has its answer.
 */
void port_live(struct call *call, uint32_t port, uint16_t remote);

#endif

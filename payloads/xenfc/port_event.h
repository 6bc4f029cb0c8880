/* Events of the caller's own ports, as Xen tells its kernel of them. */
#ifndef XENFC_PORT_EVENT_H
#define XENFC_PORT_EVENT_H

#include "call.h"

/* What is sent to `sender` comes to `port`, which is masked first and then is not. */
void port_check_event(struct call *call, uint32_t sender, uint32_t port);

/*
 * Whether an event waits already: who binds to a port may have missed one, anybody else has not.  None
 * does afterwards.
 */
void port_check_waits(struct call *call, uint32_t port, bool waits);

/* No event waits at a port that is closed: who gets the number next would take it for its own. */
void port_check_silent(struct call *call, uint32_t port);

/* No event waits at the port of the older kind, whatever was sent to it. */
void port_forget(struct call *call, uint32_t port);

/* Nobody was told of an event, and our processor is not interrupted by one. */
void events_forget(struct call *call);
bool events_announced(const struct call *call);

#endif

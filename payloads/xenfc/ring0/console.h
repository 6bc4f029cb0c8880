/*
 * Two consoles: Xen's own (the control domain; a guest only of a verbose Xen) and the
 * ring that a guest shares with dom0's console daemon.
 */
#ifndef XENFC_RING0_CONSOLE_H
#define XENFC_RING0_CONSOLE_H

#include <stddef.h>

struct xencons_interface;

/* Without a ring, or before this, everything goes to Xen's console. */
void console_use_ring(struct xencons_interface *ring, unsigned int event_channel);

/*
 * Whole or not: when nobody empties the ring for a second, the rest is dropped, and all
 * that follows too, so that a deaf console cannot stop a run.
 */
void console_write(const char *text, size_t size);
void console_say(const char *text);

/* Wait, at most a second, until the other end has taken everything. */
void console_drain(void);

#endif

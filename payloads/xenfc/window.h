/*
 * Pages of our own kernel through which other pages of the machine are seen.  Only where the
 * kernel is ours (TRAIT_KERNEL); nothing else may look at a window that is not open.
 */
#ifndef XENFC_WINDOW_H
#define XENFC_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct run;

enum window { WINDOW_TABLE, WINDOW_FIRST, WINDOW_SECOND, WINDOWS };

void *window_page(enum window window);

/* See a page of domain `id` (DOMID_SELF: ours), or let Xen say why not. */
long window_open(struct run *run, enum window window, uint64_t frame, uint16_t id);
/* The same of a page that nothing may write to. */
long window_show(struct run *run, enum window window, uint64_t frame);
long window_close(struct run *run, enum window window);

#endif

/* What xl and virsh call by the same names; `tool` is one of the two. */
#ifndef BALLOON_TOOLSTACK_H
#define BALLOON_TOOLSTACK_H

#include <stdbool.h>

#include "transport.h"

/* A domain into a file, and gone; and back from there.  0, or -1 with the tool's words. */
int toolstack_save(const char *tool, const char *domain, const char *file, struct why *why);
int toolstack_restore(const char *tool, const char *file, struct why *why);

/* Does such a domain run? */
bool toolstack_knows(const char *tool, const char *domain);

#endif

/* Doors in Linux user space. */
#ifndef XENFC_DOOR_PRIVCMD_H
#define XENFC_DOOR_PRIVCMD_H

#include "door.h"

/* 0 or -errno: -ENOENT no Xen or no module, -EACCES no right. */
int door_privcmd_open(struct door *door);

/* Memory that Xen may write to, once that door is open; NULL: none. */
void *door_privcmd_pages(size_t count);

/* xen_version a second, through the same ioctl with nothing around it; 0: refused. */
double door_privcmd_bare_rate(void);

/* No Xen at all: for dry runs. */
int door_dry_open(struct door *door);

#endif

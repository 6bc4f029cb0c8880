/* The door of ring 0: see ../door.h. */
#ifndef XENFC_DOOR_RING0_H
#define XENFC_DOOR_RING0_H

#include "../door.h"

/* NULL, or what could not be made. */
const char *door_ring0_open(struct door *door);

#endif

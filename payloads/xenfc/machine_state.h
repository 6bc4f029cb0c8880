/* The saved state of a small HVM machine, and what of it is there again after it was loaded. */
#ifndef XENFC_MACHINE_STATE_H
#define XENFC_MACHINE_STATE_H

#include <stddef.h>
#include <stdint.h>

struct call;
struct surroundings;

/* Where all of it has room. */
uint8_t *machine_saved_at(struct call *call);
#define MACHINE_SAVED_BYTES (3u * (size_t)DOOR_PAGE)

/* A new file there, whose only record is one of this type and of the first processor: zeroes. */
void *machine_saved_begin(struct call *call, uint16_t type, uint32_t length);

/* Load what is there; `size` 0: that file. */
long machine_load(struct call *call, uint16_t id, size_t size);

/* Any state that is loaded is told, and one that cannot be is refused; the machine never ran. */
void machine_state(const struct surroundings *s);

#endif

/* What the files about machines that run share: where things are in such a machine. */
#ifndef XENFC_GUEST_PLACES_H
#define XENFC_GUEST_PLACES_H

#include "guest_code.h"
#include "writer.h"

/* Frames. */
#define FIXED_PAGE 0u		/* descriptors, the handler of exceptions, a few variables */
#define GATES_PAGE 1u
#define CODE_PAGE 2u		/* and the next one */
#define ONES_PAGE 4u
#define SPARE_PAGE 6u
#define STACK_PAGE 7u
#define TABLES_PAGE 8u		/* four of them */

#define NOTHING_THERE 0x00200000u	/* no memory, no device */
#define ALWAYS_SET 0x002u	/* in the flags */

/* One check with memory, or the same one `emulated`: eax and the flags after it go to the results. */
void guest_check_write(struct writer *w, const struct guest_check *check, unsigned int number,
		       bool emulated);
void guest_check_draw(struct call *call, bool wide, struct guest_check *check);

/* Any instruction, with what it needs in registers. */
void guest_random_write(struct call *call, struct writer *w, bool wide);

#endif

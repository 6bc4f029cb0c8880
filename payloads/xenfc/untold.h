/* Answers for which there is only memory that can be read. */
#ifndef XENFC_UNTOLD_H
#define XENFC_UNTOLD_H

#include "call.h"

/* After a call that succeeded and changed nothing: the same, with nowhere to tell its answer. */
void check_untold(struct run *run, struct call *call);

/* A page of the arena can only be read from now on, or written again; of a kernel of our own. */
void arena_page_lock(struct call *call, unsigned int number, bool locked);

#endif

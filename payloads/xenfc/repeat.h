/* What comes and goes within a call of the sequence takes no memory, however often it does. */
#ifndef XENFC_REPEAT_H
#define XENFC_REPEAT_H

#include "call.h"

/* After each `live` all is as before it. */
void check_lives_take_nothing(struct call *call, void (*live)(struct call *call));

#endif

/* A timer of the caller's processor: that it goes off, and that it does not once it is stopped. */
#ifndef XENFC_TIMER_LIFE_H
#define XENFC_TIMER_LIFE_H

#include "call.h"

void timer_live(struct call *call);

#endif

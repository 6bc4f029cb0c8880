/* The rows about physical interrupts, of two families. */
#ifndef XENFC_INTERRUPT_H
#define XENFC_INTERRUPT_H

#include "run.h"

extern const struct operation evtchn_interrupt[], physdev_interrupt[];
extern const size_t evtchn_interrupt_count, physdev_interrupt_count;

#endif

/* Rows of event_channel_op about the newer kind of ports. */
#ifndef XENFC_FIFO_H
#define XENFC_FIFO_H

#include "call.h"

extern const struct operation evtchn_fifo[];
extern const size_t evtchn_fifo_count;

#endif

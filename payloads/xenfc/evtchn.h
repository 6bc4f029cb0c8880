/* What the files about event_channel_op share. */
#ifndef XENFC_EVTCHN_H
#define XENFC_EVTCHN_H

#include "run.h"

#define PORT_BEYOND (1u << 20)	/* no domain has so many */

#define EVTCHN(command_name, class, type, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = EVTCHNOP_##command_name, .danger = class, \
	  .structure_size = sizeof(struct type), .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

extern const struct operation evtchn_local[];
extern const size_t evtchn_local_count;

#endif

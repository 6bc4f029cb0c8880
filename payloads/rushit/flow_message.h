/* Whole requests and responses over a connection, a piece at a time. */
#ifndef RUSHIT_FLOW_MESSAGE_H
#define RUSHIT_FLOW_MESSAGE_H

#include "flow.h"

/* Write what is left of the message; true when all of it is out.  Else the flow may be closed. */
bool message_push(struct flow *flow);

/* Read once; true when the message is whole.  Else the flow may be closed. */
bool message_pull(struct flow *flow);

/* Both, as far as they are due: true when the answer to a request is whole. */
bool message_answered(struct flow *flow, uint32_t events);

/* Empty the error queue if `events` speak of it; false when the flow was closed over it. */
bool message_heed_errors(struct flow *flow, uint32_t events);

#endif

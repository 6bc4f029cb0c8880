/* What the kinds of workload do with a flow. */
#ifndef RUSHIT_WORKLOAD_H
#define RUSHIT_WORKLOAD_H

#include "flow.h"

struct workload {
	/* The flow is connected (or its datagram socket is bound), and the run goes on. */
	void (*begin)(struct flow *flow);
	flow_ready_fn ready;
	/* Open loop: begin what was due at `due_ns`.  NULL where --rate has no meaning. */
	void (*launch)(struct flow *flow, uint64_t due_ns);
	/* Called every 100 ms or so: is something overdue?  NULL where nothing can be. */
	void (*check)(struct flow *flow, uint64_t now_ns);
};

/* For one end of the run that `s` describes. */
const struct workload *workload_of(const struct settings *s);

extern const struct workload rr_client, rr_server;
extern const struct workload crr_client;
extern const struct workload stream_both;
extern const struct workload packets_client, packets_server;
extern const struct workload packet_rr_client, packet_rr_server;

#endif

/* Data sockets, made as the options say, with the script's hook called where it belongs. */
#ifndef RUSHIT_ENDPOINT_SOCKET_H
#define RUSHIT_ENDPOINT_SOCKET_H

#include "flow.h"

/*
 * Server: a socket on the worker's port; connections: listening, else bound.  NULL and a
 * failed worker when it cannot be had.
 */
struct flow *socket_serve(struct worker *w, flow_ready_fn ready);

/*
 * 0 when nobody has the port.  Threads share it with SO_REUSEPORT, and so would another
 * server: the kernel would hand it half of the connections and tell nobody.
 */
int socket_probe(const struct endpoint *e, struct why *why);

/* Listen with at least this backlog from now on: so many connections will come at once. */
void socket_widen_backlog(struct flow *listener, long connections);

/* Client: flow `id`, connected.  NULL and a failed worker when it cannot be had. */
struct flow *socket_connect(struct worker *w, uint32_t id, flow_ready_fn ready);

/* Begin to connect `flow` anew (its fd is closed before); 0, or FLOW_ENDED. */
int socket_reconnect(struct flow *flow);

/* Server: settings for a connection that was accepted. */
void socket_tune_accepted(struct worker *w, int fd);

#endif

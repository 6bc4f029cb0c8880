/* What a worker does between its first and its last event. */
#ifndef RUSHIT_WORKER_LOOP_H
#define RUSHIT_WORKER_LOOP_H

#include "worker.h"

/* Server: open the worker's listener or datagram socket. */
void worker_listen(struct worker *w);

/* Sleep until run->go (or the run is given up before) or run->closing. */
void worker_wait_for(struct worker *w, const atomic_bool *flag);

/* Begin all flows and serve them until the run stops or the worker fails. */
void worker_loop(struct worker *w);

#endif

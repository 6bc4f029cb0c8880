/*
 * When a worker's flows may go on: an open loop (a fixed rate, each transaction due at its
 * own moment however long the one before it took), or a rest after each write.
 */
#ifndef RUSHIT_SCHEDULE_H
#define RUSHIT_SCHEDULE_H

#include <stdint.h>

#include "flow.h"
#include "workload.h"

struct schedule;

/*
 * Open loop: the flows take turns, `period_ns` apart from `first_ns` on.  NULL: no memory.
 * The flows must not change in number.
 */
struct schedule *schedule_open_loop(struct worker *w, const struct workload *workload,
				    uint64_t first_ns, double period_ns);

/* A rest of `rest_ns` for each flow after schedule_done(); then its `ready` is called. */
struct schedule *schedule_rests(struct worker *w, uint64_t rest_ns);
void schedule_free(struct schedule *schedule);

/* The flow's transaction is over: go on with what is overdue, or rest. */
void schedule_done(struct schedule *schedule, struct flow *flow, uint64_t now_ns);

/*
 * Open loop, at its end: what is due at `end_ns` and waited more than twice as long as any
 * answer took is counted with that time, or a stall that outlasts the run would leave no
 * trace.  How many.
 */
uint64_t schedule_unanswered(const struct schedule *schedule, uint64_t end_ns,
			     struct histogram *latency);

/* A flow is closed: forget it. */
void schedule_forget(struct schedule *schedule, struct flow *flow);

/* Begin all that is due; the moment of what comes next, or UINT64_MAX. */
uint64_t schedule_run(struct schedule *schedule, uint64_t now_ns);

#endif

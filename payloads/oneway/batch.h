/*
 * A batch of messages of a comparison: who asks says what will come, and gets the
 * moments at which the messages were received when they all were exchanged.
 */
#ifndef ONEWAY_BATCH_H
#define ONEWAY_BATCH_H

#include "exchange.h"
#include "offset.h"

/*
 * Serve whoever connects, one after the other, until nobody came for `idle_ms`.
 * `trust`: use the counter although it is not invariant.  Returns 0 then, -1 when
 * the listener fails.  A client that breaks off is told on standard error.
 */
int batch_serve(int listener, uint64_t idle_ms, bool trust, struct why *why);

struct batch_result {
	double first_one_way, first_round_trip;	/* in stamps */
	double error;			/* what a one-way time may be wrong by */
};

/*
 * One connection and plan->count messages; those after the first to `one_way` and
 * `round_trip`, in stamps.  `same_clock`: the server's clock is ours.  0 or -1.
 */
int batch_ask(const struct address *to, const struct exchange_plan *plan, bool same_clock,
	      struct batch_result *result, double *one_way, double *round_trip, struct why *why);

#endif

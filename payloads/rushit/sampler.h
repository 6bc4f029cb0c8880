/*
 * --all-samples: a row for each flow and interval.  Each worker writes its rows, which are
 * in order, to a file of its own without a name; at the end they are merged by time.
 */
#ifndef RUSHIT_SAMPLER_H
#define RUSHIT_SAMPLER_H

#include "worker.h"

struct sampler *sampler_new(const struct settings *s, int thread, struct why *why);
void sampler_free(struct sampler *sampler);

/* The flow is sampled from now on; false: no memory. */
bool sampler_adopt(struct sampler *sampler, struct flow *flow);

/* Take samples when the run's tick changed. */
void sampler_look(struct sampler *sampler, struct worker *w);

/* Take samples now. */
void sampler_take(struct sampler *sampler, struct worker *w);

/* Write the file that --all-samples names; the number of rows, or -1. */
long sampler_merge(const struct settings *s, struct sampler *const *samplers, int count,
		   struct why *why);

#endif

/*
 * How long a run is in its hypercalls and how long beside them: the rate that a bare loop of
 * the very same calls would have, without generator, oracle and log.
 */
#ifndef XENFC_TIMED_H
#define XENFC_TIMED_H

#include <stdint.h>

#include "door.h"
#include "plan.h"

/* From here on the door's hypercalls are timed. */
void timed_begin(struct door *door);

/* Hypercalls a second if nothing but they had taken time; 0 when nothing was measured. */
uint64_t timed_rate(const struct outcome *outcome);

#endif

/* Where and how awake the program runs. */
#ifndef ONEWAY_PLACEMENT_H
#define ONEWAY_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "transport.h"

/* Run on this CPU only; -1 leaves it to the scheduler. */
int placement_pin(int64_t cpu, struct why *why);

/* Hold the processors off their idle states until this program ends. */
int placement_hold_awake(struct why *why);

#endif

/* The caller's second processor. */
#ifndef XENFC_SECOND_H
#define XENFC_SECOND_H

#include "call.h"

#define SECOND_VCPU 1u

extern const struct operation vcpu_second[], evtchn_second[];
extern const size_t vcpu_second_count, evtchn_second_count;

/* Of what may be asked for the first one, too. */
extern const struct field vcpu_runstate_fields[], vcpu_periodic_fields[], vcpu_single_fields[],
	vcpu_info_fields[];

/* ENOENT where the caller has one processor only, else `result`. */
void second_expect(struct call *call, long result);

#endif

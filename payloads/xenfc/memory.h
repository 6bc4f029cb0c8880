/* What the files about memory_op share. */
#ifndef XENFC_MEMORY_H
#define XENFC_MEMORY_H

#include "run.h"

#define MEMORY_START_SHIFT 6	/* of the command: where a continuation goes on */
#define MAP_PLACES 4096u	/* in the memory maps of HVM domains */

extern const struct field reservation_fields[];
extern const struct operation memory_claims[], memory_maps[], memory_places[],
	memory_resources[], memory_own[], memory_vnuma[], memory_list[], memory_tables[],
	memory_started[];
extern const size_t memory_claims_count, memory_maps_count, memory_places_count,
	memory_resources_count, memory_own_count, memory_vnuma_count, memory_list_count,
	memory_tables_count, memory_started_count;

/* The domain may have lost pages by the call, and cannot have got any. */
void memory_follow_fewer(struct call *call);

#endif

/* What the files about grant tables share. */
#ifndef XENFC_GRANT_H
#define XENFC_GRANT_H

#include "run.h"
#include "who.h"

#define GRANT(command_name, type, class, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = GNTTABOP_##command_name, .danger = class, \
	  .weight = 8, .structure_size = sizeof(struct type), .fields = field_list, \
	  .generate = generator, .expect = expectation, .after = follow }

extern const struct operation grant_foreign[], grant_own[], grant_own_version[], grant_own_map[];
extern const size_t grant_foreign_count, grant_own_count, grant_own_version_count,
	grant_own_map_count;

/* Of a call with one element that succeeded as a whole. */
void grant_check_status(struct call *call, int16_t status, int16_t expected);

#endif

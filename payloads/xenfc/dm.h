/* What the files about dm_op share. */
#ifndef XENFC_DM_H
#define XENFC_DM_H

#include "run.h"

extern const struct operation dm_servers[], dm_machine[], dm_caches[];
extern const size_t dm_servers_count, dm_machine_count, dm_caches_count;

struct xen_dm_op *dm_of(const struct call *call);

/* True, with the expectation, when Xen looks no further than at the padding. */
bool dm_padded(struct call *call);

/* A dm_op on the call's own domain beside the sequence; its structure, cleared. */
struct xen_dm_op *dm_aside_structure(struct call *call);
long dm_aside(struct call *call, uint32_t command);

#define DM(command_name, class, traits_of, generator, expectation, follow) \
	{ .name = #command_name, .command = XEN_DMOP_##command_name, .danger = class, \
	  .traits = traits_of, .weight = 4, .generate = generator, .expect = expectation, \
	  .structure_size = sizeof(((struct xen_dm_op *)0)->u.command_name), .after = follow }

#endif

/* What the files about physdev_op share. */
#ifndef XENFC_PHYSDEV_H
#define XENFC_PHYSDEV_H

#include "run.h"

#define IRQ_BEYOND (1u << 16)
#define NO_BUS 0xff

#define PHYSDEV(label, command_name, class, traits_of, type, field_list, generator, expectation, \
		follow) \
	{ .name = label, .command = PHYSDEVOP_##command_name, .danger = class, \
	  .traits = traits_of, .weight = 4, .structure_size = sizeof(struct type), \
	  .fields = field_list, .generate = generator, .expect = expectation, .after = follow }

extern const struct operation physdev_route[], physdev_pci[];
extern const size_t physdev_route_count, physdev_pci_count;

/* Whether the caller may what only the control domain may; if not, EPERM is expected. */
bool physdev_by_control(struct call *call);

#endif

/* Rows of vcpu_op about places where Xen tells a processor of its time. */
#ifndef XENFC_VCPU_AREAS_H
#define XENFC_VCPU_AREAS_H

#include "call.h"

extern const struct operation vcpu_areas[];
extern const size_t vcpu_areas_count;

#endif

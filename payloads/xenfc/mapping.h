/* Rows of update_va_mapping with addresses that are there. */
#ifndef XENFC_MAPPING_H
#define XENFC_MAPPING_H

#include "run.h"

extern const struct operation va_mapping[];
extern const size_t va_mapping_count;

#endif

/* Rows of xen_version about texts of any length. */
#ifndef XENFC_VERSION_H
#define XENFC_VERSION_H

#include "call.h"

extern const struct operation version_texts[];
extern const size_t version_texts_count;

#endif

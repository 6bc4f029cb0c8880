/* Rows of hvm_op in other files. */
#ifndef XENFC_HVM_H
#define XENFC_HVM_H

#include "run.h"

extern const struct operation hvm_caller[];
extern const size_t hvm_caller_count;

extern const struct operation hvm_altp2m[];
extern const size_t hvm_altp2m_count;

#endif

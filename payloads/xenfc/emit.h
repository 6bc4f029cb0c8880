/* A sequence as a short C program that needs nothing but Linux's privcmd. */
#ifndef XENFC_EMIT_H
#define XENFC_EMIT_H

#include "plan.h"

/* Before the first call, each call (struct plan's `show`), after the last. */
void emit_begin(const struct plan *plan);
void emit_call(const struct call *call);
void emit_end(void);

#endif

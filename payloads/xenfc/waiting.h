/* Orders for which a machine waits, before it runs: none may leave it waiting. */
#ifndef XENFC_WAITING_H
#define XENFC_WAITING_H

#include <stdbool.h>

struct surroundings;

/* Orders that are carried out at once; the machine was not started yet. */
void orders_before(const struct surroundings *s);

/*
 * Its processor is held by a debugger when the machine starts (true), and let go when it had
 * time to run, which it must not have used.
 */
bool processor_held(const struct surroundings *s);
void processor_let_go(const struct surroundings *s);

#endif

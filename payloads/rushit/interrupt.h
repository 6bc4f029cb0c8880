/* SIGINT and SIGTERM ask for an early end; workers wake the main thread the same way. */
#ifndef RUSHIT_INTERRUPT_H
#define RUSHIT_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);

/* True once a signal came.  A second one ends the program at once. */
bool interrupted(void);

/* Readable after interrupt_wake() or a signal; cleared by interrupt_clear(). */
int interrupt_fd(void);
void interrupt_wake(void);
void interrupt_clear(void);

#endif

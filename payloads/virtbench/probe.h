/* Whether something can be done here, found out by doing it once where it does no harm. */
#ifndef VIRTBENCH_PROBE_H
#define VIRTBENCH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Do it in a child: true when the child lived through it within two seconds. */
bool survives(void (*what)(void));

/* Processors that this process may use. */
int usable_processors(void);

/* Bind the calling thread to the nth of them (from 0); false when there are fewer. */
bool use_processor(int nth);

/* Bytes that can be taken before the kernel has to kill somebody; very many when it does not say. */
uint64_t available_memory(void);

#endif

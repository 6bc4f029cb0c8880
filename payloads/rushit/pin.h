/* Where a thread may run. */
#ifndef RUSHIT_PIN_H
#define RUSHIT_PIN_H

#include <sched.h>

#include "transport.h"

/*
 * Pin the calling thread to physical core `index` modulo cores (all its hardware threads),
 * or to NUMA node `index` modulo nodes, of those that it may use at all.  0 or -1.
 */
int pin_to_core(int index, struct why *why);
int pin_to_node(int index, struct why *why);

/* "0-3,8" as the kernel writes it; false when it is no such list. */
bool cpu_list_parse(const char *text, cpu_set_t *cpus);

#endif

/* The parts of virtclient. */
#ifndef VIRTBENCH_CLIENT_H
#define VIRTBENCH_CLIENT_H

#include "benchmark.h"
#include "wire.h"

/*
 * In a child: set up and run what `setup` asks for and tell the server how it went.
 * Does not return.
 */
_Noreturn void session_run(int control, const struct setup *setup, const struct machine *machine);

/* Whether this is the first process of a machine that has nothing else. */
bool guest_is_init(void);

/*
 * Make a machine of it: file systems, the kernel modules in /modules, the loopback
 * interface, and `ifname` with `address`/24 when they are not NULL.  0, or -1.
 */
int guest_init(const char *ifname, const char *address, struct why *why);
_Noreturn void guest_power_off(void);

/* Counts down by executing itself; see micro/exec.c. */
#define EXEC_WORD "--count-down"
_Noreturn void exec_count_down(const char *number);

#endif

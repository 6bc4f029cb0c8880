/* How a run in ring 0 ends: a verdict on the console, then the machine or the domain. */
#ifndef XENFC_RING0_SHUTDOWN_H
#define XENFC_RING0_SHUTDOWN_H

#include <exits.h>

/*
 * Says the verdict of `status` (exits.h) as KTAP and as a "Test result:" line, and shuts
 * down: with the reason poweroff, or crash for EXIT_ERROR.
 */
void shutdown_with(enum exit_status status, const char *reason) __attribute__((noreturn));

/* For who has had its verdict said by another. */
void shutdown_silently(void) __attribute__((noreturn));

#endif

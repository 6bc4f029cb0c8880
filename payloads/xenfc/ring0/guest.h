/*
 * A guest made of ourselves: from the place of the control domain, an unprivileged PV
 * domain with the same kernel is built, started and listened to.
 */
#ifndef XENFC_RING0_GUEST_H
#define XENFC_RING0_GUEST_H

#include <stddef.h>

/* Before anything else runs: keep our data as it was loaded, for the guest. */
void guest_keep_data(void);

/*
 * Runs the guest with this command line until it has shut down; all it says goes to our
 * console, its verdict too.  NULL, or what could not be done: then there was no verdict.
 */
const char *guest_run(const char *command_line);

#endif

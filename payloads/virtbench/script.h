/* Runs a backend's script; its words on standard output are its answer. */
#ifndef VIRTBENCH_SCRIPT_H
#define VIRTBENCH_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "transport.h"

/*
 * In `folder`, with standard error passed through.  The exit status, or -1 when it
 * could not be started, did not end in time (then its whole process group is
 * killed) or printed a first line that does not fit into `answer`, which gets it.  What the script leaves running in the
 * background lives on.
 */
int script_run(const char *folder, char *const argv[], uint64_t limit_ms, char *answer,
	       size_t size, struct why *why);

#endif

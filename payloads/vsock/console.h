/* A domain's console, through which the guest's half is started. */
#ifndef VSOCK_CONSOLE_H
#define VSOCK_CONSOLE_H

#include "transport.h"

/* `path`: a terminal (xl console, virsh ttyconsole), or unix:PATH.  The descriptor, or -1. */
int console_open(const char *path, struct why *why);

/* Type `command` and the return key. */
int console_type(int fd, const char *command, struct why *why);

/* Until a line that is just `line` was printed; -1 with the last line when the time is over. */
int console_expect(int fd, const char *line, deadline_t deadline, struct why *why);

#endif

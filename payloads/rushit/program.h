/* The names under which this program runs, and what each does. */
#ifndef RUSHIT_PROGRAM_H
#define RUSHIT_PROGRAM_H

#include "settings.h"

struct program_name {
	const char *name;
	enum kind kind;
	enum transport transport;
	const char *summary;
};

/* NULL when there is no such workload. */
const struct program_name *program_find(const char *name);

/* All names, separated by ", ". */
const char *program_names(void);

/*
 * Packets over vsock are SOCK_SEQPACKET: connections that keep message bounds.  So the
 * connection-oriented workloads run them.
 */
enum kind program_kind(enum kind kind, enum transport transport);
int program_socket_type(enum kind kind, enum transport transport);

#endif

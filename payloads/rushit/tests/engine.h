/* An engine that calls the hooks of its threads and knows no network. */
#ifndef RUSHIT_TESTS_ENGINE_H
#define RUSHIT_TESTS_ENGINE_H

#include <stddef.h>
#include <sys/types.h>

#include "hooks.h"

#define MAX_THREADS 8

struct engine {
	struct script_engine contract;
	struct script *script;
	int fds[MAX_THREADS][2];
	int status;		/* for run() to return */
	int runs;
	ssize_t packet;		/* the last packet hook's result of thread 0, and errno */
	int packet_errno;
	char errors[1024];	/* what was written on standard error */
};

/* Play a script's text from a file called x.lua; its status. */
int play(struct engine *engine, const char *text, size_t size);

#endif

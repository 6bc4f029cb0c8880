/* Clients that connect, and say which machine they are. */
#ifndef VIRTBENCH_NEWCOMERS_H
#define VIRTBENCH_NEWCOMERS_H

#include "machines.h"

/*
 * Until each machine of the fleet has said its number, or the time is over: how many are missing
 * then.  Who says something else, or nothing, is told why it is refused, and keeps nobody waiting.
 */
int newcomers_admit(struct fleet *fleet, int listener, deadline_t deadline);

#endif

/*
 * A process that outlives its maker and does one thing should the maker be killed with no
 * chance to do it itself: the last resort behind a supervisor.
 */
#ifndef XENTEST_KEEPER_H
#define XENTEST_KEEPER_H

#include <sys/types.h>

struct keeper {
	pid_t process;
	int line;	/* its end without a word means that the maker died */
};

/* 0 or -errno.  `undo` sees memory as it is now, or as it will be where it is shared. */
int keeper_begin(struct keeper *k, void (*undo)(void *context), void *context);

/* The keeper kills this process and its group and waits for its end before it undoes. */
void keeper_watch(const struct keeper *k, pid_t worker);

/* In a child of the maker: the line must end with the maker alone. */
void keeper_forget(const struct keeper *k);

/* The maker does the undoing itself. */
void keeper_end(struct keeper *k);

#endif

/* Memory that is really used: allocated, filled with a pattern, and looked at again. */
#ifndef BALLOON_LOAD_H
#define BALLOON_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport.h"

/* A child that holds memory.  The kernel's OOM killer takes it before anything else. */
struct load {
	pid_t child;
	int orders;	/* we write: what to do */
	int answers;	/* we read: done */
};

enum load_end {
	LOAD_GOOD,	/* every page still held its pattern */
	LOAD_CORRUPT,
	LOAD_KILLED,	/* SIGKILL: by the OOM killer, for nobody else would */
	LOAD_CRASHED,	/* another signal: a page was taken away under it */
	LOAD_FAILED,	/* could not allocate, or no answer in time */
	LOAD_LET_GO,	/* ended by itself: nobody told it anything for too long */
};

/* Allocate and fill `kb`; returns when that is done.  0, or -1 with `why`. */
int load_begin(struct load *load, uint64_t kb, struct why *why);

/* The same; it lets go when it is told nothing for so long.  load_begin(): longer than a move. */
int load_begin_for(struct load *load, uint64_t kb, int limit_ms, struct why *why);

/*
 * Look at every page; it goes on holding them (and, with `churn`, gives back and takes
 * anew a half of them again and again until it is told to end).
 */
void load_churn(struct load *load);

/* Let it check its pages a last time, and end. */
enum load_end load_end(struct load *load);

/* For a verdict: "every page held its pattern", ... */
const char *load_end_words(enum load_end end);

#endif

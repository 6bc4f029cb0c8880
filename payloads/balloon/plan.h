/* What the command line asks for, and the numbers that follow from it and the domain. */
#ifndef BALLOON_PLAN_H
#define BALLOON_PLAN_H

#include <stdint.h>

#include "trial.h"

#define FLOOR_CHOSEN (-1)

struct plan {
	const char *interface;	/* "auto", or the door's name */
	const char *root;
	const char *domain;
	const char *neighbour;
	const char *qmp;
	const char *save_file;
	int64_t floor;		/* bytes, or FLOOR_CHOSEN */
	int64_t cycles;
	int64_t settle_seconds;
	int64_t seed;		/* -1: none given */
};

/* The door that fits; -1 with `why` when there is none here. */
int plan_open_door(const struct plan *plan, struct door *door, struct why *why);

/* Floor and step of a trial whose `before` is known. */
void plan_measure(const struct plan *plan, struct trial *trial);

/*
 * Make the domain what it was: its target, its mem-max, and itself, should it have
 * been lost between save and restore.  0, or -1 with `why`.
 */
int plan_put_back(const struct plan *plan, const struct view *before, struct why *why);

/* The same for the other domain's target; 0: it is as it was. */
int plan_put_back_neighbour(const struct plan *plan, uint64_t target, struct why *why);

#endif

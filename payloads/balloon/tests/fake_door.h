/* A balloon driver in memory, honest or with one of the faults that the scenarios look for. */
#ifndef FAKE_DOOR_H
#define FAKE_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "door.h"
#include "trial.h"

struct fake {
	uint64_t current, target, limit;
	uint64_t guest_gap;	/* kernel's own memory that MemTotal does not count */
	uint64_t pace;		/* kB that the driver moves between two looks */
	uid_t owner;
	/* Faults. */
	bool deaf;		/* takes a target, does not move */
	bool forgets_target;	/* shows an old target */
	bool never_grows;
	uint64_t leak;		/* kB lost each time it grows */
	bool guest_stops_telling;	/* it tells of nothing smaller than the beginning */
	bool guest_blind;	/* MemTotal does not follow */
	bool hypervisor_blind;	/* nor does the hypervisor's count */
	bool ignores_limit;
	bool ignores_ceiling;	/* xl mem-max is taken and changes nothing */
	bool lets_others_write;	/* another user may write the target */
	bool starves_neighbour;	/* for whoever opens the neighbour: it never grows */
	bool refuses;
	bool refuses_wild;	/* what nobody should ask for; an honest driver may */
	bool silent;		/* a target gets no answer */
	int write_answer;	/* errno of odd writes; 0: the text counts as 0 kB */
	bool rude;		/* an odd write returns too little */
	bool refusals_count;	/* what was refused is the target all the same */
	bool swallows_text;	/* an odd write is taken and changes nothing */
	bool loses_writes;	/* every second target is lost, and so the last of many */
	unsigned int writes;
	bool drifts;		/* leaves a target that it has reached */
	bool boasts;		/* has whatever it is asked for, by its own word alone */
	bool guest_never_grows;	/* MemTotal only falls */
	uint64_t frozen_total, frozen_count, least_total;
	uint64_t available;	/* MemAvailable; 0: half of MemTotal */
	void (*on_set)(void);	/* called when a target is written */
	uint64_t *patience;	/* made short once a wait would be in vain: no test waits for it */
};

/* 512 MiB, all well. */
void fake_door_init(struct fake *fake, struct door *door, const struct manners *manners);

/* A trial on it with a floor of 128 MiB, steps of 32 MiB and much time to settle. */
void fake_trial_init(struct trial *trial, struct door *door, struct report *report);

#endif

/*
 * A thread that has nothing to do may look for more for a while before it sleeps: a receiver
 * that sleeps costs its sender a wake-up for each few datagrams.  But where both share a
 * processor, nothing comes as long as somebody looks.  So looks that find nothing get rare,
 * and soon cost next to nothing; one that finds something sets that right at once.
 */
#ifndef RUSHIT_LOOKING_H
#define RUSHIT_LOOKING_H

#include <stdbool.h>
#include <stdint.h>

struct looking {
	uint64_t ns;		/* how long; 0: not at all */
	bool always;		/* --busy-poll: whether it pays or not */
	uint64_t since_ns;	/* of this look; 0: there was something to do */
	unsigned int pause;	/* how many looks to leave out after the next vain one */
	unsigned int left_out;	/* of these: how many still */
};

/* False when the next look is left out. */
static inline bool looking_now(const struct looking *l)
{
	return l->ns && !l->left_out;
}

/* There was something to do. */
void looking_found(struct looking *l);

/* There was nothing: true when it is time to sleep. */
bool looking_tired(struct looking *l, uint64_t now_ns);

#endif

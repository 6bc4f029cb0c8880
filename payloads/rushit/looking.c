#include "looking.h"

#define LONGEST_PAUSE 64

void looking_found(struct looking *l)
{
	if (l->since_ns)
		l->pause = 0;
	l->since_ns = 0;
}

bool looking_tired(struct looking *l, uint64_t now_ns)
{
	if (!l->since_ns && l->left_out) {
		l->left_out--;
		return true;
	}
	if (!l->since_ns)
		l->since_ns = now_ns;
	if (now_ns - l->since_ns <= l->ns)
		return false;
	if (l->always)
		return true;
	/* What comes after the sleep is not what the look has found. */
	l->since_ns = 0;
	l->left_out = l->pause;
	l->pause = l->pause ? l->pause * 2 : 1;
	if (l->pause > LONGEST_PAUSE)
		l->pause = LONGEST_PAUSE;
	return true;
}

/*
 * Random numbers of one call.  Each call has a sequence of its own and takes a dozen numbers from
 * it, so what counts is that it begins, and goes on, within a few instructions (wyrand, by Wang Yi).
 */
#ifndef XENFC_DICE_H
#define XENFC_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* Sequences of seeds that differ little have nothing in common: the end of splitmix64. */
static inline struct dice dice_of(uint64_t seed)
{
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
	seed = (seed ^ seed >> 27) * 0x94d049bb133111ebull;
	return (struct dice){ seed ^ seed >> 31 };
}

static inline uint64_t dice_u64(struct dice *dice)
{
	uint64_t state = dice->state += 0xa0761d6478bd642full;
	unsigned __int128 product = (unsigned __int128)state * (state ^ 0xe7037ed1a0b428dbull);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* In [0, bound), evenly enough: off by 1 in 2^32 for bounds of 32 bits; 0 when bound is 0. */
static inline uint64_t dice_below(struct dice *dice, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)dice_u64(dice) * bound >> 64);
}

/* `percent` times in a hundred; always from 100 on. */
static inline bool dice_chance(struct dice *dice, unsigned int percent)
{
	return dice_u64(dice) / 4 < percent * (UINT64_MAX / 4 / 100 + 1);
}

#endif

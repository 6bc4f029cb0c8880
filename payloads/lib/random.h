/*
 * Reproducible random numbers: the same seed gives the same sequence on every
 * machine.  Freestanding: no libc, usable in a kernel of our own.
 */
#ifndef XENTEST_RANDOM_H
#define XENTEST_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state[4];	/* xoshiro256** */
};

void random_seed(struct random *r, uint64_t seed);

uint64_t random_u64(struct random *r);

/* Evenly in [0, bound); 0 when bound is 0.  No modulo bias. */
uint64_t random_below(struct random *r, uint64_t bound);

/* Evenly in [low, high], both included. */
uint64_t random_between(struct random *r, uint64_t low, uint64_t high);

/* True `percent` times in a hundred. */
bool random_chance(struct random *r, unsigned int percent);

void random_fill(struct random *r, void *buffer, size_t size);

#endif

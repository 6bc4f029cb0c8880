/* xoshiro256** (Blackman and Vigna), its state filled by splitmix64. */
#include "random.h"

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->state[i] = splitmix64(&seed);
}

static uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

uint64_t random_u64(struct random *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/*
 * The high half of a 128-bit product lies in [0, bound); of the low halves those
 * below 2^64 mod bound are one too many for some results, so they are drawn again.
 */
uint64_t random_below(struct random *r, uint64_t bound)
{
	unsigned __int128 product;

	if (!bound)
		return 0;
	do {
		product = (unsigned __int128)random_u64(r) * bound;
		/* A division takes longer than all the rest: only where it may matter. */
	} while ((uint64_t)product < bound && (uint64_t)product < -bound % bound);
	return product >> 64;
}

uint64_t random_between(struct random *r, uint64_t low, uint64_t high)
{
	uint64_t span = high - low;

	if (span == UINT64_MAX)
		return random_u64(r);
	return low + random_below(r, span + 1);
}

bool random_chance(struct random *r, unsigned int percent)
{
	return random_below(r, 100) < percent;
}

/* The low end of each word comes first, so that the bytes are the same in any byte order. */
void random_fill(struct random *r, void *buffer, size_t size)
{
	uint8_t *bytes = buffer, *end = bytes + size;
	uint64_t word;

	for (; end - bytes >= (ptrdiff_t)sizeof(word); bytes += sizeof(word)) {
		word = random_u64(r);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		__builtin_memcpy(bytes, &word, sizeof(word));
	}
	if (bytes == end)
		return;
	for (word = random_u64(r); bytes < end; word >>= 8)
		*bytes++ = (uint8_t)word;
}

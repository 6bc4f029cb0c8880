/* What gcc and the core expect of a libc, and nothing more. */
#include "../freestanding.h"

#define WORD sizeof(uint64_t)
#define PIECE (4 * WORD)

/* Keeps the compiler from making a call of memcpy() or memset() out of these very loops. */
#define NO_IDIOM() __asm__ volatile("" : : : "memory")

/*
 * Plain loops: an emulated processor takes three times as long for a string instruction, and
 * a real one is slow to begin with it.
 */
void *memcpy(void *to, const void *from, size_t size)
{
	const uint8_t *source = from;
	uint8_t *target = to;

	for (; size >= PIECE; size -= PIECE, source += PIECE, target += PIECE) {
		uint64_t *words = (uint64_t *)target;
		const uint64_t *others = (const uint64_t *)source;

		words[0] = others[0];
		words[1] = others[1];
		words[2] = others[2];
		words[3] = others[3];
		NO_IDIOM();
	}
	for (; size >= WORD; size -= WORD, source += WORD, target += WORD) {
		*(uint64_t *)target = *(const uint64_t *)source;
		NO_IDIOM();
	}
	for (; size; size--) {
		*target++ = *source++;
		NO_IDIOM();
	}
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	uint64_t word = 0x0101010101010101ULL * (uint8_t)byte;
	uint8_t *target = to;

	for (; size >= PIECE; size -= PIECE, target += PIECE) {
		uint64_t *words = (uint64_t *)target;

		words[0] = word;
		words[1] = word;
		words[2] = word;
		words[3] = word;
		NO_IDIOM();
	}
	for (; size >= WORD; size -= WORD, target += WORD) {
		*(uint64_t *)target = word;
		NO_IDIOM();
	}
	for (; size; size--) {
		*target++ = (uint8_t)byte;
		NO_IDIOM();
	}
	return to;
}

static bool same_piece(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return !((left[0] ^ right[0]) | (left[1] ^ right[1]) |
		 (left[2] ^ right[2]) | (left[3] ^ right[3]));
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *left = a, *right = b;
	size_t i = 0;

	while (size - i >= PIECE && same_piece(left + i, right + i))
		i += PIECE;
	while (size - i >= WORD && *(const uint64_t *)(left + i) == *(const uint64_t *)(right + i))
		i += WORD;
	for (; i < size; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

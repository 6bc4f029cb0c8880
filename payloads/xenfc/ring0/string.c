/* What gcc and the core expect of a libc, and nothing more. */
#include "../freestanding.h"

#define WORD sizeof(uint64_t)

/* Words, then the bytes that are left: an emulated processor takes as long for either. */
void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;
	size_t words = size / WORD, bytes = size % WORD;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t size)
{
	void *start = to;
	uint64_t word = 0x0101010101010101ULL * (uint8_t)byte;
	size_t words = size / WORD, bytes = size % WORD;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(word) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *left = a, *right = b;
	size_t i = 0;

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

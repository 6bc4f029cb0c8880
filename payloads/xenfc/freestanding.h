/*
 * The whole libc of the core: these four, which every place it runs in has, and
 * formatting of its own.  No allocation, no stdio, no floating point, no errno.
 */
#ifndef XENFC_FREESTANDING_H
#define XENFC_FREESTANDING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

/* Text of bounded size: what does not fit is left out; always NUL-terminated. */
struct text {
	char *at;
	size_t size;	/* of the buffer, with the NUL */
	size_t used;
};

void text_begin(struct text *t, char *buffer, size_t size);
void text_add(struct text *t, const char *piece);
void text_char(struct text *t, char c);
void text_uint(struct text *t, uint64_t value);
void text_int(struct text *t, int64_t value);
void text_hex(struct text *t, uint64_t value);	/* with 0x */

/*
 * %s %c %d (int) %ld (int64_t) %u (unsigned) %lu (uint64_t) %x (unsigned) %lx (uint64_t) %%;
 * %x and %lx come with 0x.  Nothing else.
 */
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vformat(struct text *t, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

bool text_equal(const char *a, const char *b);

/* Shell patterns: * ? and, between patterns, a comma that means "or". */
bool text_matches(const char *patterns, const char *word);

/* Decimal or 0x…; false when `word` is anything else or does not fit. */
bool text_number(const char *word, uint64_t *value);

#endif

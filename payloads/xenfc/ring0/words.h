/* The words of the kernel's command line. */
#ifndef XENFC_RING0_WORDS_H
#define XENFC_RING0_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Cuts `line` (changed: blanks become NUL) into words; those beyond `most` are not told.
 * Returns how many there are in all.
 */
size_t words_of(char *line, const char *words[], size_t most);

/*
 * "3,7-9,20" as numbers: 3 7 8 9 20.  False when it is no such list, when it does not
 * ascend, or when there are more than `most`.
 */
bool numbers_of(const char *list, uint64_t numbers[], size_t most, size_t *count);

#endif

/* The words of the kernel's command line. */
#ifndef XENFC_RING0_WORDS_H
#define XENFC_RING0_WORDS_H

#include <stddef.h>

/*
 * Cuts `line` (changed: blanks become NUL) into words; those beyond `most` are not told.
 * Returns how many there are in all.
 */
size_t words_of(char *line, const char *words[], size_t most);

#endif

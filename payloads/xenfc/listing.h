/* The table of operations, for people. */
#ifndef XENFC_LISTING_H
#define XENFC_LISTING_H

/* Prints it; the exit status. */
int listing_print(void);

/* The operation nearest to a pattern that matches none, or NULL when all is well. */
const char *listing_unmatched(const char *patterns);

#endif

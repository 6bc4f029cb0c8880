/* The paging of a small HVM machine that has a processor and has not run: its memory, and its log. */
#ifndef XENFC_MACHINE_PAGING_H
#define XENFC_MACHINE_PAGING_H

struct surroundings;

/* Nothing is logged before, nor afterwards, and there is as much memory for it. */
void machine_paging(const struct surroundings *s);

#endif

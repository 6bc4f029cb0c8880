/* How counts become the numbers that are shown. */
#ifndef RUSHIT_FIGURES_H
#define RUSHIT_FIGURES_H

#include "settings.h"

/* The direction that is measured: what is read, or on an end that only writes, written. */
uint64_t payload_bytes(const struct settings *s, uint64_t bytes_read, uint64_t bytes_written);

/* 10^6 bits a second; 0 when no time passed. */
double megabits(uint64_t bytes, double seconds);
double per_second(uint64_t count, double seconds);

#endif

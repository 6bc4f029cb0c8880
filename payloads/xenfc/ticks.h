/*
 * The processor's counter.  Reading it takes less than any clock (of user space in a domain that is
 * a system call), but how fast it goes is not known: for shares, and for what need not be exact.
 */
#ifndef XENFC_TICKS_H
#define XENFC_TICKS_H

#include <stdint.h>

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif

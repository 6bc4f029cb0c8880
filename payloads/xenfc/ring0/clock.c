#include "clock.h"

#include <stddef.h>

#include <xen/xen.h>

static const volatile struct vcpu_time_info *shared;

void clock_use(const struct vcpu_time_info *time)
{
	shared = time;
}

static uint64_t timestamp_counter(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t scaled(uint64_t ticks, int8_t shift, uint32_t factor)
{
	ticks = shift < 0 ? ticks >> -shift : ticks << shift;
	return (unsigned __int128)ticks * factor >> 32;
}

uint64_t clock_ns(void)
{
	uint32_t version;
	uint64_t now;

	if (!shared)
		return 0;
	/* Odd: Xen is writing; changed: Xen wrote while we read. */
	do {
		version = shared->version;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		now = shared->system_time +
		      scaled(timestamp_counter() - shared->tsc_timestamp, shared->tsc_shift,
			     shared->tsc_to_system_mul);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) || version != shared->version);
	return now;
}

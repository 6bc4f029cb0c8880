/* Time: the monotonic clock, deadlines, and the processor's time stamp counter. */
#ifndef XENTEST_CLOCK_H
#define XENTEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);

/* CPU time that this process (all threads) or this thread has used, user and system. */
uint64_t clock_process_cpu_ns(void);
uint64_t clock_thread_cpu_ns(void);

/* A moment on clock_ns(); every wait takes one.  DEADLINE_NEVER does not pass. */
typedef uint64_t deadline_t;
#define DEADLINE_NEVER UINT64_MAX

deadline_t deadline_in_ms(uint64_t ms);
bool deadline_passed(deadline_t deadline);

/* What is left of it, for poll(2): -1 for never, 0 when it has passed, rounded up. */
int deadline_poll_ms(deadline_t deadline);

/* Sleep until a moment on clock_ns(); returns at once when it has passed. */
void clock_sleep_until(uint64_t moment_ns);

/*
 * The time stamp counter, ordered against what stands before and after it:
 * `begin` is read after all earlier loads are done and before what follows,
 * `end` after all that came before.
 */
static inline uint64_t tsc_begin(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t tsc_end(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtscp; lfence" : "=a"(low), "=d"(high) : : "rcx", "memory");
	return (uint64_t)high << 32 | low;
}

/* How fast the counter runs, and how we know. */
struct tsc_rate {
	double hz;		/* 0 when it could not be found */
	double error_ppm;	/* half width of what `hz` may be wrong by; 0: exact by its source */
	bool invariant;		/* CPUID 0x80000007.EDX[8]: same rate in all power states */
	const char *method;	/* "perf page", "cpuid 0x15", "calibrated", ... */
};

/* May take up to 200 ms when it has to calibrate against the monotonic clock. */
struct tsc_rate tsc_rate_find(void);

double tsc_to_ns(const struct tsc_rate *rate, double ticks);

#endif

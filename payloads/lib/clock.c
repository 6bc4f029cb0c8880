#include "clock.h"

#include <cpuid.h>
#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_process_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

deadline_t deadline_in_ms(uint64_t ms)
{
	uint64_t now = clock_ns();

	if (ms > (DEADLINE_NEVER - 1 - now) / NS_PER_MS)
		return DEADLINE_NEVER;
	return now + ms * NS_PER_MS;
}

bool deadline_passed(deadline_t deadline)
{
	return deadline != DEADLINE_NEVER && clock_ns() >= deadline;
}

int deadline_poll_ms(deadline_t deadline)
{
	uint64_t now, left_ms;

	if (deadline == DEADLINE_NEVER)
		return -1;
	now = clock_ns();
	if (now >= deadline)
		return 0;
	left_ms = (deadline - now - 1) / NS_PER_MS + 1;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

void clock_sleep_until(uint64_t moment_ns)
{
	struct timespec t = {
		.tv_sec = (time_t)(moment_ns / NS_PER_S),
		.tv_nsec = (long)(moment_ns % NS_PER_S),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* The kernel knows its counter's rate in whole kHz and shows it by way of perf's clock. */
static double rate_from_perf_page(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	struct perf_event_mmap_page *page;
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	double hz = 0;
	int fd;

	fd = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return 0;
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED) {
		if (page->cap_user_time && page->time_mult)
			hz = round(ldexp(1e6, page->time_shift) / page->time_mult) * 1e3;
		munmap(page, size);
	}
	close(fd);
	return hz;
}

/* Crystal and ratio; 0 when the processor does not tell both. */
static double rate_from_cpuid(void)
{
	unsigned int denominator, numerator, crystal_hz, unused;

	if (!__get_cpuid(0x15, &denominator, &numerator, &crystal_hz, &unused))
		return 0;
	if (!denominator || !numerator || !crystal_hz)
		return 0;
	return (double)crystal_hz * numerator / denominator;
}

struct reading {
	uint64_t ns;
	uint64_t ticks;
	uint64_t width;	/* in ticks: how long the reading of `ns` took */
};

/* Of several readings the one that was disturbed least. */
static struct reading read_both(void)
{
	struct reading best = { .width = UINT64_MAX };

	for (int i = 0; i < 50; i++) {
		uint64_t begin = tsc_begin();
		uint64_t ns = clock_ns();
		uint64_t end = tsc_end();

		if (end - begin < best.width)
			best = (struct reading){ ns, begin + (end - begin) / 2, end - begin };
	}
	return best;
}

static struct tsc_rate calibrate(void)
{
	struct reading first = read_both(), last;
	double ticks, ns;

	clock_sleep_until(first.ns + 150 * NS_PER_MS);
	last = read_both();
	if (last.ticks <= first.ticks || last.ns <= first.ns)
		return (struct tsc_rate){ .method = "none: the counter did not advance" };
	ticks = (double)(last.ticks - first.ticks);
	ns = (double)(last.ns - first.ns);
	return (struct tsc_rate){
		.hz = ticks / ns * (double)NS_PER_S,
		.error_ppm = (double)(first.width + last.width) / 2 / ticks * 1e6,
		.method = "calibrated",
	};
}

static bool counter_is_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8;
}

static bool counter_is_readable_in_order(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000001, &a, &b, &c, &d) && d & 1u << 27;
}

struct tsc_rate tsc_rate_find(void)
{
	struct tsc_rate rate = { .hz = rate_from_perf_page(), .method = "perf page" };

	if (!counter_is_readable_in_order()) {
		rate = (struct tsc_rate){ .method = "none: the processor has no RDTSCP" };
	} else if (rate.hz > 0) {
		rate.error_ppm = 500 / rate.hz * 1e6;
	} else {
		rate = (struct tsc_rate){ .hz = rate_from_cpuid(), .method = "cpuid 0x15" };
		if (!(rate.hz > 0))
			rate = calibrate();
	}
	rate.invariant = counter_is_invariant();
	return rate;
}

double tsc_to_ns(const struct tsc_rate *rate, double ticks)
{
	return rate->hz > 0 ? ticks / rate->hz * (double)NS_PER_S : NAN;
}

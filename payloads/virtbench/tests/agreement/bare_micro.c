#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"

#define PAGE 4096
#define BURN (64 << 20)

static char *anonymous(size_t size, int more)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more,
			    -1, 0);

	must(memory != MAP_FAILED, "mmap");
	return memory;
}

static double libc_syscall(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++)
		getppid();
	return now() - begin;
}

static double int_syscall(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++) {
		long result = 64;

		__asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
	}
	return now() - begin;
}

static double cpuid(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++) {
		int a = 0, b, c = 0, d;

		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
	return now() - begin;
}

static double rdtsc(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++)
		__asm__ volatile("rdtsc" : : : "rax", "rdx");
	return now() - begin;
}

static double vmmcall(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++) {
		long result = 0;

		__asm__ volatile("vmmcall" : "+a"(result) : : "rbx", "rcx", "rdx", "memory");
	}
	return now() - begin;
}

static double fork_wait(long runs)
{
	double begin = now();

	for (long i = 0; i < runs; i++) {
		int pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return now() - begin;
}

/*
 * The very program that the benchmark executes: its size is in the time.  There it runs
 * already, as the client; here it is mapped, which makes the kernel let go of it as quickly.
 */
static double exec(long runs)
{
	char text[16], *none[] = { NULL };
	const char *program = getenv("VIRTCLIENT");
	int pid, fd = open(program, O_RDONLY);
	struct stat status;
	double begin;

	must(fd >= 0 && !fstat(fd, &status), program);
	must(mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_POPULATE,
		  fd, 0) != MAP_FAILED, program);
	snprintf(text, sizeof(text), "%ld", runs);
	begin = now();
	pid = fork();
	if (pid == 0) {
		execle(program, "virtclient", "--count-down", text, NULL, none);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return now() - begin;
}

static double context_switch(long runs)
{
	int to[2], from[2], pid;
	double begin;
	char c = 0;

	must(!pipe(to) && !pipe(from), "pipe");
	pid = fork();
	if (pid == 0) {
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	begin = now();
	for (long i = 0; i < runs / 2; i++)
		must(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1, "pipe");
	begin = now() - begin;
	kill(pid, SIGKILL);
	return begin;
}

static double cow(long runs)
{
	int fd = memfd_create("x", 0), lot = 256;
	char *base, page[PAGE] = "x";
	double begin;

	for (int i = 0; i < lot; i++)
		must(write(fd, page, sizeof(page)) == sizeof(page), "memfd");
	base = mmap(NULL, (size_t)lot * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	begin = now();
	for (long done = 0; done < runs; done++) {
		if (done && done % lot == 0)
			madvise(base, (size_t)lot * PAGE, MADV_DONTNEED);
		((volatile int *)base)[done % lot * 1024] = 1;
	}
	return now() - begin;
}

static double first_touch(long runs)
{
	size_t size = (size_t)runs * PAGE;
	char *memory = anonymous(size, MAP_NORESERVE);
	double begin;

	madvise(memory, size, MADV_NOHUGEPAGE);
	begin = now();
	for (size_t at = 0; at < size; at += PAGE)
		((volatile char *)memory)[at] = 1;
	return now() - begin;
}

static double pte_update(long runs)
{
	char *a = anonymous(2 * PAGE, 0), *b = a + PAGE, *swap;
	double begin;

	a[0] = 1;
	begin = now();
	for (long i = 0; i < runs; i++) {
		must(mremap(a, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, b) == b, "mremap");
		((volatile char *)b)[0]++;
		swap = a;
		a = b;
		b = swap;
	}
	return now() - begin;
}

static double memburn_linear(long runs)
{
	volatile char *m = anonymous(BURN, MAP_POPULATE);
	double begin = now();

	for (long i = 0; i < runs; i++)
		for (size_t at = 0; at < BURN; at += PAGE)
			m[at]++;
	return now() - begin;
}

static double memburn_random(long runs)
{
	static unsigned int order[BURN / PAGE];
	volatile char *m = anonymous(BURN, MAP_POPULATE);
	unsigned int n = BURN / PAGE;
	double begin;

	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	srandom(1);
	for (unsigned int i = n - 1; i > 0; i--) {
		unsigned int other = (unsigned int)random() % (i + 1), kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
	begin = now();
	for (long i = 0; i < runs; i++)
		for (unsigned int k = 0; k < n; k++)
			m[(size_t)order[k] * PAGE]++;
	return now() - begin;
}

static double timer(long runs)
{
	const struct timespec soon = { .tv_nsec = 1000 };
	double begin;

	prctl(PR_SET_TIMERSLACK, 1);
	begin = now();
	for (long i = 0; i < runs; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL);
	return now() - begin;
}

static double read_direct(long runs, size_t size)
{
	char path[300], *buffer = aligned_alloc(PAGE, 1 << 20);
	double begin;
	int fd;

	snprintf(path, sizeof(path), "%s/bare.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	fd = mkstemp(path);
	must(fd >= 0 && buffer, path);
	memset(buffer, 0, 1 << 20);
	must(write(fd, buffer, 1 << 20) == 1 << 20, path);
	close(fd);
	fd = open(path, O_RDONLY | O_DIRECT);
	unlink(path);
	must(fd >= 0, path);
	/* What was written may still be on its way to the disk. */
	must(pread(fd, buffer, size, 0) == (ssize_t)size, path);
	begin = now();
	for (long i = 0; i < runs; i++)
		must(pread(fd, buffer, size, 0) == (ssize_t)size, path);
	return now() - begin;
}

static double read_latency(long runs)
{
	return read_direct(runs, PAGE);
}

static double read_bandwidth(long runs)
{
	return read_direct(runs, 256 << 10);
}

static atomic_bool runs_there, should_end;
static char *volatile page_of_both;

static void bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "two processors are needed");
}

static void *spin(void *nothing)
{
	bind_to(1);
	while (!should_end) {
		if (page_of_both)
			(void)*(volatile char *)page_of_both;
		runs_there = true;
	}
	return nothing;
}

static void start_spinning(void)
{
	pthread_t other;

	bind_to(0);
	must(!pthread_create(&other, NULL, spin, NULL), "thread");
	while (!runs_there)
		sched_yield();
}

static double ipi(long runs)
{
	double begin;

	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	start_spinning();
	begin = now();
	for (long i = 0; i < runs; i++)
		must(!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), "membarrier");
	return now() - begin;
}

static double tlb_shootdown(long runs)
{
	char *page = anonymous(PAGE, 0);
	double begin;

	*page = 1;
	page_of_both = page;
	start_spinning();
	begin = now();
	for (long i = 0; i < runs; i++) {
		mprotect(page, PAGE, PROT_READ);
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		*(volatile char *)page = 1;
	}
	return now() - begin;
}

static int there[2], back[2];

static void *answer(void *nothing)
{
	char c;

	bind_to(1);
	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
	return nothing;
}

static double halt_wake(long runs)
{
	pthread_t other;
	double begin;
	char c = 0;

	must(!pipe(there) && !pipe(back), "pipe");
	bind_to(0);
	must(!pthread_create(&other, NULL, answer, NULL), "thread");
	begin = now();
	for (long i = 0; i < runs / 2; i++)
		must(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1, "pipe");
	return now() - begin;
}

const struct operation micro_operations[] = {
	{ "context-switch", context_switch },
	{ "cow", cow },
	{ "cpuid", cpuid },
	{ "exec", exec },
	{ "first-touch", first_touch },
	{ "fork", fork_wait },
	{ "halt-wake", halt_wake },
	{ "int-syscall", int_syscall },
	{ "ipi", ipi },
	{ "libc-syscall", libc_syscall },
	{ "memburn-linear", memburn_linear },
	{ "memburn-random", memburn_random },
	{ "pte-update", pte_update },
	{ "rdtsc", rdtsc },
	{ "read-bandwidth", read_bandwidth },
	{ "read-latency", read_latency },
	{ "timer", timer },
	{ "tlb-shootdown", tlb_shootdown },
	{ "vmmcall", vmmcall },
	{ NULL, NULL },
};

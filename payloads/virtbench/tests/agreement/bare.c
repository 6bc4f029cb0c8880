/*
 * The operations of some micro benchmarks in plain loops, with nothing of virtbench:
 * `bare NAME RUNS` prints the time of one run in ns.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
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

static double exec(long runs)
{
	char text[16], *none[] = { NULL };
	double begin;
	int pid;

	snprintf(text, sizeof(text), "%ld", runs);
	begin = now();
	pid = fork();
	if (pid == 0) {
		/* The very program that the benchmark executes: its size is in the time. */
		execle(getenv("VIRTCLIENT"), "virtclient", "--count-down", text, NULL, none);
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

	if (pipe(to) || pipe(from))
		exit(1);
	pid = fork();
	if (pid == 0) {
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	begin = now();
	for (long i = 0; i < runs / 2; i++)
		if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
			exit(1);
	begin = now() - begin;
	kill(pid, 9);
	return begin;
}

static double cow(long runs)
{
	int fd = memfd_create("x", 0), lot = 256;
	char *base, page[4096] = "x";
	double begin;

	for (int i = 0; i < lot; i++)
		if (write(fd, page, sizeof(page)) != sizeof(page))
			exit(1);
	base = mmap(NULL, (size_t)lot * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	begin = now();
	for (long done = 0; done < runs; done++) {
		if (done && done % lot == 0)
			madvise(base, (size_t)lot * 4096, MADV_DONTNEED);
		((volatile int *)base)[done % lot * 1024] = 1;
	}
	return now() - begin;
}

static double pte_update(long runs)
{
	char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *b = a + 4096, *swap;
	double begin;

	a[0] = 1;
	begin = now();
	for (long i = 0; i < runs; i++) {
		if (mremap(a, 4096, 4096, MREMAP_FIXED | MREMAP_MAYMOVE, b) == MAP_FAILED)
			exit(1);
		((volatile char *)b)[0]++;
		swap = a;
		a = b;
		b = swap;
	}
	return now() - begin;
}

static double memburn_linear(long runs)
{
	size_t size = 64 << 20;
	volatile char *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	double begin = now();

	for (long i = 0; i < runs; i++)
		for (size_t at = 0; at < size; at += 4096)
			m[at]++;
	return now() - begin;
}

static const struct {
	const char *name;
	double (*measure)(long runs);
} operations[] = {
	{ "libc-syscall", libc_syscall },     { "int-syscall", int_syscall },
	{ "cpuid", cpuid },		      { "fork", fork_wait },
	{ "exec", exec },		      { "context-switch", context_switch },
	{ "cow", cow },			      { "pte-update", pte_update },
	{ "memburn-linear", memburn_linear },
};

int main(int argc, char **argv)
{
	long runs = argc == 3 ? atol(argv[2]) : 0;

	for (size_t i = 0; runs > 0 && i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].name, argv[1]))
			continue;
		printf("%.4f\n", operations[i].measure(runs) / (double)runs);
		return 0;
	}
	fprintf(stderr, "bare NAME RUNS\n");
	return 2;
}

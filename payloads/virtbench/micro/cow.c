/*
 * The first write to a page of a private file mapping.  Pages come in lots: when all of
 * a lot are written, they are given back at once, so little memory does for any number.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "benchmark.h"

#define LOT 256

static void cow(struct session *s, uint32_t runs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("cow", MFD_CLOEXEC);
	char *pages;

	if (fd < 0 || ftruncate(fd, (off_t)(LOT * page)) < 0)
		session_fail_errno(s, "memfd");
	for (size_t i = 0; i < LOT; i++)
		if (pwrite(fd, "x", 1, (off_t)(i * page)) != 1)
			session_fail_errno(s, "memfd");
	pages = mmap(NULL, LOT * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (pages == MAP_FAILED)
		session_fail_errno(s, "mmap");
	session_begin(s);
	for (uint32_t i = 0; i < runs; i++) {
		if (i && i % LOT == 0)
			madvise(pages, LOT * page, MADV_DONTNEED);
		*(volatile int *)(pages + i % LOT * page) = (int)i;
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"cow", "Time for one Copy-on-Write fault", ON_ONE, NULL, cow,
};
REGISTER_BENCHMARK(benchmark);

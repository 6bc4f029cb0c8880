/*
 * The first write to fresh memory.  A guest's kernel handles it alone, unless the host
 * has not given it that memory yet: then the hypervisor's own (EPT or NPT) fault is in
 * the time.  Memory is taken in lots, and given back only when a quarter of what was
 * free is in use, to come upon much that was not touched since the guest was started.
 */
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "benchmark.h"

static size_t lot_size(size_t page)
{
	struct sysinfo info;
	size_t quarter = 0;

	if (sysinfo(&info) == 0)
		quarter = info.freeram * info.mem_unit / 4 / page * page;
	if (quarter > 1ul << 30)
		quarter = 1ul << 30;
	return quarter > page ? quarter : page;
}

static void first_touch(struct session *s, uint32_t runs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = lot_size(page), at = 0;
	volatile char *lot = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (lot == MAP_FAILED)
		session_fail_errno(s, "mmap");
	madvise((void *)lot, size, MADV_NOHUGEPAGE);
	session_begin(s);
	while (runs--) {
		lot[at] = 1;
		at += page;
		if (at == size) {
			madvise((void *)lot, size, MADV_DONTNEED);
			at = 0;
		}
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"first-touch", "Time for first touch of one page", ON_ONE, NULL, first_touch,
};
REGISTER_BENCHMARK(benchmark);

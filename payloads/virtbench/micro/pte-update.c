/* A page moves between two places: one entry of the page table is cleared, one is set. */
#include <sys/mman.h>
#include <unistd.h>

#include "benchmark.h"

static void pte_update(struct session *s, uint32_t runs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *places = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	char *from = places, *to;

	if (places == MAP_FAILED)
		session_fail_errno(s, "mmap");
	to = places + page;
	*from = 1;
	session_begin(s);
	while (runs--) {
		char *moved = mremap(from, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to);

		if (moved != to)
			session_fail_errno(s, "mremap");
		(*(volatile char *)to)++;
		to = from;
		from = moved;
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"pte-update", "Time for two PTE updates", ON_ONE, NULL, pte_update,
};
REGISTER_BENCHMARK(benchmark);

/*
 * What one processor makes another do: answer an interrupt (membarrier sends one to each
 * processor that runs this program), and forget a translation (its page table is changed).
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "benchmark.h"
#include "probe.h"

static atomic_bool other_runs;
static atomic_bool other_should_end;
static volatile char *shared_page;

static void *run_on_other(void *context)
{
	(void)context;
	use_processor(1);
	while (!atomic_load(&other_should_end)) {
		/* A use of the page fills the translation again. */
		if (shared_page)
			(void)*shared_page;
		atomic_store(&other_runs, true);
	}
	return NULL;
}

static pthread_t start_other(struct session *s)
{
	pthread_t other;

	use_processor(0);
	if (pthread_create(&other, NULL, run_on_other, NULL))
		session_fail(s, "no thread could be started");
	while (!atomic_load(&other_runs))
		sched_yield();
	return other;
}

static void end_other(pthread_t other)
{
	atomic_store(&other_should_end, true);
	pthread_join(other, NULL);
}

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static const char *one_processor(const struct machine *machine)
{
	(void)machine;
	return usable_processors() < 2 ? "needs two processors" : NULL;
}

static const char *no_ipi(const struct machine *machine)
{
	if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) < 0)
		return "this kernel has no private expedited membarrier";
	return one_processor(machine);
}

static void ipi(struct session *s, uint32_t runs)
{
	pthread_t other = start_other(s);

	session_begin(s);
	while (runs--)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	session_end(s);
	end_other(other);
}

static const struct benchmark ipi_benchmark = {
	"ipi", "Time for one IPI and its answer", ON_ONE, no_ipi, ipi,
};
REGISTER_BENCHMARK(ipi_benchmark);

/* The page becomes readable only, which must be so on both processors, and writable again. */
static void shootdown(struct session *s, uint32_t runs)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t other;

	if (page == MAP_FAILED)
		session_fail_errno(s, "mmap");
	*page = 1;
	shared_page = page;
	other = start_other(s);
	session_begin(s);
	while (runs--) {
		mprotect(page, size, PROT_READ);
		mprotect(page, size, PROT_READ | PROT_WRITE);
		*(volatile char *)page = 1;
	}
	session_end(s);
	end_other(other);
}

static const struct benchmark shootdown_benchmark = {
	"tlb-shootdown", "Time for one TLB shootdown", ON_ONE, one_processor, shootdown,
};
REGISTER_BENCHMARK(shootdown_benchmark);

#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define PAGE 4096u
#define FILL_LIMIT_MS 60000
#define HOLD_LIMIT_MS 45000	/* longer than a move takes; shorter than anybody's patience */
#define ORDER_CHURN 'c'
#define ORDER_END 'e'

struct pages {
	volatile uint64_t *first;
	uint64_t count;
};

static uint64_t pattern(uint64_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull;
}

static volatile uint64_t *word_of(const struct pages *pages, uint64_t page)
{
	/* Another word on each page, so that a page in a neighbour's place is seen. */
	return pages->first + page * (PAGE / 8) + page % (PAGE / 8);
}

static void fill(const struct pages *pages, uint64_t from)
{
	for (uint64_t page = from; page < pages->count; page++)
		*word_of(pages, page) = pattern(page);
}

static bool intact(const struct pages *pages)
{
	for (uint64_t page = 0; page < pages->count; page++)
		if (*word_of(pages, page) != pattern(page))
			return false;
	return true;
}

/* Give the upper half back to the kernel and take it anew. */
static bool churn(const struct pages *pages)
{
	uint64_t half = pages->count / 2;

	if (!intact(pages))
		return false;
	madvise((void *)(pages->first + half * (PAGE / 8)), (pages->count - half) * PAGE,
		MADV_DONTNEED);
	fill(pages, half);
	return true;
}

static void be_first_victim(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		errno = 0;	/* only a wish */
	close(fd);
}

/*
 * Linux may look for memory for ever without killing anybody (seen in a small guest, which opened
 * a file of sysfs).  We need none to let go.
 */
_Noreturn static void hold(const struct pages *pages, int orders, int answers, int limit_ms)
{
	struct pollfd ready = { .fd = orders, .events = POLLIN };
	bool churning = false;
	int came;
	char order = 0;

	be_first_victim();
	fill(pages, 0);
	if (write(answers, "f", 1) != 1)
		_exit(LOAD_FAILED);
	while (order != ORDER_END) {
		if (churning && !churn(pages))
			_exit(LOAD_CORRUPT);
		came = poll(&ready, 1, churning ? 0 : limit_ms);
		if (came > 0) {
			if (read(orders, &order, 1) != 1)
				_exit(LOAD_FAILED);
			churning = order == ORDER_CHURN;
		} else if (!came && !churning) {
			_exit(intact(pages) ? LOAD_LET_GO : LOAD_CORRUPT);
		}
	}
	_exit(intact(pages) ? LOAD_GOOD : LOAD_CORRUPT);
}

static int start_child(struct load *load, const struct pages *pages, int limit_ms,
		       struct why *why)
{
	int orders[2], answers[2];
	pid_t parent = getpid();

	if (pipe2(orders, O_CLOEXEC) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, answers)) {
		why_errno(why, errno, "cannot make a pipe and a socket");
		return -1;
	}
	load->child = fork();
	if (!load->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		close(answers[0]);
		if (getppid() == parent)
			hold(pages, orders[0], answers[1], limit_ms);
		_exit(LOAD_FAILED);
	}
	close(orders[0]);
	close(answers[1]);
	load->orders = orders[1];
	load->answers = answers[0];
	if (load->child > 0)
		return 0;
	why_errno(why, errno, "cannot fork");
	return -1;
}

int load_begin_for(struct load *load, uint64_t kb, int limit_ms, struct why *why)
{
	struct pages pages = { .count = kb / 4 };
	char answer;
	int status;

	/* Mapped here, touched only in the child: the pages will be the child's. */
	pages.first = mmap(NULL, pages.count * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pages.first == MAP_FAILED) {
		why_errno(why, errno, "cannot map %llu kB", (unsigned long long)kb);
		return -1;
	}
	status = start_child(load, &pages, limit_ms, why);
	munmap((void *)pages.first, pages.count * PAGE);
	if (status)
		return -1;
	if (!transport_read_all(load->answers, &answer, 1, deadline_in_ms(FILL_LIMIT_MS), why))
		return 0;
	kill(load->child, SIGKILL);
	waitpid(load->child, NULL, 0);
	return -1;
}

int load_begin(struct load *load, uint64_t kb, struct why *why)
{
	return load_begin_for(load, kb, HOLD_LIMIT_MS, why);
}

static void order(struct load *load, char what)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	if (write(load->orders, &what, 1) != 1)
		errno = 0;	/* it is dead: load_end() will see how */
	signal(SIGPIPE, before);
}

void load_churn(struct load *load)
{
	order(load, ORDER_CHURN);
}

enum load_end load_end(struct load *load)
{
	deadline_t deadline = deadline_in_ms(FILL_LIMIT_MS);
	int status = 0;
	pid_t ended;

	order(load, ORDER_END);
	while (!(ended = waitpid(load->child, &status, WNOHANG)) && !deadline_passed(deadline))
		clock_sleep_until(clock_ns() + NS_PER_MS);
	close(load->orders);
	close(load->answers);
	if (ended != load->child) {
		kill(load->child, SIGKILL);
		waitpid(load->child, NULL, 0);
		return LOAD_FAILED;
	}
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGKILL ? LOAD_KILLED : LOAD_CRASHED;
	return (enum load_end)WEXITSTATUS(status);
}

const char *load_end_words(enum load_end end)
{
	static const char *const words[] = {
		[LOAD_GOOD] = "every page held its pattern",
		[LOAD_CORRUPT] = "a page lost its pattern: memory in use was taken away",
		[LOAD_KILLED] = "the kernel's OOM killer took the load, its pattern unseen",
		[LOAD_CRASHED] = "the load crashed: a page was taken away under it",
		[LOAD_FAILED] = "the load did not answer",
		[LOAD_LET_GO] = ("the kernel neither found memory for anybody else nor killed the "
				"load, which let go by itself; every page had held its pattern"),
	};

	return words[end];
}

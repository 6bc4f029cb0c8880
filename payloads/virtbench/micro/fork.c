#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmark.h"

static void fork_exit_wait(struct session *s, uint32_t runs)
{
	session_begin(s);
	while (runs--) {
		pid_t child = fork();

		if (child < 0)
			session_fail_errno(s, "fork");
		if (!child)
			_exit(0);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"fork", "Time for one fork/exit/wait", ON_ONE, NULL, fork_exit_wait,
};
REGISTER_BENCHMARK(benchmark);

/* The client executes itself again and again; its argument counts down. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmark.h"
#include "client.h"

_Noreturn static void exec_self(unsigned long left)
{
	char number[24];
	char *argv[] = { "virtclient", EXEC_WORD, number, NULL };
	char *environment[] = { NULL };

	snprintf(number, sizeof(number), "%09lu", left);
	execve("/proc/self/exe", argv, environment);
	_exit(1);
}

_Noreturn void exec_count_down(const char *number)
{
	unsigned long left = strtoul(number, NULL, 10);

	if (left <= 1)
		_exit(0);
	exec_self(left - 1);
}

static void exec(struct session *s, uint32_t runs)
{
	int status = 0;
	pid_t child;

	session_begin(s);
	child = fork();
	if (child < 0)
		session_fail_errno(s, "fork");
	if (!child) {
		if (!runs)
			_exit(0);
		exec_self(runs);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		session_fail(s, "executing /proc/self/exe failed");
	session_end(s);
}

static const struct benchmark benchmark = {
	"exec", "Time to exec client once", ON_ONE, NULL, exec,
};
REGISTER_BENCHMARK(benchmark);

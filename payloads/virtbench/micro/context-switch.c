/* Two processes hand a byte to and fro; each handing over is one run. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "benchmark.h"

_Noreturn static void hand_back(int from, int to)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
	_exit(0);
}

static void context_switch(struct session *s, uint32_t runs)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	if (pipe(there) < 0 || pipe(back) < 0)
		session_fail_errno(s, "pipe");
	child = fork();
	if (child < 0)
		session_fail_errno(s, "fork");
	if (!child)
		hand_back(there[0], back[1]);
	session_begin(s);
	for (uint32_t i = 0; i < runs; i += 2)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			session_fail_errno(s, "pipe");
	session_end(s);
	kill(child, SIGKILL);
}

static const struct benchmark benchmark = {
	"context-switch", "Time for one context switch via pipe", ON_ONE, NULL, context_switch,
};
REGISTER_BENCHMARK(benchmark);

#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_LIMIT_MS 10000
#define DISMISSED 0	/* no process has this number */

/* What ends a whole session or a terminal's programs must not end the keeper before its turn. */
static const int deaf_to[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void end_worker(pid_t worker)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, worker, 0), .events = POLLIN };

	kill(worker, SIGKILL);
	kill(-worker, SIGKILL);
	if (end.fd < 0)
		return;
	while (poll(&end, 1, WORKER_LIMIT_MS) < 0 && errno == EINTR)
		;
	close(end.fd);
}

/* What the maker said last; false when it ended without dismissing us. */
static bool dismissed(int line, pid_t *worker)
{
	pid_t said;
	ssize_t got;

	*worker = DISMISSED;
	for (;;) {
		got = read(line, &said, sizeof(said));
		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof(said))
			return false;
		if (said == DISMISSED)
			return true;
		*worker = said;
	}
}

_Noreturn static void keep(int line, void (*undo)(void *context), void *context)
{
	sigset_t deaf, before;
	pid_t worker;

	sigemptyset(&deaf);
	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(*deaf_to); i++)
		sigaddset(&deaf, deaf_to[i]);
	sigprocmask(SIG_BLOCK, &deaf, &before);
	setsid();
	prctl(PR_SET_NAME, "keeper");	/* not what `killall -9 PROGRAM` looks for */
	if (!dismissed(line, &worker)) {
		if (worker != DISMISSED)
			end_worker(worker);
		sigprocmask(SIG_SETMASK, &before, NULL);
		undo(context);
	}
	_exit(EXIT_SUCCESS);
}

int keeper_begin(struct keeper *k, void (*undo)(void *context), void *context)
{
	int line[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line))
		return -errno;
	k->process = fork();
	error = errno;
	if (!k->process) {
		close(line[1]);
		keep(line[0], undo, context);
	}
	close(line[0]);
	k->line = line[1];
	if (k->process > 0)
		return 0;
	close(line[1]);
	return -error;
}

/* A keeper that was killed is missed only when the maker is killed too. */
static void tell(const struct keeper *k, pid_t what)
{
	ssize_t sent;

	do {
		sent = send(k->line, &what, sizeof(what), MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
}

void keeper_watch(const struct keeper *k, pid_t worker)
{
	tell(k, worker);
}

void keeper_forget(const struct keeper *k)
{
	close(k->line);
}

void keeper_end(struct keeper *k)
{
	tell(k, DISMISSED);
	close(k->line);
	while (waitpid(k->process, NULL, 0) < 0 && errno == EINTR)
		;
}

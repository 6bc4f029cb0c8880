#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "keeper.h"
#include "output.h"

static const int interrupts[] = {SIGINT, SIGTERM, SIGHUP};

/* The signals that the supervisor waits for, all blocked.  Those that its own caller ignores
 * (nohup) stay ignored.
 */
static sigset_t block_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(interrupts) / sizeof(*interrupts); i++) {
		struct sigaction action;

		sigaction(interrupts[i], NULL, &action);
		if (action.sa_handler != SIG_IGN)
			sigaddset(&set, interrupts[i]);
	}
	sigprocmask(SIG_BLOCK, &set, before);
	return set;
}

_Noreturn static void be_child(const struct supervised *what, pid_t supervisor,
			       const sigset_t *mask, const struct keeper *keeper)
{
	int status;

	if (what->undo)
		keeper_forget(keeper);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(EXIT_FAILURE);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	status = what->work(what->context);
	fflush(NULL);
	_exit(output_settled(status));
}

static struct supervised_result ended(int status)
{
	if (WIFSIGNALED(status))
		return (struct supervised_result){SUPERVISED_KILLED, WTERMSIG(status)};
	return (struct supervised_result){SUPERVISED_EXITED, WEXITSTATUS(status)};
}

/* Until the child ends, the time is over, or a signal comes. */
static struct supervised_result wait_for_end(pid_t child, const sigset_t *signals,
					     deadline_t deadline, bool *reaped)
{
	for (;;) {
		struct timespec left;
		int status, ms, signal;

		if (waitpid(child, &status, WNOHANG) == child) {
			*reaped = true;
			return ended(status);
		}
		ms = deadline_poll_ms(deadline);
		if (!ms)
			return (struct supervised_result){SUPERVISED_TIMED_OUT, 0};
		/* A child may end without SIGCHLD where a debugger is attached: look now and then. */
		if (ms < 0 || ms > 1000)
			ms = 1000;
		left = (struct timespec){ms / 1000, ms % 1000 * (long)NS_PER_MS};
		signal = sigtimedwait(signals, NULL, &left);
		if (signal > 0 && signal != SIGCHLD)
			return (struct supervised_result){SUPERVISED_INTERRUPTED, signal};
	}
}

/* End all that is left of the group; orphans of it have become our children. */
static void end_group(pid_t group, bool reaped)
{
	kill(-group, SIGKILL);
	if (!reaped)
		waitpid(group, NULL, 0);
	while (waitpid(-group, NULL, 0) > 0 || errno == EINTR)
		;
}

/* Fork the work and wait for its end; all signals of `signals` are blocked. */
static struct supervised_result watch(const struct supervised *what, const sigset_t *signals,
				      const sigset_t *before, const struct keeper *keeper)
{
	struct supervised_result result;
	pid_t self = getpid(), child;
	bool reaped = false;

	fflush(NULL);
	child = fork();
	if (!child)
		be_child(what, self, before, keeper);
	if (child < 0)
		return (struct supervised_result){SUPERVISED_FAILED, errno};
	setpgid(child, child);	/* whoever of the two comes first */
	if (what->undo)
		keeper_watch(keeper, child);
	result = wait_for_end(child, signals, deadline_in_ms(what->limit_ms), &reaped);
	end_group(child, reaped);
	return result;
}

struct supervised_result supervise(const struct supervised *what)
{
	const struct sigaction keep_children = {.sa_handler = SIG_DFL};
	struct keeper keeper;
	struct supervised_result result;
	struct sigaction child_action;
	int was_subreaper = 0, error = 0;
	sigset_t before, signals;

	sigaction(SIGCHLD, &keep_children, &child_action);
	/* While signals are as the caller has them: so they must be for what it undoes. */
	if (what->undo)
		error = keeper_begin(&keeper, what->undo, what->context);
	if (error)
		return (struct supervised_result){SUPERVISED_FAILED, -error};
	signals = block_signals(&before);
	prctl(PR_GET_CHILD_SUBREAPER, &was_subreaper);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	result = watch(what, &signals, &before, &keeper);
	if (what->undo) {
		what->undo(what->context);
		keeper_end(&keeper);
	}
	prctl(PR_SET_CHILD_SUBREAPER, was_subreaper);
	sigaction(SIGCHLD, &child_action, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}

/* Shared with the child, which tells why the program could not be started. */
struct program_run {
	char *const *argv;
	int output;
	int exec_errno;
};

static int execute(void *context)
{
	struct program_run *run = context;
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	dup2(nothing, STDIN_FILENO);
	dup2(run->output, STDOUT_FILENO);
	dup2(run->output, STDERR_FILENO);
	execvp(run->argv[0], run->argv);
	run->exec_errno = errno;
	return EXIT_FAILURE;
}

struct supervised_result run_program(char *const argv[], char *output, size_t size,
				     uint64_t limit_ms)
{
	struct supervised_result result = {SUPERVISED_FAILED, ENOMEM};
	struct program_run *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (output && size)
		output[0] = '\0';
	if (run == MAP_FAILED)
		return result;
	run->argv = argv;
	/* A file, not a pipe: what was written before a time limit is kept without a reader. */
	run->output = memfd_create("output", MFD_CLOEXEC);
	if (run->output >= 0) {
		result = supervise(&(struct supervised){execute, NULL, run, limit_ms});
		if (run->exec_errno)
			result = (struct supervised_result){SUPERVISED_FAILED, run->exec_errno};
		if (output && size) {
			ssize_t n = pread(run->output, output, size - 1, 0);

			output[n > 0 ? n : 0] = '\0';
		}
		close(run->output);
	} else {
		result.status = errno;
	}
	munmap(run, sizeof(*run));
	return result;
}

#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn static void be_script(const char *folder, char *const argv[], int out, int report)
{
	int null = open("/dev/null", O_RDONLY), error;
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (chdir(folder) == 0)
		execv(argv[0], argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* 0 once the script runs, else the error of starting it. */
static int start_error(int report)
{
	int error = 0;

	while (read(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	return error;
}

/* What a script prints: its first line is kept. */
struct answer {
	int fd;
	char *text;
	size_t size, used;
};

/* What is there now; false when no more will come. */
static bool take(struct answer *a)
{
	char piece[4096];
	ssize_t n = read(a->fd, piece, sizeof(piece));
	size_t room = a->size - a->used, kept = n > 0 ? (size_t)n : 0;

	kept = kept < room ? kept : room;
	memcpy(a->text + a->used, piece, kept);
	a->used += kept;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* False when the line is longer than there is room for. */
static bool keep_first_line(struct answer *a)
{
	size_t length = 0;

	while (length < a->used && !strchr("\r\n", a->text[length]))
		length++;
	a->text[length < a->size ? length : 0] = 0;
	return length < a->size;
}

static int wait_for_end(pid_t script, struct answer *answer, const char *path, uint64_t limit_ms,
			struct why *why)
{
	struct pollfd fds[2] = {
		{ .fd = (int)syscall(SYS_pidfd_open, script, 0), .events = POLLIN },
		{ .fd = answer->fd, .events = POLLIN },
	};
	deadline_t deadline = deadline_in_ms(limit_ms);
	int status;

	while (!fds[0].revents && !deadline_passed(deadline))
		if (poll(fds, 2, deadline_poll_ms(deadline)) > 0 && fds[1].revents && !take(answer))
			fds[1].fd = -1;
	if (!fds[0].revents) {
		kill(-script, SIGKILL);
		waitpid(script, &status, 0);
		close(fds[0].fd);
		why_set(why, "%s did not end within %llu s; it was killed", path,
			(unsigned long long)limit_ms / 1000);
		return -1;
	}
	close(fds[0].fd);
	while (waitpid(script, &status, 0) < 0 && errno == EINTR)
		;
	/* A daemon may hold the other end: what is there, no end is waited for. */
	take(answer);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	why_set(why, "%s was ended by signal %d", path, WTERMSIG(status));
	return -1;
}

int script_run(const char *folder, char *const argv[], uint64_t limit_ms, char *answer,
	       size_t size, struct why *why)
{
	struct answer line = { .text = answer, .size = size };
	int out[2], report[2], error, status;
	pid_t script;

	answer[0] = 0;
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
		why_errno(why, errno, "pipe");
		return -1;
	}
	script = fork();
	if (!script)
		be_script(folder, argv, out[1], report[1]);
	error = script < 0 ? errno : 0;
	close(out[1]);
	close(report[1]);
	if (!error)
		error = start_error(report[0]);
	if (error) {
		why_errno(why, error, "%s cannot be run", argv[0]);
		if (script > 0)
			waitpid(script, NULL, 0);
		status = -1;
	} else {
		line.fd = out[0];
		fcntl(line.fd, F_SETFL, O_NONBLOCK);
		status = wait_for_end(script, &line, argv[0], limit_ms, why);
		if (!keep_first_line(&line) && status == 0) {
			why_set(why, "%s printed a line of more than %zu characters", argv[0],
				size - 1);
			status = -1;
		}
	}
	close(out[0]);
	close(report[0]);
	return status;
}

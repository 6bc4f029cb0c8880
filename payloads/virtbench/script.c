#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

static void keep_first_line(int fd, char *answer, size_t size)
{
	ssize_t n = read(fd, answer, size - 1);

	answer[n > 0 ? n : 0] = 0;
	answer[strcspn(answer, "\r\n")] = 0;
}

static int wait_for_end(pid_t script, const char *path, uint64_t limit_ms, struct why *why)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, script, 0), .events = POLLIN };
	deadline_t deadline = deadline_in_ms(limit_ms);
	int status;

	while (poll(&end, 1, deadline_poll_ms(deadline)) <= 0) {
		if (!deadline_passed(deadline))
			continue;
		kill(-script, SIGKILL);
		waitpid(script, &status, 0);
		close(end.fd);
		why_set(why, "%s did not end within %llu s; it was killed", path,
			(unsigned long long)limit_ms / 1000);
		return -1;
	}
	close(end.fd);
	while (waitpid(script, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	why_set(why, "%s was ended by signal %d", path, WTERMSIG(status));
	return -1;
}

int script_run(const char *folder, char *const argv[], uint64_t limit_ms, char *answer,
	       size_t size, struct why *why)
{
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
		status = wait_for_end(script, argv[0], limit_ms, why);
		/* A daemon may hold the other end: take what is there, wait for no end. */
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		keep_first_line(out[0], answer, size);
	}
	close(out[0]);
	close(report[0]);
	return status;
}

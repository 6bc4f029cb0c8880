#include "interrupt.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "exits.h"

static volatile sig_atomic_t signals;
static int wake_fd = -1;

void interrupt_wake(void)
{
	uint64_t one = 1;
	ssize_t written = write(wake_fd, &one, sizeof(one));

	/* A full counter is as readable as any other. */
	(void)written;
}

static void on_signal(int number)
{
	if (signals++)
		_exit(128 + number);
	interrupt_wake();
}

void interrupt_install(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0) {
		perror("cannot wait for signals (eventfd)");
		exit(EXIT_ERROR);
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool interrupted(void)
{
	return signals > 0;
}

int interrupt_fd(void)
{
	return wake_fd;
}

void interrupt_clear(void)
{
	uint64_t count;
	ssize_t taken = read(wake_fd, &count, sizeof(count));

	(void)taken;
}

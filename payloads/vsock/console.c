#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TYPE_LIMIT_MS 5000

int console_open(const char *path, struct why *why)
{
	struct termios raw;
	struct address a;
	int fd;

	if (!strncmp(path, "unix:", 5)) {
		if (address_parse(&a, path, why))
			return -1;
		return transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(TYPE_LIMIT_MS), why);
	}
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		why_errno(why, errno, "the console %s cannot be opened", path);
		return -1;
	}
	if (!tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

int console_type(int fd, const char *command, struct why *why)
{
	deadline_t deadline = deadline_in_ms(TYPE_LIMIT_MS);
	char line[512];
	size_t size, done = 0;

	snprintf(line, sizeof(line), "%s\n", command);
	for (size = strlen(line); done < size;) {
		ssize_t n = write(fd, line + done, size - done);

		if (n > 0) {
			done += n;
		} else if (errno != EAGAIN && errno != EINTR) {
			why_errno(why, errno, "write to the console");
			return -1;
		} else if (transport_wait(fd, POLLOUT, deadline, why)) {
			return -1;
		}
	}
	return 0;
}

int console_expect(int fd, const char *line, deadline_t deadline, struct why *why)
{
	char seen[256] = "", last[128] = "", byte;
	size_t length = 0;

	for (;;) {
		ssize_t n = read(fd, &byte, 1);

		if (n == 1 && byte == '\n') {
			while (length && seen[length - 1] == '\r')
				length--;
			seen[length] = '\0';
			if (!strcmp(seen, line))
				return 0;
			if (length)
				snprintf(last, sizeof(last), "%.100s", seen);
			length = 0;
		} else if (n == 1) {
			length += length < sizeof(seen) - 1;
			seen[length - 1] = byte;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			why_errno(why, errno, "read from the console");
			return -1;
		} else if (!n || transport_wait(fd, POLLIN, deadline, why)) {
			why_set(why, "the console %s before it printed %s; its last line: %s",
				n ? "was silent" : "closed", line, last[0] ? last : "(none)");
			return -1;
		}
	}
}

#include "console.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD_MAX 1000
#define LINES_MAX 8

void console_begin(void)
{
	setenv("LOGFILES", "/tmp/virtbench.log", 0);
}

static void path_of(int machine, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s-%d", getenv("LOGFILES"), machine);
}

void console_forget(int machine)
{
	char path[PATH_MAX];

	path_of(machine, path);
	unlink(path);
}

/* The end of a file that may be a pipe or a device instead, if it was no good backend's. */
static size_t read_end(const char *path, char text[TOLD_MAX + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = size < 0 ? -1 : pread(fd, text, TOLD_MAX, size > TOLD_MAX ? size - TOLD_MAX : 0);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Line ends stay, other control characters go; trailing ones too. */
static void clean(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			text[i] = ' ';
	while (size && (text[size - 1] == '\n' || text[size - 1] == ' '))
		text[--size] = '\0';
}

static const char *last_lines(const char *text)
{
	const char *at = text + strlen(text);

	for (int lines = 0; at > text; at--)
		if (at[-1] == '\n' && ++lines == LINES_MAX)
			break;
	return at;
}

void console_tell(int machine)
{
	char path[PATH_MAX], text[TOLD_MAX + 1], *rest, *line;

	path_of(machine, path);
	clean(text, read_end(path, text));
	if (!*text) {
		fprintf(stderr, "virtbench: machine %d's console (%s) says nothing\n", machine,
			path);
		return;
	}
	fprintf(stderr, "virtbench: machine %d's console (%s) says at its end:\n", machine, path);
	rest = (char *)last_lines(text);
	while ((line = strsep(&rest, "\n")))
		fprintf(stderr, "    %s\n", line);
}

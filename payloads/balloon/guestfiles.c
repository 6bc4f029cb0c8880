#include "guestfiles.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_text(const char *root, const char *path, char *text, size_t size)
{
	char full[PATH_MAX];
	ssize_t got;
	int fd, error;

	snprintf(full, sizeof(full), "%s%s", root, path);
	/* Nobody must be waited for, should it be a pipe. */
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	got = read(fd, text, size - 1);
	error = errno;
	close(fd);
	if (got < 0)
		return -error;
	while (got > 0 && text[got - 1] == '\n')
		got--;
	text[got] = '\0';
	return (int)got;
}

int file_number(const char *root, const char *path, uint64_t *number)
{
	char text[64], *end;
	int length = file_text(root, path, text, sizeof(text));

	if (length < 0)
		return length;
	/* strtoull takes blanks and signs too, and makes a huge number of a negative one. */
	if (!isdigit((unsigned char)text[0]))
		return -EBADMSG;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno || end != text + length ? -EBADMSG : 0;
}

bool labelled_number(const char *text, const char *label, uint64_t *number)
{
	size_t length = strlen(label);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, label, length) && line[length] == ':') {
			line += length + 1;
			while (*line == ' ' || *line == '\t')
				line++;
			return isdigit((unsigned char)*line) &&
			       sscanf(line, "%" SCNu64, number) == 1;
		}
	}
	return false;
}

int view_meminfo(const char *root, struct view *view, struct why *why)
{
	char text[4096];
	int length = file_text(root, "/proc/meminfo", text, sizeof(text));

	if (length < 0) {
		why_errno(why, -length, "cannot read %s/proc/meminfo", root);
		return -1;
	}
	if (!labelled_number(text, "MemTotal", &view->guest_total) ||
	    !labelled_number(text, "MemAvailable", &view->guest_available) ||
	    !view->guest_total) {
		why_set(why, "%s/proc/meminfo lacks MemTotal or MemAvailable", root);
		return -1;
	}
	return 0;
}

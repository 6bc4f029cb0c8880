#include "monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define ANSWER_LIMIT_MS 60000	/* as long as xl and virsh are given */

/* The next whole line into m->line; 0 or -1. */
static int next_line(struct monitor *m, deadline_t deadline, struct why *why)
{
	for (;;) {
		char *end = memchr(m->ahead, '\n', m->held);
		ssize_t got;

		if (end) {
			size_t length = (size_t)(end - m->ahead);

			memcpy(m->line, m->ahead, length);
			m->line[length] = '\0';
			m->held -= length + 1;
			memmove(m->ahead, end + 1, m->held);
			return 0;
		}
		if (m->held == sizeof(m->ahead)) {
			why_set(why, "QEMU's monitor sent a line of more than %d bytes",
				MONITOR_LINE);
			return -1;
		}
		got = transport_read_some(m->fd, m->ahead + m->held, sizeof(m->ahead) - m->held,
					  deadline, why);
		if (got <= 0) {
			if (!got)
				why_set(why, "QEMU closed its monitor: did the guest end?");
			return -1;
		}
		m->held += (size_t)got;
	}
}

/* Behind the closing quote of the string whose opening one is at `text`. */
static const char *behind_string(const char *text)
{
	for (text++; *text && *text != '"'; text++)
		if (*text == '\\' && text[1])
			text++;
	return *text ? text + 1 : text;
}

/* The value of a member of the line's outermost object, or NULL. */
static const char *member(const char *line, const char *key)
{
	size_t length = strlen(key);
	int depth = 0;

	while (*line) {
		if (*line == '"') {
			const char *end = behind_string(line);

			if (depth == 1 && *end == ':' && (size_t)(end - line) == length + 2 &&
			    !strncmp(line + 1, key, length))
				return end + 1 + strspn(end + 1, " ");
			line = end;
			continue;
		}
		depth += (*line == '{' || *line == '[') - (*line == '}' || *line == ']');
		line++;
	}
	return NULL;
}

/* An error without a number is QEMU's word on a line that it could not read: our last one. */
static bool is_answer(const struct monitor *m)
{
	const char *number = member(m->line, "id");
	bool error = member(m->line, "error");

	if (!number)
		return error;
	return strtoull(number, NULL, 10) == m->commands && (error || member(m->line, "return"));
}

int monitor_open(struct monitor *m, const char *socket, struct why *why)
{
	deadline_t deadline = deadline_in_ms(ANSWER_LIMIT_MS);
	struct address address;

	*m = (struct monitor){ .fd = -1 };
	if (address_unix(&address, socket, why))
		return -1;
	m->fd = transport_connect(&address, NULL, SOCK_STREAM, deadline, why);
	if (m->fd < 0)
		return -1;
	if (!next_line(m, deadline, why))
		return monitor_command(m, "qmp_capabilities", NULL, why) ? -1 : 0;
	return -1;
}

void monitor_close(struct monitor *m)
{
	close(m->fd);
}

int monitor_command(struct monitor *m, const char *name, const char *arguments, struct why *why)
{
	deadline_t deadline = deadline_in_ms(ANSWER_LIMIT_MS);
	char text[512];
	int length = snprintf(text, sizeof(text),
			      "{\"execute\": \"%s\", \"arguments\": %s, \"id\": %" PRIu64 "}\n",
			      name, arguments ? arguments : "{}", ++m->commands);
	struct why what;

	if (transport_write_all(m->fd, text, (size_t)length, deadline, &what))
		goto silent;
	do {
		if (next_line(m, deadline, &what))
			goto silent;
	} while (!is_answer(m));
	if (!member(m->line, "error"))
		return 0;
	why_set(why, "QEMU refused: %.200s", m->line);
	return -EINVAL;
silent:
	why_set(why, "QEMU's monitor, asked for %s: %.160s", name, what.text);
	return -ETIMEDOUT;
}

bool monitor_number(const struct monitor *m, const char *key, uint64_t *number)
{
	char quoted[64];
	const char *found;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	found = strstr(m->line, quoted);
	return found && sscanf(found + strlen(quoted), "%" SCNu64, number) == 1;
}

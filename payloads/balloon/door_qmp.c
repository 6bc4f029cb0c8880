/* QEMU's monitor: a line of JSON is sent, lines of JSON come back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "door.h"

#define ANSWER_LIMIT_MS 10000
#define REPORT_LIMIT_MS 4000
#define LINE_SIZE 16384

struct qmp {
	int fd;
	uint64_t last_target;
	uint64_t most;		/* what the guest began with: QEMU never gives more */
	char device[128];	/* the balloon's path in QEMU's object tree; empty: not found */
	char line[LINE_SIZE];
	size_t held;		/* bytes of what comes after the last line */
	char ahead[LINE_SIZE];
};

/* The next whole line into q->line; 0 or -1. */
static int next_line(struct qmp *q, deadline_t deadline, struct why *why)
{
	for (;;) {
		char *end = memchr(q->ahead, '\n', q->held);
		ssize_t got;

		if (end) {
			size_t length = (size_t)(end - q->ahead);

			memcpy(q->line, q->ahead, length);
			q->line[length] = '\0';
			q->held -= length + 1;
			memmove(q->ahead, end + 1, q->held);
			return 0;
		}
		if (q->held == sizeof(q->ahead)) {
			why_set(why, "QEMU's monitor sent a line of more than %d bytes", LINE_SIZE);
			return -1;
		}
		got = transport_read_some(q->fd, q->ahead + q->held, sizeof(q->ahead) - q->held,
					  deadline, why);
		if (got <= 0) {
			if (!got)
				why_set(why, "QEMU closed its monitor: did the guest end?");
			return -1;
		}
		q->held += (size_t)got;
	}
}

/* Send a command; its answer stays in q->line.  0, or -1 with QEMU's own words. */
static int command(struct qmp *q, struct why *why, const char *text)
{
	deadline_t deadline = deadline_in_ms(ANSWER_LIMIT_MS);

	if (transport_write_all(q->fd, text, strlen(text), deadline, why))
		return -1;
	do {	/* events come at any time */
		if (next_line(q, deadline, why))
			return -1;
	} while (strncmp(q->line, "{\"return\"", 9) && strncmp(q->line, "{\"error\"", 8));
	if (q->line[2] == 'r')
		return 0;
	why_set(why, "QEMU refused: %.200s", q->line);
	return -1;
}

/* The number behind "key": in the last answer. */
static bool number_in(const char *line, const char *key, uint64_t *number)
{
	char quoted[64];
	const char *found;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	found = strstr(line, quoted);
	return found && sscanf(found + strlen(quoted), "%" SCNu64, number) == 1;
}

/* The first child of an object whose type begins with child<virtio-balloon. */
static bool find_in(struct qmp *q, const char *parent, struct why *why)
{
	char text[192];
	const char *type, *name;

	snprintf(text, sizeof(text), "{\"execute\": \"qom-list\", \"arguments\": {\"path\": "
		 "\"%s\"}}\n", parent);
	if (command(q, why, text))
		return false;
	type = strstr(q->line, "\"child<virtio-balloon");
	if (!type)
		return false;
	/* {"name": "NAME", "type": "child<...>"}: the name stands before its type. */
	for (name = type; name > q->line && strncmp(name, "\"name\": \"", 9); name--)
		;
	if (name == q->line)
		return false;
	name += 9;
	snprintf(q->device, sizeof(q->device), "%s/%.*s", parent,
		 (int)strcspn(name, "\""), name);
	return true;
}

/* Let the guest report its memory every second; without it there is no guest's view. */
static void ask_for_reports(struct qmp *q, struct why *why)
{
	char text[256];

	if (!find_in(q, "/machine/peripheral", why) &&
	    !find_in(q, "/machine/peripheral-anon", why))
		return;
	snprintf(text, sizeof(text), "{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"%s\", "
		 "\"property\": \"guest-stats-polling-interval\", \"value\": 1}}\n", q->device);
	if (command(q, why, text))
		q->device[0] = '\0';
}

static void guest_reports(struct qmp *q, struct view *view, struct why *why)
{
	uint64_t bytes;
	char text[256];

	if (!q->device[0])
		return;
	snprintf(text, sizeof(text), "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"%s\", "
		 "\"property\": \"guest-stats\"}}\n", q->device);
	if (command(q, why, text))
		return;
	/* What the guest has not told yet is UINT64_MAX. */
	if (number_in(q->line, "stat-total-memory", &bytes) && bytes != UINT64_MAX)
		view->guest_total = bytes / 1024;
	if (number_in(q->line, "stat-available-memory", &bytes) && bytes != UINT64_MAX)
		view->guest_available = bytes / 1024;
}

static int qmp_view(struct door *door, struct view *view, struct why *why)
{
	struct qmp *q = door->state;
	uint64_t bytes;

	memset(view, 0, sizeof(*view));
	if (command(q, why, "{\"execute\": \"query-balloon\"}\n"))
		return -1;
	if (!number_in(q->line, "actual", &bytes)) {
		why_set(why, "QEMU's query-balloon does not say 'actual': %.120s", q->line);
		return -1;
	}
	view->current = bytes / 1024;
	view->target = q->last_target ? q->last_target : view->current;
	view->limit = q->most;
	guest_reports(q, view, why);
	return 0;
}

static int qmp_set(struct door *door, uint64_t kb, struct why *why)
{
	struct qmp *q = door->state;
	char text[128];

	snprintf(text, sizeof(text), "{\"execute\": \"balloon\", "
		 "\"arguments\": {\"value\": %" PRIu64 "}}\n", kb * 1024);
	if (command(q, why, text))
		return -EINVAL;
	q->last_target = kb;
	return 0;
}

static void qmp_close(struct door *door)
{
	struct qmp *q = door->state;

	close(q->fd);
	free(q);
}

/* All of the guest's memory, of which the balloon takes away. */
static int find_most(struct qmp *q, struct why *why)
{
	uint64_t bytes;

	if (command(q, why, "{\"execute\": \"query-memory-size-summary\"}\n"))
		return -1;
	if (!number_in(q->line, "base-memory", &bytes)) {
		why_set(why, "QEMU does not say base-memory: %.120s", q->line);
		return -1;
	}
	q->most = bytes / 1024;
	return 0;
}

/* The first report comes within a second, if the guest has a driver that reports at all. */
static int wait_for_report(struct door *door, struct why *why)
{
	deadline_t deadline = deadline_in_ms(REPORT_LIMIT_MS);
	struct view view;

	do {
		if (door->view(door, &view, why))
			return -1;
		if (view.guest_total)
			break;
		clock_sleep_until(clock_ns() + 50 * NS_PER_MS);
	} while (!deadline_passed(deadline));
	return 0;
}

int door_open_qmp(struct door *door, const char *socket, struct why *why)
{
	struct qmp *q = calloc(1, sizeof(*q));
	deadline_t deadline = deadline_in_ms(ANSWER_LIMIT_MS);
	struct address address;

	if (!q) {
		why_set(why, "no memory");
		return -1;
	}
	*door = (struct door){ .name = "qmp", .place = PLACE_QMP, .open_other = door_open_qmp,
			       .view = qmp_view, .set = qmp_set,
			       .close = qmp_close, .state = q };
	if (address_unix(&address, socket, why))
		return -1;
	q->fd = transport_connect(&address, NULL, SOCK_STREAM, deadline, why);
	if (q->fd < 0 || next_line(q, deadline, why) ||
	    command(q, why, "{\"execute\": \"qmp_capabilities\"}\n") || find_most(q, why))
		return -1;
	ask_for_reports(q, why);
	return wait_for_report(door, why);
}

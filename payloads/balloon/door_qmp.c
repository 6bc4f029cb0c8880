/* QEMU's monitor as a door: the balloon, its device's reports, and the guest's size. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "door.h"
#include "monitor.h"

#define REPORT_LIMIT_MS 4000

struct qmp {
	struct monitor monitor;
	uint64_t last_target;
	uint64_t most;		/* what the guest began with: QEMU never gives more */
	char device[128];	/* the balloon's path in QEMU's object tree; empty: not found */
};

/* The first child of an object whose type begins with child<virtio-balloon. */
static bool find_in(struct qmp *q, const char *parent, struct why *why)
{
	const char *line = q->monitor.line, *type, *name;
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "{\"path\": \"%s\"}", parent);
	if (monitor_command(&q->monitor, "qom-list", arguments, why))
		return false;
	type = strstr(line, "\"child<virtio-balloon");
	if (!type)
		return false;
	/* {"name": "NAME", "type": "child<...>"}: the name stands before its type. */
	for (name = type; name > line && strncmp(name, "\"name\": \"", 9); name--)
		;
	if (name == line)
		return false;
	name += 9;
	snprintf(q->device, sizeof(q->device), "%s/%.*s", parent,
		 (int)strcspn(name, "\""), name);
	return true;
}

/* Let the guest report its memory every second; without it there is no guest's view. */
static void ask_for_reports(struct qmp *q, struct why *why)
{
	char arguments[256];

	if (!find_in(q, "/machine/peripheral", why) &&
	    !find_in(q, "/machine/peripheral-anon", why))
		return;
	snprintf(arguments, sizeof(arguments), "{\"path\": \"%s\", \"property\": "
		 "\"guest-stats-polling-interval\", \"value\": 1}", q->device);
	if (monitor_command(&q->monitor, "qom-set", arguments, why))
		q->device[0] = '\0';
}

/* 0, or -1 when QEMU is silent: what it cannot tell it leaves out. */
static int guest_reports(struct qmp *q, struct view *view, struct why *why)
{
	char arguments[256];
	uint64_t bytes;
	int error;

	if (!q->device[0])
		return 0;
	snprintf(arguments, sizeof(arguments), "{\"path\": \"%s\", \"property\": "
		 "\"guest-stats\"}", q->device);
	error = monitor_command(&q->monitor, "qom-get", arguments, why);
	if (error)
		return error == -ETIMEDOUT ? -1 : 0;
	/* What the guest has not told yet is UINT64_MAX. */
	if (monitor_number(&q->monitor, "stat-total-memory", &bytes) && bytes != UINT64_MAX)
		view->guest_total = bytes / 1024;
	if (monitor_number(&q->monitor, "stat-available-memory", &bytes) && bytes != UINT64_MAX)
		view->guest_available = bytes / 1024;
	return 0;
}

static int qmp_view(struct door *door, struct view *view, struct why *why)
{
	struct qmp *q = door->state;
	uint64_t bytes;

	memset(view, 0, sizeof(*view));
	if (monitor_command(&q->monitor, "query-balloon", NULL, why))
		return -1;
	if (!monitor_number(&q->monitor, "actual", &bytes)) {
		why_set(why, "QEMU's query-balloon does not say 'actual': %.120s",
			q->monitor.line);
		return -1;
	}
	view->current = bytes / 1024;
	view->target = q->last_target ? q->last_target : view->current;
	view->limit = q->most;
	return guest_reports(q, view, why);
}

static int qmp_set(struct door *door, uint64_t kb, struct why *why)
{
	struct qmp *q = door->state;
	char arguments[64];
	int error;

	snprintf(arguments, sizeof(arguments), "{\"value\": %" PRIu64 "}", kb * 1024);
	error = monitor_command(&q->monitor, "balloon", arguments, why);
	if (!error)
		q->last_target = kb;
	return error;
}

static void qmp_close(struct door *door)
{
	struct qmp *q = door->state;

	monitor_close(&q->monitor);
	free(q);
}

/* All of the guest's memory, of which the balloon takes away. */
static int find_most(struct qmp *q, struct why *why)
{
	uint64_t bytes;

	if (monitor_command(&q->monitor, "query-memory-size-summary", NULL, why))
		return -1;
	if (!monitor_number(&q->monitor, "base-memory", &bytes)) {
		why_set(why, "QEMU does not say base-memory: %.120s", q->monitor.line);
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

	if (!q) {
		why_set(why, "no memory");
		return -1;
	}
	*door = (struct door){ .name = "qmp", .place = PLACE_QMP, .open_other = door_open_qmp,
			       .view = qmp_view, .set = qmp_set,
			       .close = qmp_close, .state = q };
	if (monitor_open(&q->monitor, socket, why) || find_most(q, why))
		return -1;
	ask_for_reports(q, why);
	return wait_for_report(door, why);
}

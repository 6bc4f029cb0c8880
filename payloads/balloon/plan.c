#include "plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guestfiles.h"
#include "toolstack.h"

#define STEP_MOST_KB (64u << 10)
#define STEP_LEAST_KB 1024u
#define SPARE_KB (32u << 10)	/* what the domain keeps free beside what it uses */

typedef int (*opener)(struct door *door, const char *where, struct why *why);

static int open_inside(const struct plan *plan, struct door *door, struct why *why)
{
	static const struct { const char *name; opener open; } doors[] = {
		{ "proc", door_open_proc },
		{ "sysfs", door_open_sysfs },
		{ "virtio", door_open_virtio },
	};
	bool any = !strcmp(plan->interface, "auto");

	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		if (!any && strcmp(plan->interface, doors[i].name))
			continue;
		if (!doors[i].open(door, plan->root, why))
			return 0;
		if (!any)
			return -1;
	}
	why_set(why, "this machine has no balloon: neither /proc/xen/balloon, nor "
		"/sys/devices/system/xen_memory, nor a bound virtio_balloon driver");
	return -1;
}

/* Inside a control domain, xl; elsewhere guests are libvirt's. */
static bool is_control_domain(void)
{
	char text[64];

	return file_text("", "/proc/xen/capabilities", text, sizeof(text)) > 0 &&
	       strstr(text, "control_d");
}

static const char *tool_of(const struct plan *plan)
{
	if (!strcmp(plan->interface, "auto"))
		return is_control_domain() ? "xl" : "virsh";
	return strcmp(plan->interface, "virsh") ? "xl" : "virsh";
}

static int open_outside(const struct plan *plan, const char *name, struct door *door,
			struct why *why)
{
	if (plan->qmp)
		return door_open_qmp(door, name, why);
	if (!strcmp(tool_of(plan), "virsh"))
		return door_open_virsh(door, name, why);
	return door_open_xl(door, name, why);
}

int plan_open_door(const struct plan *plan, struct door *door, struct why *why)
{
	if (!plan->qmp && !plan->domain)
		return open_inside(plan, door, why);
	return open_outside(plan, plan->qmp ? plan->qmp : plan->domain, door, why);
}

void plan_measure(const struct plan *plan, struct trial *trial)
{
	const struct view *before = &trial->before;
	uint64_t safe = before->current / 2, room;

	if (before->guest_available && before->guest_available < before->current)
		safe = before->current - before->guest_available + SPARE_KB;
	trial->floor = plan->floor == FLOOR_CHOSEN ? safe : (uint64_t)plan->floor / 1024;
	if (trial->floor > safe)
		safe = trial->floor;
	room = before->target > safe ? before->target - safe : 0;
	trial->step = room / 2 < STEP_MOST_KB ? room / 2 / 4 * 4 : STEP_MOST_KB;
	if (trial->step < STEP_LEAST_KB)
		trial->step = 0;
}

static void restore_lost_domain(const struct plan *plan)
{
	const char *tool = tool_of(plan);
	struct why why;

	if (access(plan->save_file, F_OK))
		return;
	if (!toolstack_knows(tool, plan->domain) &&
	    toolstack_restore(tool, plan->save_file, &why))
		fprintf(stderr, "balloon: %s is kept in %s: %s\n", plan->domain, plan->save_file,
			why.text);
	else
		unlink(plan->save_file);
}

int plan_put_back(const struct plan *plan, const struct view *before, struct why *why)
{
	struct door door;
	struct view now;
	int status = 0;

	if (plan->domain)
		restore_lost_domain(plan);
	if (plan_open_door(plan, &door, why) || door.view(&door, &now, why))
		return -1;
	if (now.ceiling != before->ceiling)
		status = door.set_ceiling(&door, before->ceiling, why);
	/* Always: a monitor does not tell whether a target waits to be followed. */
	if (!status && door.place != PLACE_WATCH)
		status = door.set(&door, before->target, why);
	door.close(&door);
	return status ? -1 : 0;
}

int plan_put_back_neighbour(const struct plan *plan, uint64_t target, struct why *why)
{
	struct door door;
	int status;

	if (!target)
		return 0;
	if (open_outside(plan, plan->neighbour, &door, why))
		return -1;
	status = door.set(&door, target, why);
	door.close(&door);
	return status ? -1 : 0;
}

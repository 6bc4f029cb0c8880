/* The toolstack's doors: xl with xenstore and Xen's own count, and virsh. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "guestfiles.h"
#include "hypervisor.h"
#include "published.h"
#include "supervisor.h"
#include "toolstack.h"
#include "xenstore.h"

#define TOOL_LIMIT_MS 60000

struct tool {
	const char *domain;
	struct hypervisor *hypervisor;
	struct xenstore xenstore;
	uint32_t number;	/* xl's domain; 0: not known yet */
	uint64_t last_target;	/* virsh does not tell it */
};

/* Run a tool; 0, -EINVAL: it said no, its words are in `why`; -ETIMEDOUT: it said nothing. */
static int run_tool(char *const argv[], char *output, size_t size, struct why *why)
{
	struct supervised_result result = run_program(argv, output, size, TOOL_LIMIT_MS);

	if (result.end == SUPERVISED_EXITED && !result.status)
		return 0;
	for (char *c = output; *c; c++)
		if (*c == '\n')
			*c = ' ';
	if (result.end == SUPERVISED_FAILED)
		why_errno(why, result.status, "cannot run %s", argv[0]);
	else if (result.end == SUPERVISED_TIMED_OUT)
		why_set(why, "%s %s did not end within %d s", argv[0], argv[1],
			TOOL_LIMIT_MS / 1000);
	else
		why_set(why, "%s %s %s: %s %d: %.160s", argv[0], argv[1], argv[2],
			result.end == SUPERVISED_EXITED ? "status" : "ended by signal",
			result.status, output);
	return result.end == SUPERVISED_EXITED ? -EINVAL : -ETIMEDOUT;
}

/* Does this number still belong to the domain?  A restored domain gets another one. */
static bool still_named(struct tool *tool)
{
	char path[96], name[256];

	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/name", tool->number);
	return tool->number && xenstore_read(&tool->xenstore, path, name, sizeof(name)) > 0 &&
	       !strcmp(name, tool->domain);
}

/* Into tool->number.  xl takes long, so it is asked only when xenstore says something new. */
static int find_number(struct tool *tool, struct why *why)
{
	char output[4096];
	char *const argv[] = { "xl", "domid", (char *)tool->domain, NULL };

	if (still_named(tool))
		return 0;
	if (run_tool(argv, output, sizeof(output), why))
		return -1;
	if (!isdigit((unsigned char)output[0])) {
		why_set(why, "xl domid %s said '%.40s' instead of a number", tool->domain, output);
		return -1;
	}
	tool->number = (uint32_t)strtoul(output, NULL, 10);
	return 0;
}

/* A number below memory/ in the domain's part of xenstore. */
static int memory_node(struct tool *tool, const char *name, uint64_t *kb, struct why *why)
{
	char path[96], value[64];
	int error;

	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/memory/%s", tool->number,
		 name);
	error = xenstore_read(&tool->xenstore, path, value, sizeof(value));
	if (error < 0) {
		why_errno(why, -error, "cannot read %s in xenstore", path);
		return -1;
	}
	*kb = strtoull(value, NULL, 10);
	return 0;
}

static int xl_view(struct door *door, struct view *view, struct why *why)
{
	struct tool *tool = door->state;
	int error;

	memset(view, 0, sizeof(*view));
	if (find_number(tool, why))
		return -1;
	error = hypervisor_count(tool->hypervisor, tool->number, &view->hypervisor, &view->limit);
	if (error) {
		why_errno(why, -error, "Xen does not tell the memory of domain %" PRIu32,
			  tool->number);
		return -1;
	}
	view->current = view->hypervisor;
	published_read(&tool->xenstore, tool->number, view);
	if (memory_node(tool, "static-max", &view->ceiling, why))
		return -1;
	return memory_node(tool, "target", &view->target, why);
}

/* For tools whose words count only when something goes wrong. */
static int ask_tool(char *const argv[], struct why *why)
{
	char output[4096];

	return run_tool(argv, output, sizeof(output), why);
}

int toolstack_save(const char *tool, const char *domain, const char *file, struct why *why)
{
	char *const argv[] = { (char *)tool, "save", (char *)domain, (char *)file, NULL };

	return ask_tool(argv, why);
}

int toolstack_restore(const char *tool, const char *file, struct why *why)
{
	char *const argv[] = { (char *)tool, "restore", (char *)file, NULL };

	return ask_tool(argv, why);
}

bool toolstack_knows(const char *tool, const char *domain)
{
	char *const argv[] = { (char *)tool, "domid", (char *)domain, NULL };
	struct why why;

	return !ask_tool(argv, &why);
}

static int xl_amount(struct door *door, char *verb, uint64_t kb, struct why *why)
{
	struct tool *tool = door->state;
	char amount[32];
	char *const argv[] = { "xl", verb, (char *)tool->domain, amount, NULL };

	snprintf(amount, sizeof(amount), "%" PRIu64 "k", kb);
	return ask_tool(argv, why);
}

static int xl_set_ceiling(struct door *door, uint64_t kb, struct why *why)
{
	return xl_amount(door, "mem-max", kb, why);
}

static int xl_set(struct door *door, uint64_t kb, struct why *why)
{
	return xl_amount(door, "mem-set", kb, why);
}

static int xl_set_unchecked(struct door *door, uint64_t kb, struct why *why)
{
	struct tool *tool = door->state;
	char path[96], amount[32];
	int error;

	if (find_number(tool, why))
		return -EINVAL;
	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/memory/target", tool->number);
	snprintf(amount, sizeof(amount), "%" PRIu64, kb);
	error = xenstore_write(&tool->xenstore, path, amount);
	if (error)
		why_errno(why, -error, "cannot write %s in xenstore", path);
	return error;
}

/* Lines of `dommemstat` are "actual 1048576". */
static bool statistic(const char *text, const char *label, uint64_t *number)
{
	size_t length = strlen(label);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, label, length) && line[length] == ' ')
			return sscanf(line + length, "%" SCNu64, number) == 1;
	}
	return false;
}

static int virsh_view(struct door *door, struct view *view, struct why *why)
{
	struct tool *tool = door->state;
	char output[4096];
	char *const statistics[] = { "virsh", "dommemstat", (char *)tool->domain, NULL };
	char *const about[] = { "virsh", "dominfo", (char *)tool->domain, NULL };

	memset(view, 0, sizeof(*view));
	if (run_tool(statistics, output, sizeof(output), why))
		return -1;
	if (!statistic(output, "actual", &view->current)) {
		why_set(why, "virsh dommemstat %s does not say 'actual': has it a balloon?",
			tool->domain);
		return -1;
	}
	statistic(output, "available", &view->guest_total);
	statistic(output, "usable", &view->guest_available);
	view->target = tool->last_target ? tool->last_target : view->current;
	if (run_tool(about, output, sizeof(output), why))
		return -1;
	labelled_number(output, "Max memory", &view->limit);
	return 0;
}

static int virsh_set(struct door *door, uint64_t kb, struct why *why)
{
	struct tool *tool = door->state;
	char amount[32];
	char *const argv[] = { "virsh", "setmem", (char *)tool->domain, amount, "--live", NULL };
	int error;

	snprintf(amount, sizeof(amount), "%" PRIu64, kb);
	error = ask_tool(argv, why);
	if (!error)
		tool->last_target = kb;
	return error;
}

static void tool_close(struct door *door)
{
	struct tool *tool = door->state;

	if (tool->hypervisor) {
		hypervisor_close(tool->hypervisor);
		xenstore_close(&tool->xenstore);
	}
	free(tool);
}

static struct tool *new_tool(const char *domain, struct why *why)
{
	struct tool *tool = calloc(1, sizeof(*tool));

	if (!tool)
		why_set(why, "no memory");
	else
		tool->domain = domain;
	return tool;
}

int door_open_xl(struct door *door, const char *domain, struct why *why)
{
	struct tool *tool = new_tool(domain, why);
	struct view view;
	int error;

	if (!tool)
		return -1;
	*door = (struct door){ .name = "xl", .place = PLACE_XL, .open_other = door_open_xl,
			       .view = xl_view, .set = xl_set,
			       .set_ceiling = xl_set_ceiling,
			       .set_unchecked = xl_set_unchecked,
			       .close = tool_close, .state = tool };
	tool->hypervisor = hypervisor_open();
	if (!tool->hypervisor) {
		why_set(why, "Xen cannot be asked here (no /dev/xen/privcmd, or no privilege): "
			"run this in the control domain, as root");
		return -1;
	}
	error = xenstore_open(&tool->xenstore);
	if (error) {
		why_errno(why, -error, "cannot open xenstore");
		return -1;
	}
	return door->view(door, &view, why);
}

int door_open_virsh(struct door *door, const char *domain, struct why *why)
{
	struct tool *tool = new_tool(domain, why);
	struct view view;

	if (!tool)
		return -1;
	*door = (struct door){ .name = "virsh", .place = PLACE_VIRSH,
			       .open_other = door_open_virsh, .view = virsh_view, .set = virsh_set,
			       .close = tool_close, .state = tool };
	return door->view(door, &view, why);
}

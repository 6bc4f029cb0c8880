#include "role.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "xenstore.h"

#define HIGHEST_VICTIM 1000

/* False when there is no such file. */
static bool first_line(const char *root, const char *path, char *line, size_t size)
{
	char full[PATH_MAX];
	FILE *file;
	bool read;

	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "re");
	if (!file)
		return false;
	read = fgets(line, (int)size, file);
	fclose(file);
	if (!read)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

enum role role_find(const char *root)
{
	const char *hypervisor = *root ? NULL : environment_hypervisor();
	char line[64], path[PATH_MAX];

	if (first_line(root, "/proc/xen/capabilities", line, sizeof(line)) &&
	    strstr(line, "control_d"))
		return ROLE_CONTROL;
	if (first_line(root, "/sys/hypervisor/type", line, sizeof(line)) && !strcmp(line, "xen")) {
		/* Linux before 4.13 does not tell the kind, and had little but PV. */
		if (!first_line(root, "/sys/hypervisor/guest_type", line, sizeof(line)))
			return ROLE_PV_GUEST;
		if (!strcmp(line, "PV"))
			return ROLE_PV_GUEST;
		return strcmp(line, "PVH") ? ROLE_HVM_GUEST : ROLE_PVH_GUEST;
	}
	if (hypervisor && !strcmp(hypervisor, "kvm"))
		return ROLE_KVM_GUEST;
	snprintf(path, sizeof(path), "%s/dev/kvm", root);
	return access(path, F_OK) ? ROLE_NONE : ROLE_KVM_HOST;
}

static bool is_xen_guest(enum role role)
{
	return role == ROLE_PV_GUEST || role == ROLE_HVM_GUEST || role == ROLE_PVH_GUEST;
}

bool role_knows_itself(const struct scene *scene, struct answer *why)
{
	if (scene->domain != DOMAIN_UNKNOWN)
		return true;
	*why = answer_unreached("xenstore does not tell this domain's own number: is its device "
				"there?");
	return false;
}

uint32_t role_domain(enum role role)
{
	uint32_t domain = is_xen_guest(role) ? DOMAIN_UNKNOWN : 0;
	struct xenstore s;
	char value[16];

	if (xenstore_open(&s))
		return domain;
	if (xenstore_read(&s, "domid", value, sizeof(value)) > 0)
		domain = (uint32_t)strtoul(value, NULL, 10);
	xenstore_close(&s);
	return domain;
}

int64_t role_victim(uint32_t self)
{
	struct xenstore s;
	char path[64], value[64];
	int64_t victim = -1;

	if (xenstore_open(&s))
		return -1;
	for (int64_t domain = 1; victim < 0 && domain < HIGHEST_VICTIM; domain++) {
		snprintf(path, sizeof(path), "/local/domain/%" PRId64 "/name", domain);
		if (domain != self && xenstore_read(&s, path, value, sizeof(value)) > 0)
			victim = domain;
	}
	xenstore_close(&s);
	return victim;
}

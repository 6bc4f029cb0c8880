#include "environment.h"

#include <cpuid.h>
#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

#define CPUID_HYPERVISOR_BIT (1u << 31)
#define HYPERVISOR_LEAF 0x40000000u
#define HYPERVISOR_LEAF_LAST 0x40010000u
#define HYPERVISOR_LEAF_STEP 0x100u

/* The first line of a file without its newline; false when there is none. */
static bool first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool read;

	if (!file)
		return false;
	read = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (read)
		line[strcspn(line, "\n")] = '\0';
	return read && line[0];
}

/* What stands behind "key : " in /proc/cpuinfo. */
static bool cpuinfo(const char *key, char *value, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)))
			continue;
		colon += 1 + strspn(colon + 1, " ");
		snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		found = true;
	}
	fclose(file);
	return found;
}

static const char *machine(const struct utsname *kernel, char *buffer, size_t size)
{
	char vendor[128], product[128];

	if (!first_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)) ||
	    !first_line("/sys/class/dmi/id/product_name", product, sizeof(product)))
		snprintf(buffer, size, "%s", kernel->machine);
	else
		snprintf(buffer, size, "%s, %s %s", kernel->machine, vendor, product);
	return buffer;
}

/* The vendor in one of the hypervisor's leaves: 12 bytes and a NUL. */
static const char *vendor_at(uint32_t leaf, char *vendor)
{
	uint32_t eax, words[3];

	__cpuid(leaf, eax, words[0], words[1], words[2]);
	memcpy(vendor, words, sizeof(words));
	vendor[sizeof(words)] = '\0';
	return vendor;
}

const char *environment_hypervisor(void)
{
	static char vendor[13];
	char type[16];
	uint32_t eax, ebx, ecx, edx;

	/* A PV guest of Xen may see the bare processor in CPUID. */
	if (first_line("/sys/hypervisor/type", type, sizeof(type)) && !strcmp(type, "xen"))
		return "xen";
	if (!access("/proc/xen/capabilities", F_OK))
		return "xen";
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & CPUID_HYPERVISOR_BIT))
		return NULL;
	/* Both may stand behind leaves that imitate Hyper-V. */
	for (uint32_t leaf = HYPERVISOR_LEAF; leaf < HYPERVISOR_LEAF_LAST;
	     leaf += HYPERVISOR_LEAF_STEP) {
		vendor_at(leaf, vendor);
		if (!strcmp(vendor, "XenVMMXenVMM"))
			return "xen";
		if (!strcmp(vendor, "KVMKVMKVM"))
			return "kvm";
	}
	return vendor_at(HYPERVISOR_LEAF, vendor);
}

static const char *compiler(void)
{
#ifdef __clang__
	return __VERSION__;
#else
	return "gcc " __VERSION__;
#endif
}

void environment_write(FILE *out, const char *program, char *const argv[])
{
	char date[32], text[384];
	time_t now = time(NULL);
	struct utsname kernel;
	struct json j;
	struct tm utc;

	uname(&kernel);
	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_begin_line(&j, out);
	json_string(&j, "type", "environment");
	json_string(&j, "program", program);
	json_string(&j, "version", PAYLOADS_VERSION);
	json_begin_array(&j, "command");
	for (; *argv; argv++)
		json_string(&j, NULL, *argv);
	json_end_array(&j);
	json_string(&j, "date", date);
	json_string(&j, "host", kernel.nodename);
	json_string(&j, "kernel", kernel.release);
	json_string(&j, "machine", machine(&kernel, text, sizeof(text)));
	json_string(&j, "cpu", cpuinfo("model name", text, sizeof(text)) ? text : NULL);
	json_int(&j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_string(&j, "hypervisor", environment_hypervisor());
	json_string(&j, "clocksource",
		    first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			       text, sizeof(text)) ? text : NULL);
	json_string(&j, "compiler", compiler());
	json_end_line(&j);
}

#include "offset.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t offset_to_ours(const struct offset *o, uint64_t stamp)
{
	uint64_t ticks = stamp - (uint64_t)o->ticks;

	if (o->ratio)
		ticks = (uint64_t)(((unsigned __int128)ticks << o->fraction_bits) / o->ratio);
	return (int64_t)ticks;
}

bool offset_same(const struct offset *a, const struct offset *b)
{
	return a->ticks == b->ticks && a->ratio == b->ratio &&
	       a->fraction_bits == b->fraction_bits;
}

/* A number from FOLDER/NAME; false when there is no such file or it holds no number. */
static bool read_number(const char *folder, const char *name, int64_t *value)
{
	char path[768], text[32] = "", *end;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	errno = 0;
	*value = strtoll(text, &end, 10);
	if (errno == ERANGE)
		*value = (int64_t)strtoull(text, &end, 10);
	return end != text && (*end == '\n' || !*end);
}

static int read_vcpu(struct offset *o, const char *folder, struct why *why)
{
	int64_t ratio = 0, bits = 0;

	if (!read_number(folder, "tsc-offset", &o->ticks)) {
		why_set(why, "%s/tsc-offset cannot be read or holds no number", folder);
		return -1;
	}
	/* These files exist only where the hardware can scale. */
	if (read_number(folder, "tsc-scaling-ratio", &ratio) &&
	    !read_number(folder, "tsc-scaling-ratio-frac-bits", &bits)) {
		why_set(why, "%s has a tsc-scaling-ratio without its fraction bits", folder);
		return -1;
	}
	o->ratio = (uint64_t)ratio;
	o->fraction_bits = (unsigned int)bits;
	if (bits < 0 || bits > 63) {
		why_set(why, "%s/tsc-scaling-ratio-frac-bits is absurd", folder);
		return -1;
	}
	if (o->ratio == 1ull << bits)
		o->ratio = 0;
	return 0;
}

/* The folder of the VM, "PID-FD", below KVM's. */
static int find_vm(const char *folder, int64_t vm, char *path, size_t size, struct why *why)
{
	DIR *all = opendir(folder);
	struct dirent *entry;
	int found = 0;

	if (!all) {
		why_errno(why, errno, "%s cannot be read (it needs root, debugfs and KVM; -s "
			  "estimate needs none of them)", folder);
		return -1;
	}
	while ((entry = readdir(all))) {
		char *end;
		int64_t pid = strtoll(entry->d_name, &end, 10);

		if (end == entry->d_name || *end != '-' || (vm && pid != vm))
			continue;
		found++;
		snprintf(path, size, "%s/%s", folder, entry->d_name);
	}
	closedir(all);
	if (found == 1)
		return 0;
	if (!found)
		why_set(why, "%s shows no%s VM; is the guest running?", folder,
			vm ? " such" : "");
	else
		why_set(why, "%s shows %d VMs; choose one with --vm=PID", folder, found);
	return -1;
}

int offset_read_kvm(struct offset *o, const char *folder, int64_t vm, int64_t vcpu,
		    struct why *why)
{
	char path[512], vcpu_path[640];
	struct dirent *entry;
	int found = 0;
	DIR *all;

	if (find_vm(folder, vm, path, sizeof(path), why))
		return -1;
	all = opendir(path);
	while (all && (entry = readdir(all))) {
		struct offset this;
		int number, length = 0;

		if (sscanf(entry->d_name, "vcpu%d%n", &number, &length) != 1 ||
		    entry->d_name[length] || (vcpu >= 0 && number != vcpu))
			continue;
		snprintf(vcpu_path, sizeof(vcpu_path), "%s/vcpu%d", path, number);
		if (read_vcpu(&this, vcpu_path, why)) {
			closedir(all);
			return -1;
		}
		if (found++ && !offset_same(o, &this)) {
			closedir(all);
			why_set(why, "the vCPUs in %s do not agree about the counter; pin the "
				"client with --cpu=N and say --vcpu=N here", path);
			return -1;
		}
		*o = this;
	}
	if (all)
		closedir(all);
	if (found)
		return 0;
	why_set(why, "%s shows no such vCPU", path);
	return -1;
}

struct offset_bounds offset_bound(const uint64_t *sent, const uint64_t *received, size_t n,
				  const uint64_t *heard, size_t n_heard)
{
	struct offset_bounds b = {INT64_MIN, INT64_MAX};

	for (size_t i = 0; i < n; i++) {
		int64_t at_least = (int64_t)(sent[i] - received[i]);

		if (at_least > b.low)
			b.low = at_least;
	}
	for (size_t i = 0; i < n_heard; i++) {
		int64_t at_most = (int64_t)(heard[i] - received[i]);

		if (at_most < b.high)
			b.high = at_most;
	}
	return b;
}

int64_t offset_middle(const struct offset_bounds *b)
{
	return b->low + (int64_t)((uint64_t)b->high - (uint64_t)b->low) / 2;
}

double offset_error(const struct offset_bounds *b)
{
	return ((double)b->high - (double)b->low) / 2;
}

#include "counters.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xenabi.h"

#define MAGIC 0x58434f56u	/* XCOV */
#define MOST_BYTES (64u << 20)
#define VERSIONS 128u
#define PAGES(bytes) (((bytes) + DOOR_PAGE - 1) / DOOR_PAGE)

static struct {
	struct door *door;
	struct xen_sysctl *operation;
	uint8_t *now;		/* what Xen says: names of objects, each with its tables of words */
	uint8_t *first;
	uint8_t *moved;		/* a byte for each byte that may begin a word */
	size_t size;
	uint64_t count;
} counters;

static long ask(uint32_t command, void *buffer, uint32_t size)
{
	struct xen_sysctl *o = counters.operation;
	uint64_t arguments[5] = { (uintptr_t)o };
	static uint32_t version;
	long result;

	/* Xen refuses a wrong version before it looks at anything else. */
	do {
		memset(o, 0, sizeof(*o));
		o->cmd = XEN_SYSCTL_coverage_op;
		o->interface_version = version;
		o->u.coverage_op.cmd = command;
		o->u.coverage_op.size = size;
		set_xen_guest_handle(o->u.coverage_op.buffer, (char *)buffer);
		result = counters.door->hypercall(counters.door, __HYPERVISOR_sysctl, arguments);
	} while (result == -XEN_EACCES && ++version < VERSIONS);
	return result;
}

static bool read_now(void)
{
	uint32_t magic;

	if (ask(XEN_SYSCTL_COVERAGE_read, counters.now, (uint32_t)counters.size))
		return false;
	memcpy(&magic, counters.now, sizeof(magic));
	return magic == MAGIC;
}

const char *counters_begin(struct door *door, void *(*pages)(size_t count))
{
	counters.door = door;
	counters.operation = pages(1);
	if (!counters.operation)
		return "there is no memory for a hypercall";
	if (ask(XEN_SYSCTL_COVERAGE_get_size, NULL, 0))
		return "this hypervisor counts nothing: build it with CONFIG_COVERAGE=y";
	counters.size = counters.operation->u.coverage_op.size;
	if (counters.size < sizeof(uint32_t) || counters.size > MOST_BYTES)
		return "the hypervisor gives an absurd size of its counters";
	counters.now = pages(PAGES(counters.size));
	counters.first = malloc(counters.size);
	counters.moved = calloc(1, counters.size);
	if (!counters.now || !counters.first || !counters.moved)
		return "there is no memory for the hypervisor's counters";
	if (!read_now())
		return "the hypervisor does not give its counters";
	memcpy(counters.first, counters.now, counters.size);
	return NULL;
}

/* The words of one object, from `at` on; where they end. */
static size_t compare_words(size_t at, size_t bytes, long *fresh)
{
	size_t end = at + bytes;

	for (; at + sizeof(uint32_t) <= end; at += sizeof(uint32_t)) {
		if (counters.moved[at] ||
		    !memcmp(counters.first + at, counters.now + at, sizeof(uint32_t)))
			continue;
		counters.moved[at] = 1;
		(*fresh)++;
	}
	return end;
}

long counters_new(void)
{
	size_t at = sizeof(uint32_t);
	long fresh = 0;

	if (!counters.size || !read_now())
		return -1;
	while (at < counters.size) {
		const uint8_t *end = memchr(counters.now + at, '\0', counters.size - at);
		uint32_t bytes;

		if (!end)
			return -1;
		at = (size_t)(end + 1 - counters.now);
		if (counters.size - at < sizeof(bytes))
			return -1;
		memcpy(&bytes, counters.now + at, sizeof(bytes));
		at += sizeof(bytes);
		if (bytes > counters.size - at)
			return -1;
		at = compare_words(at, bytes, &fresh);
	}
	counters.count += (uint64_t)fresh;
	return fresh;
}

uint64_t counters_moved(void)
{
	return counters.count;
}

void counters_end(void)
{
	free(counters.first);
	free(counters.moved);
	memset(&counters, 0, sizeof(counters));
}

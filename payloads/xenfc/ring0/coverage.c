#include "coverage.h"

#include "../freestanding.h"
#include "console.h"
#include "control.h"
#include "memory.h"

static struct xen_sysctl operation;

static long perform(uint32_t command, void *buffer, uint32_t size)
{
	operation = (struct xen_sysctl){ .cmd = XEN_SYSCTL_coverage_op };
	operation.u.coverage_op.cmd = command;
	operation.u.coverage_op.size = size;
	set_xen_guest_handle(operation.u.coverage_op.buffer, (char *)buffer);
	return control_system(&operation);
}

const char *coverage_reset(void)
{
	return perform(XEN_SYSCTL_COVERAGE_reset, NULL, 0) ?
	       "this hypervisor counts nothing: build it with CONFIG_COVERAGE=y" : NULL;
}

static void tell_frames(const uint8_t *pages, size_t count)
{
	char buffer[100];
	struct text line;

	for (size_t first = 0, next; first < count; first = next) {
		uint64_t frame = machine_frame(pages + first * PAGE_SIZE);

		for (next = first + 1; next < count; next++)
			if (machine_frame(pages + next * PAGE_SIZE) != frame + next - first)
				break;
		text_begin(&line, buffer, sizeof(buffer));
		text_format(&line, "XENFC coverage: frames %lu %lu\n", frame,
			    (uint64_t)(next - first));
		console_say(buffer);
	}
}

const char *coverage_tell(void)
{
	char buffer[100];
	struct text line;
	size_t count;
	void *pages;

	if (perform(XEN_SYSCTL_COVERAGE_get_size, NULL, 0))
		return "Xen does not say how much it counted";
	count = (operation.u.coverage_op.size + PAGE_SIZE - 1) / PAGE_SIZE;
	pages = pages_take(count);
	if (!pages)
		return "there are not enough pages for the counters";
	if (perform(XEN_SYSCTL_COVERAGE_read, pages, count * PAGE_SIZE))
		return "Xen does not give its counters";
	tell_frames(pages, count);
	text_begin(&line, buffer, sizeof(buffer));
	text_format(&line, "XENFC coverage: %u bytes\n", operation.u.coverage_op.size);
	console_say(buffer);
	return NULL;
}

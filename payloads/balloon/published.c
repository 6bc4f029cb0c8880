#include "published.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define NODE "data/xentest-balloon"
#define LOOK_EVERY_MS 100

void published_read(struct xenstore *s, uint32_t domain, struct view *view)
{
	uint64_t current, total, available;
	char path[96], value[128];

	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/" NODE, domain);
	if (xenstore_read(s, path, value, sizeof(value)) < 0 ||
	    sscanf(value, "%" SCNu64 " %" SCNu64 " %" SCNu64, &current, &total, &available) != 3)
		return;
	view->guest_total = total;
	view->guest_available = available;
}

static bool moved(const struct view *a, const struct view *b)
{
	return a->current != b->current || a->target != b->target ||
	       a->guest_total != b->guest_total;
}

/* MemAvailable changes all the time; a guest that only tells this would flood xenstore. */
static int tell(struct xenstore *s, bool xen, const struct view *view, struct why *why)
{
	char value[96];
	int error;

	snprintf(value, sizeof(value), "%" PRIu64 " %" PRIu64 " %" PRIu64, view->current,
		 view->guest_total, view->guest_available);
	printf("balloon: current %" PRIu64 " kB, target %" PRIu64 " kB, MemTotal %" PRIu64
	       " kB, MemAvailable %" PRIu64 " kB\n", view->current, view->target,
	       view->guest_total, view->guest_available);
	fflush(stdout);
	if (!xen)
		return 0;
	error = xenstore_write(s, NODE, value);
	if (error)
		why_errno(why, -error, "cannot write " NODE " in xenstore");
	return error ? -1 : 0;
}

int publish(struct door *door, int64_t seconds, struct why *why)
{
	deadline_t deadline = deadline_in_ms((uint64_t)seconds * 1000);
	struct view view, last = { 0 };
	struct xenstore s;
	bool xen = !xenstore_open(&s);
	int status = 0;

	while (!status && !deadline_passed(deadline)) {
		status = door->view(door, &view, why);
		if (!status && moved(&view, &last))
			status = tell(&s, xen, &view, why);
		last = view;
		clock_sleep_until(clock_ns() + LOOK_EVERY_MS * NS_PER_MS);
	}
	if (xen) {
		xenstore_remove(&s, NODE);
		xenstore_close(&s);
	}
	return status;
}

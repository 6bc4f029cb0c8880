#include "watermark.h"

#include <sys/socket.h>

#include "clock.h"
#include "worker.h"

#define LOOK_BYTES (256 * 1024)
#define HIGH_BYTES (1024 * 1024)
#define LONGEST_NS (100 * NS_PER_MS)

static void set_mark(struct flow *flow, bool high)
{
	int bytes = high ? HIGH_BYTES : 1;

	/* A kernel that refuses goes on as before. */
	setsockopt(flow->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	flow->mark_high = high;
}

void watermark_moved(struct flow *flow, size_t n)
{
	const struct settings *s = flow->worker->settings;
	uint64_t now;
	bool fast;

	flow->mark_bytes += n;
	if (s->transport != TRANSPORT_INET || flow->mark_bytes < LOOK_BYTES)
		return;
	now = clock_ns();
	/* Above 1 Gbit/s, one bit a nanosecond, a MiB takes less than 9 ms. */
	fast = flow->mark_ns && flow->mark_bytes * 8 > now - flow->mark_ns;
	if (fast != flow->mark_high)
		set_mark(flow, fast);
	flow->mark_ns = now;
	flow->mark_bytes = 0;
}

void watermark_check(struct flow *flow, uint64_t now_ns)
{
	if (!flow->mark_high || now_ns < flow->mark_ns + LONGEST_NS)
		return;
	set_mark(flow, false);
	flow->mark_ns = now_ns;
	flow->mark_bytes = 0;
}

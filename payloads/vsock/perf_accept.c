#include <stdlib.h>
#include <unistd.h>

#include "blocking.h"
#include "endpoint.h"
#include "perf.h"

static int place(int *fds, int fd, uint32_t port, struct why *why)
{
	uint32_t slot = port - BENCHMARK_GUEST_PORT(0);

	if (slot >= SOCKETS) {
		why_set(why, "unexpected connection from guest port: %u", port);
		return -1;
	}
	if (fds[slot] >= 0) {
		why_set(why, "a second connection from guest port %u", port);
		return -1;
	}
	fds[slot] = fd;
	return 0;
}

/* Nine connections of two guests would be measured as if they were one's. */
static int same_guest(const struct address *peer, const struct address *first, struct why *why)
{
	char one[64], other[64];

	if (endpoint_same_machine(peer, first))
		return 0;
	why_set(why, "a second guest came, from %s; the first is at %s",
		address_format(peer, other, sizeof(other)), address_format(first, one, sizeof(one)));
	return -1;
}

int perf_accept(int listener, int *fds, deadline_t deadline, struct why *why)
{
	struct address peer, first;

	for (int n = 0; n < SOCKETS; n++) {
		struct why reason;
		int fd = transport_accept(listener, &peer, deadline, &reason);

		if (fd < 0) {
			why_set(why, "%d of the guest's %d connections came: %.150s", n, SOCKETS,
				reason.text);
			return -1;
		}
		if (place(fds, fd, endpoint_port(&peer), why)) {
			close(fd);
			return -1;
		}
		if (!n)
			first = peer;
		if (same_guest(&peer, &first, why))
			return -1;
	}
	return 0;
}

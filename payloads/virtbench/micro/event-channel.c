/*
 * Two event channels of this very domain, bound to each other: an event there and one back.
 * Linux has each newly bound channel handled by the next processor, and one that another
 * processor handles takes longer: so there are as many pairs as processors, used in turns, or
 * the result would depend on how many channels were bound before.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The headers of Linux leave it to their includer. */
typedef unsigned short domid_t;
#include <xen/evtchn.h>

#include "benchmark.h"

#define DEVICE "/dev/xen/evtchn"
#define DOMID_SELF 0x7ff0
#define LIMIT_MS 5000
#define PAIRS_MAX 64

struct end {
	int fd;
	uint32_t port;
};

struct pair {
	struct end a, b;
};

static bool connect_ends(struct end *a, struct end *b)
{
	struct ioctl_evtchn_bind_unbound_port unbound = { .remote_domain = DOMID_SELF };
	struct ioctl_evtchn_bind_interdomain bound = { .remote_domain = DOMID_SELF };
	int port;

	a->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	b->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (a->fd < 0 || b->fd < 0)
		return false;
	port = ioctl(a->fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &unbound);
	if (port < 0)
		return false;
	a->port = (uint32_t)port;
	bound.remote_port = a->port;
	port = ioctl(b->fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bound);
	b->port = (uint32_t)port;
	return port >= 0;
}

static bool notify(const struct end *from)
{
	struct ioctl_evtchn_notify notify = { .port = from->port };

	return ioctl(from->fd, IOCTL_EVTCHN_NOTIFY, &notify) == 0;
}

/* Wait for the event and let the next one through. */
static bool take(const struct end *at)
{
	struct pollfd readable = { .fd = at->fd, .events = POLLIN };
	uint32_t port;

	return poll(&readable, 1, LIMIT_MS) == 1 &&
	       read(at->fd, &port, sizeof(port)) == sizeof(port) && port == at->port &&
	       write(at->fd, &port, sizeof(port)) == sizeof(port);
}

static bool there_and_back(const struct end *a, const struct end *b)
{
	return notify(a) && take(b) && notify(b) && take(a);
}

/* Binding makes a first event pending: it is taken before anything is measured. */
static bool settle(const struct end *at)
{
	struct pollfd readable = { .fd = at->fd, .events = POLLIN };

	return poll(&readable, 1, 0) == 0 || take(at);
}

/* Who is the next processor is counted where this runs: it must not move meanwhile. */
static bool connect_pairs(struct pair *pairs, long n)
{
	cpu_set_t before, here;
	bool connected = sched_getaffinity(0, sizeof(before), &before) == 0;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	connected = connected && sched_setaffinity(0, sizeof(here), &here) == 0;
	for (long i = 0; i < n && connected; i++)
		connected = connect_ends(&pairs[i].a, &pairs[i].b) && settle(&pairs[i].b) &&
			    settle(&pairs[i].a);
	return sched_setaffinity(0, sizeof(before), &before) == 0 && connected;
}

static const char *no_event_channels(const struct machine *machine)
{
	static char reason[160];
	struct end a, b;

	(void)machine;
	if (access(DEVICE, F_OK) < 0)
		return "no " DEVICE ": not a Xen domain, or xen-evtchn is not loaded";
	if (connect_ends(&a, &b) && settle(&b) && settle(&a) && there_and_back(&a, &b))
		return NULL;
	snprintf(reason, sizeof(reason), "an event to this domain itself does not work: %s",
		 strerror(errno));
	return reason;
}

static void event_channel(struct session *s, uint32_t runs)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	long n = processors < PAIRS_MAX ? processors : PAIRS_MAX;
	struct pair pairs[PAIRS_MAX];

	if (!connect_pairs(pairs, n))
		session_fail_errno(s, DEVICE);
	session_begin(s);
	while (runs--) {
		const struct pair *pair = &pairs[runs % n];

		if (!there_and_back(&pair->a, &pair->b))
			session_fail_errno(s, "event channel");
	}
	session_end(s);
}

static const struct benchmark benchmark = {
	"event-channel", "Time for one event channel round trip", ON_ONE, no_event_channels,
	event_channel,
};
REGISTER_BENCHMARK(benchmark);

/* Memory and events between domains: only what the other side has given may be had. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "role.h"
#include "tries.h"
#include "xenop.h"
#include "xenstore.h"

#include <xen/event_channel.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/gntdev.h>
#include <xen/sys/privcmd.h>

#define CONTROL_DOMAIN 0
#define UNUSED_DOMAIN (DOMID_FIRST_RESERVED - 1)
#define MANY 512	/* references and ports of the other side that are tried */

/* The frame of a domain's xenstore page: the one frame whose number others can read. */
static bool store_frame(const char *path, uint64_t *frame)
{
	struct xenstore s;
	char value[32];
	int length;

	if (xenstore_open(&s))
		return false;
	length = xenstore_read(&s, path, value, sizeof(value));
	xenstore_close(&s);
	*frame = length > 0 ? strtoull(value, NULL, 10) : 0;
	return length > 0;
}

static struct answer map_frame(uint32_t domain, uint64_t frame, const char *whose)
{
	struct privcmd door;
	xen_pfn_t frames[1] = { frame };
	int errors[1] = { 0 };
	privcmd_mmapbatch_v2_t map = { .num = 1, .dom = (domid_t)domain, .arr = frames,
				       .err = errors };
	volatile uint64_t *page;
	int error = privcmd_open(&door);

	if (error)
		return answer_broken("cannot open privcmd: %s", strerror(-error));
	page = mmap(NULL, PRIVCMD_PAGE, PROT_READ, MAP_SHARED, door.fd, 0);
	if (page == MAP_FAILED)
		return answer_broken("no address space for a page: %s", strerror(errno));
	map.addr = (uintptr_t)page;
	if (ioctl(door.fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &map) && !errors[0])
		return answer_refused(errno, "mapping frame 0x%" PRIx64 " of %s", frame, whose);
	if (errors[0])
		return answer_refused(abs(errors[0]), "mapping frame 0x%" PRIx64 " of %s", frame,
				      whose);
	return answer_done("frame 0x%" PRIx64 " of %s mapped, it begins with %016" PRIx64, frame,
			   whose, page[0]);
}

/* A PV guest may map its own frames through the same call. */
static struct answer map_own(struct scene *scene)
{
	struct answer answer;
	uint64_t frame;

	if (scene->role == ROLE_CONTROL)
		return xenop_canary(scene);
	if (!store_frame("store/ring-ref", &frame))
		return answer_unreached("no own frame is known: store/ring-ref cannot be read");
	answer = map_frame(DOMID_SELF, frame, "this domain");
	if (answer.became == BECAME_REFUSED)
		return answer_unreached("Linux or Xen does not map this domain's own frame either "
					"(%s), so this says nothing",
					strerrorname_np(answer.error));
	return answer;
}

const struct door door_foreign = { "privcmd's mapping", map_own };

struct answer try_foreign_map(struct scene *scene)
{
	char path[64], whose[32];
	uint64_t frame = 0x1000;	/* privilege is looked at before the frame */
	uint32_t domain = CONTROL_DOMAIN;

	if (scene->role == ROLE_CONTROL) {
		if (scene->victim < 0)
			return answer_unreached("no other domain runs; --victim names one");
		domain = (uint32_t)scene->victim;
		snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/store/ring-ref", domain);
		if (!store_frame(path, &frame))
			return answer_unreached("no frame of domain %" PRIu32 " is known", domain);
	}
	snprintf(whose, sizeof(whose), "domain %" PRIu32, domain);
	return map_frame(domain, frame, whose);
}

/* Grant a page to `domain`; false: `why`. */
static bool grant_page(int fd, uint32_t domain, struct ioctl_gntalloc_alloc_gref *grant,
		       struct answer *why)
{
	*grant = (struct ioctl_gntalloc_alloc_gref){ .domid = (uint16_t)domain,
						     .flags = GNTALLOC_FLAG_WRITABLE,
						     .count = 1 };
	if (!ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, grant))
		return true;
	*why = answer_broken("granting a page: %s", strerror(errno));
	return false;
}

static struct answer map_grant(uint32_t domain, uint32_t reference)
{
	struct ioctl_gntdev_map_grant_ref map = { .count = 1 };
	int fd = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC), error;
	void *page;

	if (fd < 0)
		return answer_unreached("/dev/xen/gntdev: %s", strerror(errno));
	map.refs[0].domid = domain;
	map.refs[0].ref = reference;
	if (ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &map))
		return answer_broken("gntdev takes no reference: %s", strerror(errno));
	page = mmap(NULL, PRIVCMD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.index);
	error = errno;
	close(fd);
	if (page == MAP_FAILED)
		return answer_refused(error, "reference %" PRIu32 " of domain %" PRIu32, reference,
				      domain);
	munmap(page, PRIVCMD_PAGE);
	return answer_done("reference %" PRIu32 " of domain %" PRIu32 " mapped", reference,
			   domain);
}

static int open_gntalloc(struct answer *why)
{
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		*why = answer_unreached("/dev/xen/gntalloc: %s", strerror(errno));
	return fd;
}

/* A page of ours is granted to a domain, and then we map it. */
static struct answer map_granted_to(struct scene *scene, uint32_t domain)
{
	struct ioctl_gntalloc_alloc_gref grant;
	struct answer answer;
	int fd = open_gntalloc(&answer);

	if (fd < 0 || !grant_page(fd, domain, &grant, &answer))
		return answer;
	answer = map_grant(scene->domain, grant.gref_ids[0]);
	close(fd);
	return answer;
}

/* A page that we grant to ourselves can be mapped. */
static struct answer map_own_grant(struct scene *scene)
{
	struct answer answer;

	return role_knows_itself(scene, &answer) ? map_granted_to(scene, scene->domain) : answer;
}

/* Whoever is not this domain. */
static uint32_t another(const struct scene *scene)
{
	return scene->role == ROLE_CONTROL ? UNUSED_DOMAIN : CONTROL_DOMAIN;
}

const struct door door_grant = { "gntdev", map_own_grant };

/* A reference of ours that was granted and is no more. */
static struct answer map_withdrawn(struct scene *scene)
{
	struct ioctl_gntalloc_dealloc_gref back = { .count = 1 };
	struct ioctl_gntalloc_alloc_gref grant;
	struct answer answer;
	int fd = open_gntalloc(&answer);

	if (fd < 0 || !grant_page(fd, scene->domain, &grant, &answer))
		return answer;
	back.index = grant.index;
	if (ioctl(fd, IOCTL_GNTALLOC_DEALLOC_GREF, &back))
		return answer_broken("cannot withdraw a grant: %s", strerror(errno));
	return map_grant(scene->domain, grant.gref_ids[0]);
}

/* Ours that was withdrawn, ours that was given to another, and those of the control domain. */
struct answer try_grant_not_given(struct scene *scene)
{
	struct answer answer = map_withdrawn(scene);

	if (answer.became == BECAME_REFUSED)
		answer = map_granted_to(scene, another(scene));
	if (scene->role == ROLE_CONTROL)
		return answer;
	for (uint32_t ref = 1; ref <= MANY && answer.became == BECAME_REFUSED; ref++)
		answer = map_grant(CONTROL_DOMAIN, ref);
	return answer;
}

static int open_event(struct answer *why)
{
	int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		*why = answer_unreached("/dev/xen/evtchn: %s", strerror(errno));
	return fd;
}

/* A channel of ours is offered to a domain, and then we bind to it. */
static struct answer bind_offered_to(struct scene *scene, uint32_t domain)
{
	struct ioctl_evtchn_bind_unbound_port offer = { .remote_domain = domain };
	struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = scene->domain };
	struct answer answer;
	int fd = open_event(&answer), offered, bound, error;

	if (fd < 0)
		return answer;
	offered = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &offer);
	if (offered < 0)
		return answer_broken("offering an event channel: %s", strerror(errno));
	bind.remote_port = (unsigned int)offered;
	bound = ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
	error = errno;
	close(fd);
	if (bound < 0)
		return answer_refused(error, "binding to the own event channel %d, offered to "
				      "domain %" PRIu32, offered, domain);
	return answer_done("event channel %d, offered to domain %" PRIu32 ", bound", offered,
			   domain);
}

/* Each domain may offer a channel, to itself at least, and bind to what it offered. */
static struct answer bind_own(struct scene *scene)
{
	struct answer answer;

	return role_knows_itself(scene, &answer) ? bind_offered_to(scene, scene->domain) : answer;
}

const struct door door_event = { "evtchn", bind_own };

/*
 * Whether a port waits for us: its domain is starting a device, say.  To bind would be our right, and
 * would take it from whoever was meant.  Only the control domain may ask.
 */
static bool is_offered_to_us(const struct privcmd *door, struct evtchn_status *status,
			     uint32_t domain, uint32_t port)
{
	*status = (struct evtchn_status){ .dom = (domid_t)domain, .port = port };
	return !privcmd_call(door, __HYPERVISOR_event_channel_op, EVTCHNOP_status,
			     (uintptr_t)status, 0, 0, 0) &&
	       status->status == EVTCHNSTAT_unbound && status->u.unbound.dom == CONTROL_DOMAIN;
}

/* The first ports of a domain, but for those that were offered to us if `door` can tell. */
static struct answer bind_to(uint32_t domain, const struct privcmd *door,
			     struct evtchn_status *status)
{
	struct answer answer = answer_unreached("all ports of domain %" PRIu32 " are offered to us",
						domain);
	int fd = open_event(&answer);

	for (uint32_t port = 1; port <= MANY && fd >= 0; port++) {
		struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = domain,
							      .remote_port = port };

		if (door && is_offered_to_us(door, status, domain, port))
			continue;
		if (ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind) >= 0) {
			answer = answer_done("bound to port %" PRIu32 " of domain %" PRIu32
					     ", which was not offered", port, domain);
			break;
		}
		answer = answer_refused(errno, "ports 1 to %d of domain %" PRIu32, MANY, domain);
	}
	if (fd >= 0)
		close(fd);
	return answer;
}

/* Ours that was offered to another, and those of another domain. */
struct answer try_event_not_offered(struct scene *scene)
{
	struct answer answer = bind_offered_to(scene, another(scene));
	struct evtchn_status *status;
	struct privcmd door;

	if (answer.became != BECAME_REFUSED || scene->role != ROLE_CONTROL)
		return answer.became == BECAME_REFUSED ? bind_to(CONTROL_DOMAIN, NULL, NULL) : answer;
	if (privcmd_open(&door))
		return answer_unreached("/dev/xen/privcmd cannot be opened, so nobody can tell which "
					"ports were offered");
	status = privcmd_buffer(&door, 1);
	if (!status)
		return answer_broken("no memory for a hypercall");
	return bind_to(scene->victim >= 0 ? (uint32_t)scene->victim : CONTROL_DOMAIN, &door, status);
}

#include "guest.h"

#include <stdbool.h>

#include "../freestanding.h"
#include "clock.h"
#include "console.h"
#include "control.h"
#include "guest_image.h"
#include "hypercall.h"
#include "memory.h"

#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define GUEST_ID 1
#define VCPUS 2	/* the second one is never started: what is asked about it is known */
#define LOOK_EVERY_NS 2000000
#define MEMORY_SLACK_KB 1024

static struct xen_domctl operation;
static xen_pfn_t frames[GUEST_MOST_PAGES];

static struct xen_domctl *begin(uint32_t command)
{
	memset(&operation, 0, sizeof(operation));
	operation.cmd = command;
	operation.domain = GUEST_ID;
	return &operation;
}

static long create(void)
{
	struct xen_domctl *o = begin(XEN_DOMCTL_createdomain);

	o->u.createdomain.max_vcpus = VCPUS;
	o->u.createdomain.max_evtchn_port = 1023;
	o->u.createdomain.max_grant_frames = -1;
	o->u.createdomain.max_maptrack_frames = 1;	/* so few that those which are lost run out */
	o->u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(2);
	return control_domain(o);
}

static long set_limits(size_t pages)
{
	struct xen_domctl *o = begin(XEN_DOMCTL_max_mem);
	long status;

	o->u.max_mem.max_memkb = (pages << PAGE_SHIFT) / 1024 + MEMORY_SLACK_KB;
	status = control_domain(o);
	if (status)
		return status;
	o = begin(XEN_DOMCTL_max_vcpus);
	o->u.max_vcpus.max = VCPUS;
	return control_domain(o);
}

static bool populate(size_t pages)
{
	struct xen_memory_reservation reservation = { .nr_extents = pages, .domid = GUEST_ID };

	for (size_t i = 0; i < pages; i++)
		frames[i] = i;
	set_xen_guest_handle(reservation.extent_start, frames);
	return hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap,
			  (unsigned long)&reservation) == (long)pages;
}

static long read_information(struct xen_domctl_getdomaininfo *information)
{
	struct xen_domctl *o = begin(XEN_DOMCTL_getdomaininfo);
	long status = control_domain(o);

	*information = o->u.getdomaininfo;
	return status;
}

static long start(void)
{
	static struct vcpu_guest_context context;
	struct xen_domctl *o = begin(XEN_DOMCTL_setvcpucontext);
	long status;

	guest_image_context(&context, frames);
	set_xen_guest_handle(o->u.vcpucontext.ctxt, &context);
	status = control_domain(o);
	return status ? status : control_domain(begin(XEN_DOMCTL_unpausedomain));
}

static void forward(struct xencons_interface *ring)
{
	XENCONS_RING_IDX given = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);
	char text[sizeof(ring->out)];
	size_t size = 0;

	while (ring->out_cons + size != given && size < sizeof(text)) {
		text[size] = ring->out[MASK_XENCONS_IDX(ring->out_cons + size, ring->out)];
		size++;
	}
	__atomic_store_n(&ring->out_cons, ring->out_cons + size, __ATOMIC_RELEASE);
	if (size)
		console_write(text, size);
}

static void sleep_a_little(void)
{
	struct sched_poll poll = { .timeout = clock_ns() + LOOK_EVERY_NS };

	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, (unsigned long)&poll);
}

static const char *listen(struct xencons_interface *ring)
{
	struct xen_domctl_getdomaininfo information;

	do {
		sleep_a_little();
		if (read_information(&information))
			return "the guest is gone";
		forward(ring);
	} while (!(information.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)));
	if (information.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask)
		return "the guest crashed";
	return NULL;
}

const char *guest_run(const char *command_line)
{
	struct xen_domctl_getdomaininfo information;
	struct guest_window window = { .page = pages_take(1), .domain = GUEST_ID };
	size_t pages = guest_image_pages();

	if (!window.page || pages > GUEST_MOST_PAGES)
		return "the guest's image is too big";
	if (create())
		return "Xen creates no domain for a guest";
	if (set_limits(pages) || !populate(pages))
		return "Xen gives the guest no memory";
	if (read_information(&information))
		return "the guest that was created does not exist";
	if (!guest_image_write(&window, frames, information.shared_info_frame, command_line))
		return "the guest's memory cannot be written";
	if (start())
		return "Xen does not start the guest";
	if (page_map_foreign(window.page, frames[GUEST_CONSOLE_PAGE], GUEST_ID))
		return "the guest's console cannot be mapped";
	return listen(window.page);
}

/* What machine this is, asked before anything else; and the proof that the door is open. */
#include "exits.h"
#include "domctl.h"
#include "sysctl.h"

#define VERSIONS 256u
#define MOST_VCPUS 8192u
#define MOST_PORTS (1u << 17)
#define MOST_INTERRUPTS (1u << 16)

static long try_version(struct run *run, unsigned int hypercall, uint32_t version)
{
	struct xen_domctl *d = domctl_aside_structure(run);

	memset(d, 0, sizeof(*d));
	d->interface_version = version;
	d->domain = DOMID_INVALID;
	return aside(run, hypercall, (uintptr_t)d, 0, 0);
}

/*
 * A wrong version is refused before the privilege is looked at, so guests can ask, too.
 * The command is one that does not exist.  0: no version is accepted.
 */
static uint32_t probe_version(struct run *run, unsigned int hypercall, uint32_t first)
{
	if (try_version(run, hypercall, UINT32_MAX) != ERR(EACCES))
		return 0;
	for (uint32_t version = first; version < first + VERSIONS; version++)
		if (try_version(run, hypercall, version) != ERR(EACCES))
			return version;
	return 0;
}

static uint32_t features(struct run *run)
{
	struct xen_feature_info *info = (void *)(run->door->arena + ARENA_ASIDE);

	info->submap_idx = 0;
	info->submap = 0;
	aside(run, __HYPERVISOR_xen_version, XENVER_get_features, (uintptr_t)info, 0);
	return info->submap;
}

static uint32_t read_scheduler(struct run *run)
{
	struct xen_sysctl *s = sysctl_begin(run, XEN_SYSCTL_sched_id);

	return sysctl_ask(run, s) ? 0 : s->u.sched_id.sched_id;
}

static long ask_power(struct run *run, uint32_t type)
{
	struct xen_sysctl *s = sysctl_begin(run, XEN_SYSCTL_get_pmstat);

	s->u.get_pmstat.type = type;
	return sysctl_ask(run, s);
}

/* Without lists to write to nothing is told but how long they are, if there are any. */
static long ask_frequencies(struct run *run)
{
	struct xen_sysctl *s = sysctl_begin(run, XEN_SYSCTL_pm_op);
	long result;

	s->u.pm_op.cmd = GET_CPUFREQ_PARA;
	result = sysctl_ask(run, s);
	return result == ERR(EAGAIN) ? 0 : result;
}

static long count_livepatches(struct run *run)
{
	struct xen_sysctl *s = sysctl_begin(run, XEN_SYSCTL_livepatch_op);
	long result;

	s->u.livepatch.cmd = XEN_SYSCTL_LIVEPATCH_LIST;
	result = sysctl_ask(run, s);
	return result ? result : (long)s->u.livepatch.u.list.nr;
}

/* What Xen does on its own, or was built for. */
static void read_abilities(struct run *run)
{
	struct machine *m = &run->machine;

	m->idle_states = ask_power(run, PMSTAT_get_max_cx);
	m->speeds = ask_power(run, PMSTAT_get_max_px);
	m->frequencies = ask_frequencies(run);
	m->livepatches = count_livepatches(run);
}

static bool read_physinfo(struct run *run)
{
	struct machine *m = &run->machine;
	const struct xen_sysctl_physinfo *info = physinfo_read(run);

	if (!info)
		return false;
	m->pv_guests = info->capabilities & XEN_SYSCTL_PHYSCAP_pv;
	m->hvm = info->capabilities & XEN_SYSCTL_PHYSCAP_hvm;
	m->hap = info->capabilities & XEN_SYSCTL_PHYSCAP_hap;
	m->shadow = info->capabilities & XEN_SYSCTL_PHYSCAP_shadow;
	m->iommu = info->capabilities & XEN_SYSCTL_PHYSCAP_directio;
	m->vpmu = info->capabilities & XEN_SYSCTL_PHYSCAP_vpmu;
	m->vmtrace = info->capabilities & XEN_SYSCTL_PHYSCAP_vmtrace;
	m->processors = info->max_cpu_id + 1;
	m->online = info->nr_cpus;
	m->nodes = info->nr_nodes;
	m->most_nodes = info->max_node_id + 1;
	m->total_pages = info->total_pages;
	m->scheduler = read_scheduler(run);
	read_abilities(run);
	return true;
}

const struct xen_sysctl_physinfo *physinfo_read(struct run *run)
{
	struct xen_sysctl *s = sysctl_begin(run, XEN_SYSCTL_physinfo);

	if (sysctl_ask(run, s))
		return NULL;
	return &s->u.physinfo;
}

/* The machine that a dry run is told about: domain 0 of an emulated PC. */
static void assume(struct run *run)
{
	run->machine = (struct machine){
		.release = run->plan.release ? run->plan.release : RELEASE(4, 17),
		.reported = run->plan.release ? run->plan.release : RELEASE(4, 17),
		.domctl_version = XEN_DOMCTL_INTERFACE_VERSION,
		.sysctl_version = XEN_SYSCTL_INTERFACE_VERSION,
		.platform_version = XENPF_INTERFACE_VERSION,
		.control = run->plan.role != ROLE_GUEST,
		.hardware = run->plan.role != ROLE_GUEST,
		.pv = true, .pv_guests = true, .hvm = true, .hap = true, .shadow = true,
		.scheduler = XEN_SCHEDULER_CREDIT2, .processors = 2, .online = 2, .nodes = 1,
		.most_nodes = 64,
		.domid = run->plan.role == ROLE_GUEST, .vcpus = 2, .pirqs = 256,
		.grant_frames = 64,
	};
}

static int refuse(struct run *run, int status, const char *why)
{
	struct text t;

	text_begin(&t, run->outcome.reason, sizeof(run->outcome.reason));
	text_add(&t, why);
	return status;
}

/* Our number: that of the domain for which a port of ours waits when it waits for ourselves. */
static bool find_number(struct run *run)
{
	union {
		struct evtchn_alloc_unbound alloc;
		struct evtchn_status status;
		struct evtchn_close close;
	} *port = (void *)(run->door->arena + ARENA_ASIDE);
	const unsigned int hypercall = __HYPERVISOR_event_channel_op;
	uint32_t number;
	long result;

	port->alloc = (struct evtchn_alloc_unbound){ .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	if (aside(run, hypercall, EVTCHNOP_alloc_unbound, (uintptr_t)port, 0))
		return false;
	number = port->alloc.port;
	port->status = (struct evtchn_status){ .dom = DOMID_SELF, .port = number };
	result = aside(run, hypercall, EVTCHNOP_status, (uintptr_t)port, 0);
	run->machine.domid = port->status.u.unbound.dom;
	port->close.port = number;
	return !aside(run, hypercall, EVTCHNOP_close, (uintptr_t)port, 0) && !result;
}

static bool uses_ports(struct run *run)
{
	struct evtchn_status *s = (void *)(run->door->arena + ARENA_ASIDE);
	long result;

	for (uint32_t port = 1; port < MOST_PORTS; port++) {
		*s = (struct evtchn_status){ .dom = DOMID_SELF, .port = port };
		result = aside(run, __HYPERVISOR_event_channel_op, EVTCHNOP_status,
			       (uintptr_t)s, 0);
		if (result == ERR(EINVAL))
			return false;
		if (result || s->status != EVTCHNSTAT_closed)
			return true;
	}
	return false;
}

static uint32_t count_processors(struct run *run)
{
	uint32_t count = 0;

	while (count < MOST_VCPUS &&
	       aside(run, __HYPERVISOR_vcpu_op, VCPUOP_is_up, count, 0) >= 0)
		count++;
	return count;
}

/* Each up to the last may be asked about. */
static uint32_t count_interrupts(struct run *run)
{
	struct physdev_irq_status_query *query = (void *)(run->door->arena + ARENA_ASIDE);
	uint32_t low = 0, high = MOST_INTERRUPTS;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		query->irq = middle;
		if (aside(run, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query,
			  (uintptr_t)query, 0))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint32_t read_grant_frames(struct run *run)
{
	struct gnttab_query_size *q = (void *)(run->door->arena + ARENA_ASIDE);

	*q = (struct gnttab_query_size){ .dom = DOMID_SELF };
	aside(run, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, (uintptr_t)q, 1);
	return q->max_nr_frames;
}

/* A number where none belongs is refused only where there is such a thing at all. */
static bool has_argo(struct run *run)
{
	uint64_t arguments[5] = { XEN_ARGO_OP_unregister_ring, 0, 0, 1, 0 };

	run->outcome.hypercalls++;
	return run->door->hypercall(run->door, __HYPERVISOR_argo_op, arguments) == ERR(EINVAL);
}

/* A version that no release has is refused only where there is such a thing at all. */
static long ask_views(struct run *run)
{
	struct xen_hvm_altp2m_op *a = memset(run->door->arena + ARENA_ASIDE, 0, sizeof(*a));
	long result = aside(run, __HYPERVISOR_hvm_op, HVMOP_altp2m, (uintptr_t)a, 0);

	return result == ERR(EINVAL) ? 0 : ERR(EOPNOTSUPP);
}

static bool version_is(struct run *run, unsigned int hypercall, uint32_t found, uint32_t built)
{
	return !found || try_version(run, hypercall, built) != ERR(EACCES);
}

/*
 * With another version structures may be laid out in another way: every answer would be a riddle.
 * The platform's has not changed in twenty years.
 */
static int compare_versions(struct run *run)
{
	const struct machine *m = &run->machine;
	struct text t;

	if (version_is(run, __HYPERVISOR_domctl, m->domctl_version,
		       XEN_DOMCTL_INTERFACE_VERSION) &&
	    version_is(run, __HYPERVISOR_sysctl, m->sysctl_version, XEN_SYSCTL_INTERFACE_VERSION))
		return EXIT_PASS;
	text_begin(&t, run->outcome.reason, sizeof(run->outcome.reason));
	text_format(&t, "this Xen's domctl is of version %x and its sysctl of %x; xenfc was built "
		    "with headers of %x and %x: build it with XEN_HEADERS of that tree",
		    m->domctl_version, m->sysctl_version, XEN_DOMCTL_INTERFACE_VERSION,
		    XEN_SYSCTL_INTERFACE_VERSION);
	return EXIT_SKIP;
}

/* Never from what is allowed: to a Xen that refuses nothing every guest would be one of control. */
static int find_role(struct run *run)
{
	struct machine *m = &run->machine;
	uint32_t map = features(run);
	bool allowed = read_physinfo(run);

	m->hardware = map >> XENFEAT_dom0 & 1;
	m->pv = !(map >> XENFEAT_auto_translated_physmap & 1);
	m->control = run->plan.role == ROLE_ASK ? m->hardware : run->plan.role == ROLE_CONTROL;
	m->vcpus = count_processors(run);
	m->pirqs = count_interrupts(run);
	m->grant_frames = read_grant_frames(run);
	m->argo = has_argo(run);
	m->views = ask_views(run);
	if (!find_number(run))
		return refuse(run, EXIT_ERROR, "an event channel of our own cannot be made, or not "
			      "be asked about: our number is not known");
	if (m->control && !allowed)
		return refuse(run, EXIT_FAIL, "sysctl was refused, although this is the control "
			      "domain");
	m->has_ports = uses_ports(run);
	if (!m->control && allowed)
		return refuse(run, EXIT_FAIL, "sysctl was allowed, although this is an "
			      "unprivileged guest");
	return EXIT_PASS;
}

/* No domain may have a number that this run makes domains with. */
static int look_for_others(struct run *run)
{
	struct xen_domctl *d = domctl_aside_structure(run);

	for (uint16_t id = DOMID_NOBODY_FIRST; id <= DOMID_RUNNING; id++) {
		memset(d, 0, sizeof(*d));
		if (domctl_aside(run, XEN_DOMCTL_getdomaininfo, id)) {
			if (run->machine.release < RELEASE(4, 18))
				return EXIT_PASS;
			continue;
		}
		if (d->domain <= DOMID_RUNNING)
			return refuse(run, EXIT_ERROR, "a domain with a number from 20000 to 30008 "
				      "exists, maybe left by a run that was killed; destroy it "
				      "(xl destroy NUMBER) and run again");
	}
	return EXIT_PASS;
}

static int probe_release(struct run *run)
{
	long version = aside(run, __HYPERVISOR_xen_version, XENVER_version, 0, 0);

	if (version == ERR(EPERM))
		return refuse(run, EXIT_SKIP, "even xen_version is refused (EPERM), which Xen "
			      "refuses nobody: Linux stops all hypercalls of its user space here "
			      "(since XSA-482; load xen_privcmd with unrestricted=1, or boot "
			      "xenfc.elf as the guest)");
	if (version <= 0)
		return refuse(run, EXIT_SKIP, "no hypercall gets through: xen_version failed; is "
			      "this a Xen domain?");
	run->machine.reported = (unsigned int)version;
	run->machine.release = run->plan.release ? run->plan.release : (unsigned int)version;
	return EXIT_PASS;
}

int probe(struct run *run)
{
	struct machine *m = &run->machine;
	int status;

	if (run->plan.dry_run) {
		assume(run);
		return EXIT_PASS;
	}
	status = probe_release(run);
	if (status != EXIT_PASS)
		return status;
	m->domctl_version = probe_version(run, __HYPERVISOR_domctl, 0);
	m->sysctl_version = probe_version(run, __HYPERVISOR_sysctl, 0);
	m->platform_version = probe_version(run, __HYPERVISOR_platform_op, 0x03000000);
	status = find_role(run);
	if (status == EXIT_PASS && m->control)
		status = compare_versions(run);
	if (status == EXIT_PASS && m->control)
		status = look_for_others(run);
	return status;
}

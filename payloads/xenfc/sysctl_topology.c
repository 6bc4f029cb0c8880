/* sysctl: what is told about processors, nodes and devices, one entry each. */
#include "sysctl.h"

#define NO_SEGMENT 0xffffu	/* of PCI */

static void generate_cpuinfo(struct call *call)
{
	struct xen_sysctl_getcpuinfo *c = &sysctl_of(call)->u.getcpuinfo;
	uint32_t processors = call->run->machine.processors;

	c->max_cpus = sysctl_draw_count(call, processors);
	buffer_take(call, &c->info, smaller(processors, 512) * sizeof(xen_sysctl_cpuinfo_t), true,
		    false);
}

static void expect_cpuinfo(struct call *call)
{
	const struct xen_sysctl_getcpuinfo *c = &sysctl_of(call)->u.getcpuinfo;

	sysctl_expect_filled(call, &c->info, smaller(c->max_cpus, call->run->machine.processors),
			     sizeof(xen_sysctl_cpuinfo_t));
}

static void generate_topology(struct call *call)
{
	struct xen_sysctl_cputopoinfo *t = &sysctl_of(call)->u.cputopoinfo;
	uint32_t processors = call->run->machine.processors;

	t->num_cpus = sysctl_draw_count(call, processors);
	call->note = (long)t->num_cpus;
	buffer_take(call, &t->cputopo, smaller(processors, 512) * sizeof(struct xen_sysctl_cputopo),
		    true, true);
}

static void expect_topology(struct call *call)
{
	const struct xen_sysctl_cputopoinfo *t = &sysctl_of(call)->u.cputopoinfo;

	if (!handle_value(&t->cputopo))
		expect_only(call, 0);
	else
		sysctl_expect_filled(call, &t->cputopo,
				     smaller(t->num_cpus, call->run->machine.processors),
				     sizeof(struct xen_sysctl_cputopo));
}

/* Of what was asked for as many as there are; of nothing, how many there are. */
static void check_count(struct call *call, bool asked, uint32_t told, uint32_t most)
{
	uint32_t right = asked ? smaller((uint32_t)call->note, most) : most;

	if (!call->result && told != right)
		call_wrong(call, "%u were told, expected %u", told, right);
}

static void check_list(struct call *call, const struct area *area, const void *handle,
		       uint64_t bytes)
{
	if (!call->result)
		check_rest(call, area, handle_value(handle), bytes);
}

/* The entries of a list that were told to where they belong; NULL: it may have gone elsewhere. */
static const void *told_list(const struct call *call, const struct area *area, const void *handle)
{
	return !call->result && handle_value(handle) == area_sure(area) ? area->at : NULL;
}

/* Every processor that is there has a socket (not always a core); with only one node it is of that one. */
static void check_places(struct call *call, const struct xen_sysctl_cputopo *told, uint32_t count)
{
	const struct machine *m = &call->run->machine;

	for (uint32_t i = 0; told && i < count && m->online == m->processors; i++)
		if (told[i].socket == XEN_INVALID_SOCKET_ID || (m->nodes == 1 && told[i].node))
			call_wrong(call, "processor %u is told to be of socket %u, on node %u", i,
				   told[i].socket, told[i].node);
}

static void after_topology(struct call *call)
{
	const struct xen_sysctl_cputopoinfo *t = &sysctl_of(call)->u.cputopoinfo;

	check_places(call, told_list(call, &call->areas[1], &t->cputopo), t->num_cpus);

	check_count(call, handle_value(&t->cputopo), t->num_cpus, call->run->machine.processors);
	check_list(call, &call->areas[1], &t->cputopo,
		   t->num_cpus * sizeof(struct xen_sysctl_cputopo));
}

static void after_cpuinfo(struct call *call)
{
	const struct xen_sysctl_getcpuinfo *c = &sysctl_of(call)->u.getcpuinfo;

	call->note = (long)c->max_cpus;
	check_count(call, true, c->nr_cpus, call->run->machine.processors);
	check_list(call, &call->areas[1], &c->info, c->nr_cpus * sizeof(xen_sysctl_cpuinfo_t));
}

static void generate_numa(struct call *call)
{
	struct xen_sysctl_numainfo *n = &sysctl_of(call)->u.numainfo;
	uint32_t nodes = smaller(call->run->machine.nodes, 32);

	n->num_nodes = sysctl_draw_count(call, nodes);
	call->note = (long)n->num_nodes;
	buffer_take(call, &n->meminfo, nodes * sizeof(struct xen_sysctl_meminfo), true, false);
	buffer_take(call, &n->distance, nodes * nodes * sizeof(uint32_t), true, true);
}

static void expect_numa(struct call *call)
{
	const struct xen_sysctl_numainfo *n = &sysctl_of(call)->u.numainfo;
	uint32_t nodes = smaller(n->num_nodes, call->run->machine.nodes);
	uint64_t memory = handle_value(&n->meminfo), distance = handle_value(&n->distance);
	bool fine = (!memory || reachable(call, memory, nodes * sizeof(struct xen_sysctl_meminfo)))
		&& (!distance || reachable(call, distance, nodes * nodes * sizeof(uint32_t)));

	expect_only(call, fine || !nodes ? 0 : ERR(EFAULT));
}

/* A huge domain that died gives back much between two questions, but not twice. */
static uint64_t memory_of_node_again(struct call *call)
{
	struct xen_sysctl_meminfo *m = (void *)(call->run->door->arena + ARENA_ASIDE + DOOR_PAGE);
	struct xen_sysctl *s = sysctl_begin(call->run, SYSCTL(numainfo));
	uint64_t address = (uintptr_t)memset(m, 0, sizeof(*m)), memfree;

	s->u.numainfo.num_nodes = 1;
	memcpy(&s->u.numainfo.meminfo, &address, sizeof(address));
	sysctl_ask(call->run, s);
	memfree = m->memfree;
	memset(m, ARENA_BACKGROUND, sizeof(*m));
	return memfree;
}

/* What the only node has and what of it is free is what the whole machine has. */
static void check_node(struct call *call, const struct xen_sysctl_meminfo *told,
		       const uint32_t *distance)
{
	uint64_t free = sysctl_free_pages(call), bytes = SLACK_PAGES * DOOR_PAGE, memfree;

	if (distance && (*distance < 1 || *distance > UINT8_MAX))
		call_wrong(call, "the distance of a node to itself is %u", *distance);
	if (!told)
		return;
	if (told->memsize < call->run->machine.total_pages * DOOR_PAGE)
		call_wrong(call, "the only node has %lu bytes, the machine %lu pages",
			   (uint64_t)told->memsize, call->run->machine.total_pages);
	memfree = told->memfree;
	if (free && memfree + bytes < free * DOOR_PAGE) {
		memfree = memory_of_node_again(call);
		free = sysctl_free_pages(call);
	}
	if (free && (memfree > free * DOOR_PAGE + bytes || memfree + bytes < free * DOOR_PAGE))
		call_wrong(call, "%lu bytes of the only node are free, of the machine %lu",
			   memfree, free * DOOR_PAGE);
}

/* Nodes may have numbers that are left out. */
static void after_numa(struct call *call)
{
	const struct xen_sysctl_numainfo *n = &sysctl_of(call)->u.numainfo;

	if (call->run->machine.nodes == 1 && n->num_nodes)
		check_node(call, told_list(call, &call->areas[1], &n->meminfo),
			   told_list(call, &call->areas[2], &n->distance));

	if (call->run->machine.nodes == 1)
		check_count(call, handle_value(&n->meminfo) || handle_value(&n->distance),
			    n->num_nodes, 1);
	check_list(call, &call->areas[1], &n->meminfo,
		   n->num_nodes * sizeof(struct xen_sysctl_meminfo));
	check_list(call, &call->areas[2], &n->distance,
		   n->num_nodes * n->num_nodes * sizeof(uint32_t));
}

static void generate_pci(struct call *call)
{
	struct xen_sysctl_pcitopoinfo *t = &sysctl_of(call)->u.pcitopoinfo;
	uint32_t devices = 1 + (uint32_t)draw(call, 40);
	struct area *in = buffer_take(call, &t->devs, devices * sizeof(physdev_pci_device_t), false,
				      false);

	/* Mostly the first bus, where something is. */
	for (uint32_t i = 0; i < devices && chance(call, 90); i++) {
		physdev_pci_device_t device = { .devfn = (uint8_t)draw(call, 256) };

		/* Or where nothing can be. */
		if (chance(call, 20))
			device.seg = NO_SEGMENT;

		memcpy(in->at + i * sizeof(device), &device, sizeof(device));
	}
	t->num_devs = devices;
	buffer_take(call, &t->nodes, devices * sizeof(uint32_t), true, true);
}

static void expect_pci(struct call *call)
{
	const struct xen_sysctl_pcitopoinfo *t = &sysctl_of(call)->u.pcitopoinfo;
	uint64_t devices = handle_value(&t->devs), nodes = handle_value(&t->nodes);

	if (!devices || !nodes)
		expect_only(call, ERR(EINVAL));
	else if (t->num_devs &&
		 (!reachable(call, devices, t->num_devs * sizeof(physdev_pci_device_t)) ||
		  !reachable(call, nodes, t->num_devs * sizeof(uint32_t))))
		expect_only(call, ERR(EFAULT));
	else
		expect_only(call, 0);
}

/* Of those in between it is not known whether they are there. */
static void check_devices(struct call *call, const physdev_pci_device_t *devices,
			  const uint32_t *nodes, uint32_t count)
{
	const struct machine *m = &call->run->machine;

	for (uint32_t i = 0; devices && nodes && i < count; i++) {
		bool absent = nodes[i] == XEN_INVALID_DEV;

		if (devices[i].seg == NO_SEGMENT && !absent)
			call_wrong(call, "a device that is not there is on node %u", nodes[i]);
		if (!absent && nodes[i] != XEN_INVALID_NODE_ID && m->nodes == 1 && nodes[i])
			call_wrong(call, "a device is on node %u of one", nodes[i]);
	}
}

static void after_pci(struct call *call)
{
	const struct xen_sysctl_pcitopoinfo *t = &sysctl_of(call)->u.pcitopoinfo;

	check_devices(call, told_list(call, &call->areas[1], &t->devs),
		      told_list(call, &call->areas[2], &t->nodes), t->num_devs);
	check_list(call, &call->areas[2], &t->nodes, t->num_devs * sizeof(uint32_t));
}

static const struct field cpuinfo_fields[] = {
	SYSCTL_FIELD(getcpuinfo.max_cpus, FLOW_IN),
	SYSCTL_FIELD(getcpuinfo.nr_cpus, FLOW_OUT),
	FIELDS_END,
};

static const struct field topology_fields[] = {
	SYSCTL_FIELD(cputopoinfo.num_cpus, FLOW_INOUT),
	FIELDS_END,
};

static const struct field numa_fields[] = {
	SYSCTL_FIELD(numainfo.num_nodes, FLOW_INOUT),
	FIELDS_END,
};

static const struct field pci_fields[] = {
	SYSCTL_FIELD(pcitopoinfo.num_devs, FLOW_INOUT),
	FIELDS_END,
};

const struct operation sysctl_topology[] = {
	SYSCTL_READS(getcpuinfo, cpuinfo_fields, generate_cpuinfo, expect_cpuinfo, after_cpuinfo),
	SYSCTL_READS(cputopoinfo, topology_fields, generate_topology, expect_topology,
	      after_topology),
	SYSCTL_READS(numainfo, numa_fields, generate_numa, expect_numa, after_numa),
	SYSCTL_READS(pcitopoinfo, pci_fields, generate_pci, expect_pci, after_pci),
};
const size_t sysctl_topology_count = COUNT(sysctl_topology);

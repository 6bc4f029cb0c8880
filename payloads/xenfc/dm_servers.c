/* dm_op: servers of I/O requests, from their making to their end. */
#include "dm.h"

#define NO_SERVER 1000u
#define MOST_SERVERS 8u	/* of a domain */
#define KINDS 3u	/* of ranges */

static void expect_no_server(struct call *call)
{
	if (!dm_padded(call))
		expect_only(call, ERR(ENOENT));
}

static void generate_create(struct call *call)
{
	struct xen_dm_op_create_ioreq_server *c = &dm_of(call)->u.create_ioreq_server;

	c->handle_bufioreq = (uint8_t)draw_mostly(call, 90, 4);
	c->pad[draw(call, COUNT(c->pad))] = chance(call, 10);
}

static void expect_create(struct call *call)
{
	const struct xen_dm_op_create_ioreq_server *c = &dm_of(call)->u.create_ioreq_server;
	bool wrong = c->pad[0] || c->pad[1] || c->pad[2] ||
		c->handle_bufioreq > HVM_IOREQSRV_BUFIOREQ_ATOMIC;

	if (dm_padded(call))
		return;
	expect_only(call, wrong ? ERR(EINVAL) : 0);
	/* Each processor needs a port for it. */
	if (!wrong)
		expect_also(call, ERR(ENOSPC));
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s a server of requests gave %ld, expected %ld", what, result,
			   expected);
}

static void range(struct call *call, uint32_t command, uint16_t id, uint32_t kind, uint64_t start,
		  uint64_t end, long expected)
{
	struct xen_dm_op_ioreq_server_range *r =
		&dm_aside_structure(call)->u.map_io_range_to_ioreq_server;

	*r = (struct xen_dm_op_ioreq_server_range){
		.id = id, .type = kind, .start = start, .end = end,
	};
	must(call, command == XEN_DMOP_map_io_range_to_ioreq_server ? "giving a range to" :
	     "taking a range from", dm_aside(call, command), expected);
}

/* Ranges are whole: what overlaps is refused, and what was never given cannot be taken. */
static void live_with_ranges(struct call *call, uint16_t id)
{
	const uint32_t map = XEN_DMOP_map_io_range_to_ioreq_server;
	const uint32_t unmap = XEN_DMOP_unmap_io_range_from_ioreq_server;
	uint32_t kind = (uint32_t)draw(call, KINDS);
	uint64_t start = draw_interesting(call, 63), end = start + draw(call, 1u << 20);

	range(call, map, id, kind, start, end, 0);
	range(call, map, id, kind, end, end, ERR(EEXIST));
	range(call, map, id, kind, end + 1, end, ERR(EINVAL));
	range(call, map, id, KINDS + kind, start, end, ERR(EINVAL));
	range(call, map, NO_SERVER, kind, start, end, ERR(ENOENT));
	range(call, unmap, id, kind, end + 1, end + 1, ERR(ENOENT));
	range(call, unmap, id, kind, start, end + 1, ERR(ENOENT));
	if (start) {
		range(call, map, id, kind, start - 1, start, ERR(EEXIST));
		range(call, unmap, id, kind, start - 1, end, ERR(ENOENT));
	}
	range(call, unmap, id, kind, start, end, 0);
	range(call, unmap, id, kind, start, end, ERR(ENOENT));
	range(call, map, id, kind, start, end, 0);
}

static void set_state(struct call *call, uint16_t id, uint8_t enabled, long expected)
{
	struct xen_dm_op_set_ioreq_server_state *s =
		&dm_aside_structure(call)->u.set_ioreq_server_state;

	s->id = id;
	s->enabled = enabled;
	must(call, "switching", dm_aside(call, XEN_DMOP_set_ioreq_server_state), expected);
}

static void ask(struct call *call, uint16_t id, uint16_t flags, long expected)
{
	struct xen_dm_op_get_ioreq_server_info *g =
		&dm_aside_structure(call)->u.get_ioreq_server_info;

	g->id = id;
	g->flags = flags;
	must(call, "asking about", dm_aside(call, XEN_DMOP_get_ioreq_server_info), expected);
}

static uint64_t acquire(struct call *call, uint32_t id, uint64_t frame, long expected)
{
	struct xen_mem_acquire_resource *r =
		memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*r));
	xen_pfn_t *told = (void *)(r + 1);

	r->domid = call->domain->id;
	r->type = XENMEM_resource_ioreq_server;
	r->id = id;
	r->frame = frame;
	r->nr_frames = 1;
	set_xen_guest_handle(r->frame_list, told);
	*told = 0;
	must(call, "having a page of", aside(call->run, __HYPERVISOR_memory_op,
					     XENMEM_acquire_resource, (uintptr_t)r, 0), expected);
	return *told;
}

/* One for what is buffered, one for what is not; of this server, not of one of a similar number. */
static void have_pages(struct call *call, uint16_t id)
{
	bool buffers = dm_of(call)->u.create_ioreq_server.handle_bufioreq;
	uint64_t first = acquire(call, id, XENMEM_resource_ioreq_server_frame_bufioreq,
				 buffers ? 0 : ERR(ENOENT));
	uint64_t second = acquire(call, id, XENMEM_resource_ioreq_server_frame_ioreq(0), 0);

	if (!second || (buffers && (!first || first == second)))
		call_wrong(call, "pages of a server are %lx and %lx", first, second);
	if (acquire(call, id, XENMEM_resource_ioreq_server_frame_ioreq(0), 0) != second)
		call_wrong(call, "a page of a server is another one when it is asked for twice");
	acquire(call, id, 2 + draw_interesting(call, 31), ERR(EINVAL));
	acquire(call, id | 1u << 16, XENMEM_resource_ioreq_server_frame_ioreq(0), ERR(EINVAL));
	acquire(call, NO_SERVER, XENMEM_resource_ioreq_server_frame_ioreq(0), ERR(ENOENT));
}

static void destroy(struct call *call, uint16_t id, long expected)
{
	dm_aside_structure(call)->u.destroy_ioreq_server.id = id;
	must(call, "destroying", dm_aside(call, XEN_DMOP_destroy_ioreq_server), expected);
}

/* Fewer where their ports are too many for the domain. */
static void fill_up(struct call *call)
{
	uint16_t ids[MOST_SERVERS + 1];
	unsigned int count = 0;
	long result = 0;

	while (!result && count <= MOST_SERVERS) {
		struct xen_dm_op *o = dm_aside_structure(call);

		result = dm_aside(call, XEN_DMOP_create_ioreq_server);
		if (!result)
			ids[count++] = o->u.create_ioreq_server.id;
	}
	must(call, "one more than there may be of", result, ERR(ENOSPC));
	while (count--)
		destroy(call, ids[count], 0);
}

/* Ports of the domain that belong to Xen: nobody is told about them. */
static uint32_t ports_of_xen(struct call *call)
{
	struct evtchn_status *s = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint32_t count = 0;
	long result;

	for (uint32_t port = 1; port < MODEL_PORTS; port++) {
		*s = (struct evtchn_status){ .dom = call->domain->id, .port = port };
		result = aside(call->run, __HYPERVISOR_event_channel_op, EVTCHNOP_status,
			       (uintptr_t)s, 0);
		if (since(call, RELEASE(4, 19)))
			count += !result && s->status != EVTCHNSTAT_closed &&
				call->domain->ports[port].state == PORT_FREE;
		else
			count += result == ERR(EACCES);
	}
	return count;
}

static uint32_t free_ports(const struct domain_model *domain)
{
	uint32_t count = 0;

	for (uint32_t port = 1; port < MODEL_PORTS; port++)
		count += domain->ports[port].state == PORT_FREE;
	return count;
}

/* One for each processor, and the first has another for what is buffered; some may not be made yet. */
static void check_ports(struct call *call, bool served)
{
	bool buffers = dm_of(call)->u.create_ioreq_server.handle_bufioreq;
	uint32_t ports = served ? call->domain->max_vcpus + buffers : 0, told;

	if (!call->domain->has_vcpus || ports > free_ports(call->domain))
		return;
	told = ports_of_xen(call);
	if (told != ports)
		call_wrong(call, "%u ports of a domain are Xen's, expected %u", told, ports);
}

static void after_create(struct call *call)
{
	uint16_t id = dm_of(call)->u.create_ioreq_server.id;

	if (call->result || !call->domain)
		return;
	check_ports(call, true);
	ask(call, id, XEN_DMOP_no_gfns, 0);
	ask(call, id, (uint16_t)(2u << draw(call, 15)), ERR(EINVAL));
	live_with_ranges(call, id);
	set_state(call, id, 1, 0);
	set_state(call, id, 0, 0);
	if (!call->domain->claimed)	/* what is claimed would be used up by them */
		have_pages(call, id);
	destroy(call, id, 0);
	check_ports(call, false);
	destroy(call, id, ERR(ENOENT));
	set_state(call, id, 1, ERR(ENOENT));
	if (chance(call, 10))
		fill_up(call);
}

/* The number of a server is the first word of all that name one. */
static void generate_number(struct call *call)
{
	dm_of(call)->u.get_ioreq_server_info.id = (uint16_t)draw_interesting(call, 16);
}

static void generate_range(struct call *call)
{
	struct xen_dm_op_ioreq_server_range *r = &dm_of(call)->u.map_io_range_to_ioreq_server;

	generate_number(call);
	r->type = (uint32_t)draw(call, KINDS + 1);
	r->pad = chance(call, 10);
	r->start = draw_interesting(call, 64);
	r->end = r->start + draw(call, 1u << 20);
}

static void expect_no_range(struct call *call)
{
	const struct xen_dm_op_ioreq_server_range *r =
		&dm_of(call)->u.map_io_range_to_ioreq_server;

	if (!dm_padded(call))
		expect_only(call, r->pad || r->start > r->end ? ERR(EINVAL) : ERR(ENOENT));
}

static void expect_unsupported(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
}

const struct operation dm_servers[] = {
	DM(create_ioreq_server, DANGER_OWN, 0, generate_create, expect_create, after_create),
	DM(get_ioreq_server_info, DANGER_SAFE, 0, generate_number, expect_no_server, NULL),
	DM(map_io_range_to_ioreq_server, DANGER_OWN, 0, generate_range, expect_no_range, NULL),
	DM(unmap_io_range_from_ioreq_server, DANGER_OWN, 0, generate_range, expect_no_range, NULL),
	DM(set_ioreq_server_state, DANGER_OWN, 0, generate_number, expect_no_server, NULL),
	DM(destroy_ioreq_server, DANGER_OWN, 0, generate_number, expect_no_server, NULL),
	{ .name = "no_command", .command = 1000, .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_unsupported },
};
const size_t dm_servers_count = COUNT(dm_servers);

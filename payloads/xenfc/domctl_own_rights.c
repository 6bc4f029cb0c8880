/*
 * domctl: ports and I/O memory of the control domain itself.  What it takes from itself it can
 * never give back, so these are ones that nobody has a device at; whether it has a right is asked
 * by taking it from a domain that has none.
 */
#include "domctl.h"

#define MOST 8u	/* that are looked at, besides one before and one behind */
#define FIRST_PORT 0x3000u
#define PORTS 0x1000u
#define FIRST_FRAME (1ull << 26)	/* beyond most machines' memory */
#define FRAMES (1u << 20)

static struct xen_domctl_iomem_permission *frames_of(const struct call *call)
{
	return &domctl_of(call)->u.iomem_permission;
}

static struct xen_domctl_ioport_permission *ports_of(const struct call *call)
{
	return &domctl_of(call)->u.ioport_permission;
}

/* Both say that the right is taken away. */
static long take(struct call *call, uint64_t first, uint64_t count, uint16_t from)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);

	memset(d, 0, sizeof(*d));
	if (call->command == XEN_DOMCTL_ioport_permission) {
		d->u.ioport_permission.first_port = (uint32_t)first;
		d->u.ioport_permission.nr_ports = (uint32_t)count;
	} else {
		d->u.iomem_permission.first_mfn = first;
		d->u.iomem_permission.nr_mfns = count;
	}
	return domctl_aside(call->run, call->command, from);
}

/* To the caller itself: what it has it may give, which changes nothing. */
static long give(struct call *call, uint64_t which)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);

	memset(d, 0, sizeof(*d));
	if (call->command == XEN_DOMCTL_ioport_permission)
		d->u.ioport_permission = (struct xen_domctl_ioport_permission){
			.first_port = (uint32_t)which, .nr_ports = 1, .allow_access = 1,
		};
	else
		d->u.iomem_permission = (struct xen_domctl_iomem_permission){
			.first_mfn = which, .nr_mfns = 1, .allow_access = 1,
		};
	return domctl_aside(call->run, call->command, call->run->machine.domid);
}

static uint64_t first_of(const struct call *call)
{
	return call->command == XEN_DOMCTL_ioport_permission ? ports_of(call)->first_port :
		frames_of(call)->first_mfn;
}

/* From `first` - 1 on. */
static void ask(struct call *call, uint64_t first, long answers[MOST + 2])
{
	for (unsigned int i = 0; i < MOST + 2; i++)
		answers[i] = take(call, first - 1 + i, 1, call->domain->id);
}

static bool has_all(const long answers[MOST + 2], uint64_t begin, uint64_t end)
{
	for (uint64_t i = begin; i < end; i++)
		if (answers[1 + i])
			return false;
	return true;
}

/* All that was taken is gone, and nothing else is; what we have not all of stays as it is. */
static void after_own_right(struct call *call)
{
	uint64_t first = first_of(call), begin = draw(call, MOST);
	uint64_t end = begin + 1 + draw(call, MOST - begin);
	long before[MOST + 2], now[MOST + 2], result;
	bool may;

	if (!call->domain || !call->run->machine.hardware)
		return;
	ask(call, first, before);
	may = has_all(before, begin, end);
	result = take(call, first + begin, end - begin, call->run->machine.domid);
	if (result != (may ? 0 : ERR(EPERM)))
		call_wrong(call, "taking a right from ourselves gave %ld", result);
	result = give(call, first + begin - 1);
	if (result != before[begin])
		call_wrong(call, "giving ourselves what is before it gave %ld", result);
	ask(call, first, now);
	for (unsigned int i = 0; i < MOST + 2; i++)
		if (now[i] != (may && i > begin && i <= end ? ERR(EPERM) : before[i]))
			call_wrong(call, "rights %lu to %lu were taken from us, then %lu gives %ld",
				   first + begin, first + end - 1, first - 1 + i, now[i]);
}

static void generate_ports(struct call *call)
{
	ports_of(call)->first_port = FIRST_PORT + 1 + (uint32_t)draw(call, PORTS - MOST - 1);
	ports_of(call)->nr_ports = 1;
}

static void generate_frames(struct call *call)
{
	frames_of(call)->first_mfn = FIRST_FRAME + 1 + draw(call, FRAMES);
	frames_of(call)->nr_mfns = 1;
}

/* The first was perhaps taken before. */
static void expect_own_right(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(EPERM));
}

static const struct field port_fields[] = {
	DOMCTL_FIELD(ioport_permission.first_port, FLOW_IN),
	DOMCTL_FIELD(ioport_permission.nr_ports, FLOW_IN),
	FIELDS_END,
};

static const struct field frame_fields[] = {
	DOMCTL_FIELD(iomem_permission.first_mfn, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.nr_mfns, FLOW_IN),
	FIELDS_END,
};

#define OWN_RIGHT(row_name, command_name, field_list, generator) \
	{ .name = row_name, .command = DOMCTL(command_name), .danger = DANGER_HOST, \
	  .weight = 4, .fields = field_list, .generate = generator, \
	  .expect = expect_own_right, .after = after_own_right }

const struct operation domctl_own_rights[] = {
	OWN_RIGHT("own_ports", ioport_permission, port_fields, generate_ports),
	OWN_RIGHT("own_frames", iomem_permission, frame_fields, generate_frames),
};
const size_t domctl_own_rights_count = COUNT(domctl_own_rights);

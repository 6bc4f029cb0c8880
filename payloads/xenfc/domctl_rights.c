/* domctl: I/O memory that a domain may use, and what is left of the right when it is taken away. */
#include "domctl.h"

#define FIRST_FRAME (1ull << 24)	/* beyond most machines' memory */
#define FRAMES (1u << 20)
#define MOST_FRAMES 16u

static struct xen_domctl_iomem_permission *right_of(const struct call *call)
{
	return &domctl_of(call)->u.iomem_permission;
}

static void generate_right(struct call *call)
{
	struct xen_domctl_iomem_permission *p = right_of(call);

	p->first_mfn = FIRST_FRAME + draw(call, FRAMES);
	p->nr_mfns = 1 + draw(call, MOST_FRAMES);
	p->allow_access = 1;
}

/* No right can be passed on to what the caller has not itself. */
static void expect_right(struct call *call)
{
	expect_only(call, 0);
	expect_also(call, ERR(EPERM));
}

static void take_away(struct call *call, uint64_t first, uint64_t count)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	long result;

	memset(d, 0, sizeof(*d));
	d->u.iomem_permission.first_mfn = first;
	d->u.iomem_permission.nr_mfns = count;
	result = domctl_aside(call->run, DOMCTL(iomem_permission), call->domain->id);
	if (result)
		call_wrong(call, "taking the right to %lu frames away gave %ld", count, result);
}

/* Of a domain without a memory map, mapping only asks for the right. */
static void check_right(struct call *call, uint64_t first, uint64_t count, long expected)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	long result;

	memset(d, 0, sizeof(*d));
	d->u.memory_mapping.first_mfn = first;
	d->u.memory_mapping.nr_mfns = count;
	result = domctl_aside(call->run, DOMCTL(memory_mapping), call->domain->id);
	if (result != expected)
		call_wrong(call, "mapping %lu frames from %lx on gave %ld, expected %ld", count,
			   first, result, expected);
}

static void check_frames(struct call *call, uint64_t first, uint64_t end, long expected)
{
	for (uint64_t frame = first; frame < end; frame++)
		check_right(call, frame, 1, expected);
}

/* A right reaches no further than it was given. */
static void check_neighbours(struct call *call, uint64_t first, uint64_t end)
{
	check_right(call, first - 1, 1, ERR(EPERM));
	check_right(call, end, 1, ERR(EPERM));
}

static void after_right(struct call *call)
{
	uint64_t first = right_of(call)->first_mfn, count = right_of(call)->nr_mfns;
	uint64_t middle = first + draw(call, count), taken = 1 + draw(call, first + count - middle);

	if (call->result || !call->domain)
		return;
	if (!call->domain->hvm) {
		check_right(call, first, count, 0);
		check_neighbours(call, first, first + count);
		take_away(call, middle, taken);
		check_frames(call, first, middle, 0);
		check_frames(call, middle, middle + taken, ERR(EPERM));
		check_frames(call, middle + taken, first + count, 0);
	}
	take_away(call, first, count);
	if (!call->domain->hvm)
		check_frames(call, first - 1, first + count + 1, ERR(EPERM));
}

static const struct field right_fields[] = {
	DOMCTL_FIELD(iomem_permission.first_mfn, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.nr_mfns, FLOW_IN),
	DOMCTL_FIELD(iomem_permission.allow_access, FLOW_IN),
	FIELDS_END,
};

/* As a row of its own: the right comes and goes. */
const struct operation domctl_rights[] = {
	{ .name = "iomem_right", .command = DOMCTL(iomem_permission), .danger = DANGER_OWN,
	  .weight = 4, .fields = right_fields, .generate = generate_right,
	  .expect = expect_right, .after = after_right },
};
const size_t domctl_rights_count = COUNT(domctl_rights);

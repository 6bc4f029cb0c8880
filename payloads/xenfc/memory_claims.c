/* memory_op: pages that are promised to a domain before it has them. */
#include "domctl.h"
#include "memory.h"
#include "who.h"

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_claim(struct call *call)
{
	struct xen_memory_reservation *r = (void *)structure(call);

	r->domid = draw_who(call, false);
	r->nr_extents = chance(call, 50) ? 0 : (xen_ulong_t)draw(call, 1024);
	if (chance(call, 5))
		r->nr_extents |= 1ull << (32 + draw(call, 32));
	r->extent_order = chance(call, 5);
	r->mem_flags = chance(call, 5);
	if (chance(call, 5))
		buffer_take(call, &r->extent_start, 8, false, false);
}

static void expect_claim(struct call *call)
{
	const struct xen_memory_reservation *r = (void *)structure(call);
	const struct domain_model *domain = model_domain(&call->run->model, r->domid);
	bool sane = !handle_value(&r->extent_start) && !r->extent_order && !r->mem_flags;

	call->domain = model_domain(&call->run->model, r->domid);
	if (!sane || who_is(call, r->domid, LOOKUP_NUMBER) == WHO_NOBODY)
		expect_only(call, ERR(EINVAL));
	else if (!domain)
		expect_only(call, ERR(EPERM));
	else if (!r->nr_extents)
		expect_only(call, 0);
	else if (domain->claimed || r->nr_extents <= domain->pages ||
		 r->nr_extents > domain->max_pages)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, 0);
	if (sane && who_is(call, r->domid, LOOKUP_NUMBER) == WHO_UNSURE)
		expect_also(call, ERR(EINVAL));
}

static long claim_aside(struct call *call, uint64_t pages)
{
	struct xen_memory_reservation *r =
		memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*r));

	r->domid = call->domain->id;
	r->nr_extents = pages;
	return aside(call->run, __HYPERVISOR_memory_op, XENMEM_claim_pages, (uintptr_t)r, 0);
}

/* As many as it has it need not claim, and more than it may have it may not. */
static void refuse_claims(struct call *call)
{
	uint64_t wrong[] = { call->domain->pages, call->domain->max_pages + 1 };

	for (unsigned int i = 0; i < COUNT(wrong); i++) {
		long result = wrong[i] ? claim_aside(call, wrong[i]) : ERR(EINVAL);

		if (result != ERR(EINVAL))
			call_wrong(call, "claiming %lu pages for a domain of %lu, of at most %lu, gave "
				   "%ld", wrong[i], call->domain->pages, call->domain->max_pages,
				   result);
	}
}

static void after_claim(struct call *call)
{
	const struct xen_memory_reservation *r = (void *)structure(call);
	const struct xen_domctl_getdomaininfo *info;

	if (call->result || !call->domain)
		return;
	call->domain->claimed = r->nr_extents ? r->nr_extents - call->domain->pages : 0;
	if (!r->nr_extents && !call->domain->hvm)
		refuse_claims(call);
	info = domain_read(call->run, call->domain->id);
	if (!info || info->outstanding_pages != call->domain->claimed)
		call_wrong(call, "the domain has %lu claimed pages, not %lu",
			   info ? (uint64_t)info->outstanding_pages : 0, call->domain->claimed);
}

const struct operation memory_claims[] = {
	{ .name = "claim_pages", .command = XENMEM_claim_pages, .danger = DANGER_OWN,
	  .structure_size = sizeof(struct xen_memory_reservation), .fields = reservation_fields,
	  .generate = generate_claim, .expect = expect_claim, .after = after_claim },
};
const size_t memory_claims_count = COUNT(memory_claims);

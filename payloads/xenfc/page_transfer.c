/* A page that is transferred by a grant: to ourselves, or to somebody who does not take it. */
#include "page_transfer.h"

#include "grant_own.h"

#define NEW_NUMBER (1ull << 20)	/* what a page is to us that we do not count */
#define DONE (GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed)

static long pages_of_ours(struct call *call)
{
	struct xen_memory_domain *m = (void *)(call->run->door->arena + ARENA_ASIDE);

	m->domid = DOMID_SELF;
	return aside(call->run, __HYPERVISOR_memory_op, XENMEM_current_reservation,
		     (uintptr_t)m, 0);
}

/* What is offered is gone, or comes back to the same domain. */
static void offer(struct call *call, uint64_t frame, uint16_t to, uint32_t ref, int16_t status)
{
	struct gnttab_transfer *t = (void *)(call->run->door->arena + ARENA_ASIDE);
	long left = pages_of_ours(call) - (status != GNTST_okay), result;

	*t = (struct gnttab_transfer){ .mfn = frame, .domid = to, .ref = ref };
	result = own_aside(call, GNTTABOP_transfer, t);
	if (result || t->status != status)
		call_wrong(call, "transferring a page of ours gave %ld, status %d, expected %d",
			   result, t->status, status);
	else if (pages_of_ours(call) != left)
		call_wrong(call, "a transfer with status %d left us %ld pages, expected %ld",
			   status, pages_of_ours(call), left);
}

static void check_taken(struct call *call, uint64_t frame, uint32_t ref)
{
	const grant_entry_v1_t *entry = (grant_entry_v1_t *)window_page(WINDOW_TABLE) + ref;

	if (entry->flags != DONE || entry->domid != call->run->machine.domid ||
	    entry->frame != (uint32_t)frame)
		call_wrong(call, "after its transfer grant %u of page %lx has flags %x, page %x",
			   ref, frame, entry->flags, entry->frame);
}

bool page_transfer(struct call *call, uint64_t frame)
{
	uint16_t self = call->run->machine.domid, to = self;
	uint32_t ref = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF);
	uint16_t flags = GTF_accept_transfer, from = self;
	int16_t status = GNTST_general_error;

	own_table_see(call);
	switch (draw(call, 8)) {
	case 0:
		to = (uint16_t)(DOMID_NOBODY_FIRST + draw(call, 1000));
		status = GNTST_bad_domain;
		break;
	case 1:
		flags = chance(call, 50) ? GTF_permit_access : DONE;
		break;
	case 2:
		from ^= 1;
		break;
	case 3:
		offer(call, frame, to, REFS_1 + (uint32_t)draw_interesting(call, 31), status);
		return false;
	default:
		status = GNTST_okay;
	}
	own_entry_write(1, ref, flags, from, NEW_NUMBER);
	offer(call, frame, to, ref, status);
	if (status == GNTST_okay)
		check_taken(call, frame, ref);
	own_entry_write(1, ref, GTF_invalid, 0, 0);
	return status == GNTST_okay && !call->wrong[0];
}

/* A domain of ours that is there; of one that claims memory the page would use up some of that. */
static const struct domain_model *draw_other(struct call *call)
{
	uint32_t first = (uint32_t)draw(call, OWN_DOMAINS);

	for (uint32_t i = 0; i < OWN_DOMAINS; i++) {
		const struct domain_model *other = &call->run->model.own[(first + i) % OWN_DOMAINS];

		if (other->exists && !other->claimed)
			return other;
	}
	return NULL;
}

void page_offer(struct call *call, uint64_t frame)
{
	const struct domain_model *other = draw_other(call);
	uint16_t nobody = (uint16_t)(DOMID_NOBODY_FIRST + draw(call, 1000));
	uint32_t ref = FIRST_REF + (uint32_t)draw(call, REFS_1 - FIRST_REF);

	offer(call, frame, other ? other->id : nobody, ref,
	      other ? GNTST_general_error : GNTST_bad_domain);
}

/* After a burst nothing of ours may be left: no domain, no page, no claim. */
#include "domctl.h"
#include "others.h"
#include "patience.h"

#define PATIENCE_NS 3000000000ull
#define PATIENCE_NS_EACH_VCPU 4000000ull	/* of a huge domain */
/*
 * Xen's pool of small objects grows by a hundred pages and more in a minute, ever slower, until
 * there is a hole for each: repeat.c finds what leaks with every call.
 */
#define SPARE_PAGES 512u
/* A domain of more processors leaves holes in that pool that the spare pages do not cover. */
#define HUGE_VCPUS 128u

static bool destroy_own(struct run *run)
{
	bool well = true;

	for (unsigned int i = 0; i < OWN_DOMAINS; i++) {
		struct domain_model *domain = &run->model.own[i];
		long result;

		if (!domain->exists)
			continue;
		result = domctl_aside(run, XEN_DOMCTL_destroydomain, domain->id);
		if (result) {
			tell_line(run, "FAIL: destroying domain %u at the end gave %ld",
				    domain->id, result);
			well = false;
		}
	}
	return well;
}

/* Domains go away when the last reference does; Xen frees what they had a little later. */
static bool own_are_gone(struct run *run)
{
	bool gone = true;

	for (unsigned int i = 0; i < OWN_DOMAINS; i++) {
		struct domain_model *domain = &run->model.own[i];

		if (domain->exists && domain_read(run, domain->id))
			gone = false;
	}
	return gone;
}

uint64_t free_pages_read(struct run *run)
{
	const struct xen_sysctl_physinfo *info = physinfo_read(run);

	return info ? info->free_pages + info->scrub_pages : 0;
}

static uint32_t huge_vcpus(const struct run *run)
{
	return run->model.most_vcpus > HUGE_VCPUS ? run->model.most_vcpus : 0;
}

/* What may be missing because a huge domain died in this burst, and was not forgiven before. */
static uint64_t forgivable(const struct run *run)
{
	uint32_t most = huge_vcpus(run);

	return most > run->forgiven ? most - run->forgiven : 0;
}

/*
 * From now on the holes that a huge domain left count as given away, so that the next bursts are
 * held to SPARE_PAGES again.  What comes back later is asked for again.  In all, never more is
 * forgiven than the largest domain of the run had processors: a leak, however slow, that adds up
 * to more than that and the spare pages is seen, with any number of huge domains.  What a run
 * may hide is therefore once that much, and only when it had such a domain.
 */
static void forgive(struct run *run)
{
	uint64_t now = run->machine.free_pages, limit = forgivable(run);

	run->model.most_vcpus = 0;
	if (now < run->free_at_start) {
		uint64_t missing = run->free_at_start - now;
		uint64_t holes = missing < limit ? missing : limit;

		run->free_at_start -= holes;
		run->forgiven += holes;
	} else {
		uint64_t back = now - run->free_at_start;
		uint64_t filled = back < run->forgiven ? back : run->forgiven;

		run->free_at_start += filled;
		run->forgiven -= filled;
	}
}

/* Memory may move between Xen and other domains (their balloons) while we run: both count. */
static bool pages_are_back(struct run *run)
{
	const struct xen_sysctl_physinfo *info = physinfo_read(run);
	struct others others;

	if (!info)
		return false;
	run->machine.free_pages = info->free_pages + info->scrub_pages;
	run->machine.claimed_pages = info->outstanding_pages;
	others = others_read(run);
	run->machine.free_pages += others.pages;
	if (run->free_at_start && others.who != run->others_at_start) {
		/* A domain came or went, with pages that are in no count: begin anew. */
		run->free_at_start = run->machine.free_pages;
		run->claimed_at_start = run->machine.claimed_pages;
	}
	run->others_at_start = others.who;
	return run->machine.free_pages + SPARE_PAGES + forgivable(run) >= run->free_at_start &&
	       run->machine.claimed_pages <= run->claimed_at_start;
}

static bool wait_for(struct run *run, bool (*condition)(struct run *run))
{
	struct patience patience = patience_begin(run->door, PATIENCE_NS + huge_vcpus(run) *
						  PATIENCE_NS_EACH_VCPU);

	do {
		if (condition(run))
			return true;
	} while (patience_lasts(&patience));
	return false;
}

static void complain(struct run *run, const char *what)
{
	struct text t;

	tell_line(run, "FAIL: after the calls up to here, %s", what);
	if (run->outcome.reason[0])
		return;
	text_begin(&t, run->outcome.reason, sizeof(run->outcome.reason));
	add_sequence(&t, run);
	text_format(&t, " up to call %lu: %s", run->call.number, what);
}

/* The domains themselves are left out of the first reading, so that Xen's pools are filled. */
bool housekeep(struct run *run)
{
	bool well;

	if (run->plan.dry_run)
		return true;
	well = arena_is_clean(run);
	if (!well)
		complain(run, "the arguments' memory was written to far from any buffer");
	if (!run->machine.control)
		return well;
	well = destroy_own(run) && well;
	if (!wait_for(run, own_are_gone)) {
		complain(run, "a destroyed domain is still there");
		well = false;
	}
	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		model_destroyed(&run->model.own[i]);
	if (!run->free_at_start) {
		pages_are_back(run);
		run->free_at_start = run->machine.free_pages;
		run->claimed_at_start = run->machine.claimed_pages;
	} else if (!wait_for(run, pages_are_back)) {
		struct text t;
		char what[100];

		text_begin(&t, what, sizeof(what));
		text_format(&t, "Xen has %ld free pages less, and %ld more are claimed",
			    (int64_t)(run->free_at_start - run->machine.free_pages),
			    (int64_t)(run->machine.claimed_pages - run->claimed_at_start));
		complain(run, what);
		run->free_at_start = run->machine.free_pages;
		well = false;
	}
	forgive(run);
	return well;
}

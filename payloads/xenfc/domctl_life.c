/* domctl: the death of domains, pausing them, and what is known of them. */
#include "domctl.h"

static void after_destroy(struct call *call)
{
	uint16_t id = domctl_of(call)->domain;

	if (call->result)
		return;
	if (call->domain)
		model_destroyed(call->domain);
	if (domain_read(call->run, id))
		call_wrong(call, "the destroyed domain is still there");
}

/* What the control domain's pauses look like from outside. */
static void check_paused(struct call *call)
{
	const struct domain_model *domain = call->domain;
	const struct xen_domctl_getdomaininfo *info;

	if (!domain || !read_back_now(call))
		return;
	info = domain_read(call->run, domain->id);
	if (!info)
		call_wrong(call, "the domain is gone");
	else if (!(info->flags & XEN_DOMINF_paused) != !domain->paused)
		call_wrong(call, domain->paused ? "the domain is not paused" :
			   "the domain is still paused");
}

static void expect_pause(struct call *call)
{
	expect_unless_self(call);
	if (call->domain && call->domain->paused == MOST_PAUSES)
		expect_only(call, ERR(EOVERFLOW));
}

static void again(struct call *call, uint32_t command, long expected)
{
	long result = domctl_aside(call->run, command, call->domain->id);

	if (result != expected)
		call_wrong(call, "near the most pauses there may be another gave %ld, expected %ld",
			   result, expected);
}

void reach_most_pauses(struct call *call, uint32_t up, uint32_t down, uint32_t counted)
{
	uint32_t left = MOST_PAUSES - counted;

	for (uint32_t i = 0; i < left; i++)
		again(call, up, 0);
	again(call, up, ERR(EOVERFLOW));
	for (uint32_t i = 0; i < left; i++)
		again(call, down, 0);
}

static void after_pause(struct call *call)
{
	if (!call->result && call->domain)
		call->domain->paused++;
	if (!call->result && call->domain && chance(call, LIMIT_PERCENT))
		reach_most_pauses(call, DOMCTL(pausedomain), DOMCTL(unpausedomain),
				  call->domain->paused);
	check_paused(call);
}

static void expect_unpause(struct call *call)
{
	expect_only(call, call->domain->paused ? 0 : ERR(EINVAL));
}

static void after_unpause(struct call *call)
{
	if (!call->result && !--call->domain->paused)
		call->domain->finished = true;
	check_paused(call);
}

static void after_resume(struct call *call)
{
	if (!call->result && call->domain)
		call->domain->shut = false;
}

/* Before 4.18, a number without a domain meant the next domain above it. */
static const struct domain_model *next_domain(const struct call *call, uint16_t id)
{
	const struct domain_model *own = call->run->model.own;

	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		if (own[i].exists && own[i].id >= id)
			return &own[i];
	return NULL;
}

static const struct domain_model *domain_told(const struct call *call, uint16_t id)
{
	if (since(call, RELEASE(4, 18)))
		return call->domain;
	return next_domain(call, id);
}

static void expect_info(struct call *call)
{
	uint16_t id = domctl_of(call)->domain;

	if (id >= DOMID_FIRST_RESERVED)
		expect_only(call, since(call, RELEASE(4, 18)) ? ERR(ESRCH) :
			    ERR(EINVAL));
	else
		expect_only(call, domain_told(call, id) ? 0 : ERR(ESRCH));
}

static void after_info(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);
	const char *wrong;

	if (call->result || !model_domain(&call->run->model, d->domain))
		return;
	wrong = domain_info_wrong(&d->u.getdomaininfo, model_domain(&call->run->model, d->domain));
	if (wrong)
		call_wrong(call, "getdomaininfo told %s", wrong);
}

static const struct field info_fields[] = {
	{ "domain", offsetof(struct xen_domctl, domain), 2, FLOW_ECHO },
	DOMCTL_FIELD(getdomaininfo.domain, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.pad1, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.flags, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.tot_pages, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.max_pages, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.outstanding_pages, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.shr_pages, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.paged_pages, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.shared_info_frame, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.cpu_time, FLOW_VOLATILE),
	DOMCTL_FIELD(getdomaininfo.nr_online_vcpus, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.max_vcpu_id, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.ssidref, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.handle, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.cpupool, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.gpaddr_bits, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.pad2, FLOW_OUT),
	DOMCTL_FIELD(getdomaininfo.arch_config, FLOW_OUT),
	FIELDS_END,
};

const struct operation domctl_life[] = {
	/* Rare: most other calls need a domain that lives, with processors. */
	{ .name = "destroydomain", .command = DOMCTL(destroydomain), .danger = DANGER_OWN,
	  .traits = TRAIT_REFUSES_SELF | TRAIT_DEAR, .expect = expect_unless_self,
	  .after = after_destroy, .weight = 2 },
	{ .name = "pausedomain", .command = DOMCTL(pausedomain), .danger = DANGER_OWN,
	  .traits = TRAIT_REFUSES_SELF, .expect = expect_pause, .after = after_pause },
	{ .name = "unpausedomain", .command = DOMCTL(unpausedomain), .danger = DANGER_OWN,
	  .expect = expect_unpause, .after = after_unpause },
	{ .name = "resumedomain", .command = DOMCTL(resumedomain), .danger = DANGER_OWN,
	  .traits = TRAIT_REFUSES_SELF, .expect = expect_unless_self,
	  .after = after_resume },
	{ .name = "getdomaininfo", .command = DOMCTL(getdomaininfo), .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .fields = info_fields, .expect = expect_info,
	  .after = after_info },
};
const size_t domctl_life_count = COUNT(domctl_life);

/* domctl: birth and death of domains, pausing them, and what is known of them. */
#include "domctl.h"

#define MAKE_PERCENT 4
#define MAX_VCPUS_PV 8192u
#define MAX_VCPUS_HVM 128u
#define MOST_GRANT_FRAMES 64	/* unless Xen was started to allow more */
#define MOST_MAPTRACK_FRAMES 1024

/* The kind of each own domain, when it is made as it should be. */
static uint32_t flags_of_slot(uint16_t id)
{
	switch ((id - DOMID_OWN_FIRST) % 4) {
	case 2:
		return XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
	case 3:
		return XEN_DOMCTL_CDF_hvm;
	default:
		return 0;
	}
}

/* So that max_vcpus mostly knows how many a domain may have. */
uint32_t vcpus_of_slot(uint16_t id)
{
	return 1 + (id - DOMID_OWN_FIRST) / 2 % 4;
}

static void fill_valid(struct call *call, struct xen_domctl *d)
{
	struct xen_domctl_createdomain *c = &d->u.createdomain;

	memset(c, 0, sizeof(*c));
	draw_bytes(call, c->handle, sizeof(c->handle));
	c->flags = flags_of_slot(d->domain);
	c->max_vcpus = chance(call, 80) ? vcpus_of_slot(d->domain) : 1 + (uint32_t)draw(call, 4);
	c->max_evtchn_port = chance(call, 50) ? 1023 : (uint32_t)draw_interesting(call, 31);
	c->max_grant_frames = chance(call, 50) ? -1 : chance(call, 20) ? MOST_GRANT_FRAMES :
		1 + (int32_t)draw(call, 32);
	c->max_maptrack_frames = chance(call, 50) ? -1 : chance(call, 20) ? MOST_MAPTRACK_FRAMES :
		(int32_t)draw(call, 64);
	c->grant_opts = XEN_DOMCTL_GRANT_version(1 + draw(call, 2));
	if (c->flags & XEN_DOMCTL_CDF_hvm)
		c->arch.emulation_flags = XEN_X86_EMU_LAPIC;
}

/* A configuration that is right but for one field. */
static void spoil(struct call *call, struct xen_domctl_createdomain *c)
{
	uint32_t *words[] = {
		&c->flags, &c->iommu_opts, &c->max_vcpus, &c->max_evtchn_port,
		(uint32_t *)&c->max_grant_frames, (uint32_t *)&c->max_maptrack_frames,
		&c->grant_opts, &c->vmtrace_size, &c->cpupool_id, &c->arch.emulation_flags,
		&c->arch.misc_flags,
	};
	uint32_t *word = words[draw(call, COUNT(words))];

	*word = (uint32_t)draw_interesting(call, 32);
	if (word == &c->flags && chance(call, 50))
		*word = (uint32_t)draw(call, 256);
}

/*
 * Making a domain costs as much as a thousand other calls: most are refused before any
 * work was done for them.
 */
static void spoil_soon(struct call *call, struct xen_domctl_createdomain *c)
{
	uint32_t any = (uint32_t)draw_interesting(call, 31);

	switch (draw(call, 6)) {
	case 0:
		c->flags |= 2u * XEN_DOMCTL_CDF_MAX << draw(call, 20);
		break;
	case 1:
		c->grant_opts |= 16u << draw(call, 24);
		break;
	case 2:
		c->max_vcpus = chance(call, 50) ? 0 : 1 + (chance(call, 50) ? 0 : any) +
			(c->flags & XEN_DOMCTL_CDF_hvm ? MAX_VCPUS_HVM : MAX_VCPUS_PV);
		break;
	case 3:
		c->flags = XEN_DOMCTL_CDF_hap;
		break;
	case 4:
		c->iommu_opts = 1 + any;
		break;
	default:
		c->arch.misc_flags = 2u << draw(call, 30);
	}
}

/*
 * Xen 4.17 hangs for good when it gives up making an HVM domain with shadow paging after
 * its paging has begun (seen: grant table limits that are refused).  Only with --allow fatal.
 */
static void avoid_late_failure(struct call *call, struct xen_domctl_createdomain *c)
{
	if (!(c->flags & XEN_DOMCTL_CDF_hvm) || c->flags & XEN_DOMCTL_CDF_hap ||
	    call->run->plan.allow & DANGER_FATAL)
		return;
	c->max_grant_frames = c->max_maptrack_frames = -1;
	c->grant_opts = XEN_DOMCTL_GRANT_version(1);
	c->cpupool_id = 0;
}

static void generate_create(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);

	/* A number that Xen chooses would not tell ours from other domains. */
	if (!model_slot(&call->run->model, d->domain))
		d->domain = (uint16_t)(DOMID_OWN_FIRST + draw(call, OWN_DOMAINS));
	fill_valid(call, d);
	if (!chance(call, MAKE_PERCENT))
		spoil_soon(call, &d->u.createdomain);
	else if (!chance(call, 20))
		spoil(call, &d->u.createdomain);
	avoid_late_failure(call, &d->u.createdomain);
	call->domain = model_domain(&call->run->model, d->domain);
}

static bool flags_sane(const struct machine *m, const struct xen_domctl_createdomain *c)
{
	bool hvm = c->flags & XEN_DOMCTL_CDF_hvm, hap = c->flags & XEN_DOMCTL_CDF_hap;

	if (c->flags & ~(2u * XEN_DOMCTL_CDF_MAX - 1))
		return false;
	if (hvm ? !m->hvm : !m->pv_guests)
		return false;
	if ((hap && (!hvm || !m->hap)) || (c->flags & XEN_DOMCTL_CDF_nested_virt && !hap))
		return false;
	if (c->flags & XEN_DOMCTL_CDF_iommu ? !m->iommu || c->iommu_opts & ~1u : c->iommu_opts)
		return false;
	if (c->flags & XEN_DOMCTL_CDF_vpmu && !m->vpmu)
		return false;
	return true;
}

static bool sizes_sane(const struct xen_domctl_createdomain *c)
{
	uint32_t limit = c->flags & XEN_DOMCTL_CDF_hvm ? MAX_VCPUS_HVM : MAX_VCPUS_PV;

	return c->max_vcpus >= 1 && c->max_vcpus <= limit && !c->vmtrace_size &&
	       !(c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) &&
	       !(c->arch.misc_flags & ~XEN_X86_MSR_RELAXED);
}

/* After the sanity of the numbers come the emulators, then (EINVAL again) the grant table. */
static void expect_created(struct call *call, const struct xen_domctl_createdomain *c)
{
	bool hvm = c->flags & XEN_DOMCTL_CDF_hvm;
	uint32_t emulation = c->arch.emulation_flags;
	uint32_t version = c->grant_opts & XEN_DOMCTL_GRANT_version_mask;

	if (emulation & ~XEN_X86_EMU_ALL)
		return expect_only(call, ERR(EINVAL));
	if (hvm ? emulation != (XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI) &&
		  emulation != XEN_X86_EMU_LAPIC : emulation && emulation != XEN_X86_EMU_PIT)
		return expect_only(call, ERR(EOPNOTSUPP));
	/* Limits of the grant table and the pools are the machine's own. */
	if (!version || version > 2 || c->max_grant_frames == 0)
		return expect_only(call, ERR(EINVAL));
	expect_only(call, 0);
	if (c->max_grant_frames > MOST_GRANT_FRAMES || c->max_maptrack_frames > MOST_MAPTRACK_FRAMES)
		expect_also(call, ERR(EINVAL));
	if (c->cpupool_id)
		expect_only(call, ERR(ESRCH));
	if (c->flags & (XEN_DOMCTL_CDF_iommu | XEN_DOMCTL_CDF_vpmu | XEN_DOMCTL_CDF_nested_virt) ||
	    c->max_vcpus > 128)
		expect_also(call, ERR(ENOMEM));
}

static void expect_create(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);
	const struct xen_domctl_createdomain *c = &d->u.createdomain;

	if (call->domain)
		expect_only(call, ERR(EEXIST));
	else if (!flags_sane(&call->run->machine, c) || !sizes_sane(c))
		expect_only(call, ERR(EINVAL));
	else
		expect_created(call, c);
	/* Only a Xen that was built with tboot knows this one. */
	if (c->flags & XEN_DOMCTL_CDF_s3_integrity && !call->domain)
		expect_also(call, ERR(EINVAL));
}

static void after_create(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);
	struct domain_model *domain = model_slot(&call->run->model, d->domain);
	const struct xen_domctl_getdomaininfo *info;

	if (call->result)
		return;
	model_created(domain, d->domain, &d->u.createdomain);
	info = domain_read(call->run, domain->id);
	if (!info)
		call_wrong(call, "the new domain does not exist");
	else if (!(info->flags & XEN_DOMINF_paused))
		call_wrong(call, "the new domain is not paused");
	else if (!(info->flags & XEN_DOMINF_hvm_guest) != !domain->hvm)
		call_wrong(call, "the new domain is of the wrong kind");
	else if (memcmp(info->handle, domain->handle, sizeof(domain->handle)))
		call_wrong(call, "the new domain has another handle");
	else if (info->tot_pages || info->nr_online_vcpus)
		call_wrong(call, "the new domain has memory or processors already");
}

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

/* Before 4.19, a number without a domain meant the next domain above it. */
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
	if (call->run->machine.release >= RELEASE(4, 19))
		return call->domain;
	return next_domain(call, id);
}

static void expect_info(struct call *call)
{
	uint16_t id = domctl_of(call)->domain;

	if (id >= DOMID_FIRST_RESERVED)
		expect_only(call, call->run->machine.release >= RELEASE(4, 19) ? ERR(ESRCH) :
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

static const struct field create_fields[] = {
	DOMCTL_FIELD(createdomain.ssidref, FLOW_IN),
	DOMCTL_FIELD(createdomain.flags, FLOW_INOUT),
	DOMCTL_FIELD(createdomain.iommu_opts, FLOW_IN),
	DOMCTL_FIELD(createdomain.max_vcpus, FLOW_IN),
	DOMCTL_FIELD(createdomain.max_evtchn_port, FLOW_IN),
	DOMCTL_FIELD(createdomain.max_grant_frames, FLOW_IN),
	DOMCTL_FIELD(createdomain.max_maptrack_frames, FLOW_IN),
	DOMCTL_FIELD(createdomain.grant_opts, FLOW_IN),
	DOMCTL_FIELD(createdomain.vmtrace_size, FLOW_IN),
	DOMCTL_FIELD(createdomain.cpupool_id, FLOW_IN),
	DOMCTL_FIELD(createdomain.arch.emulation_flags, FLOW_IN),
	DOMCTL_FIELD(createdomain.arch.misc_flags, FLOW_IN),
	FIELDS_END,
};

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
	{ .name = "createdomain", .command = DOMCTL(createdomain), .danger = DANGER_OWN,
	  .traits = TRAIT_ONCE, .weight = 8, .fields = create_fields, .generate = generate_create,
	  .expect = expect_create, .after = after_create },
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

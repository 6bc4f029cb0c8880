/* domctl: the birth of domains. */
#include "domctl.h"

#define MAKE_PERCENT 4
#define MAX_VCPUS_PV 8192u
#define MAX_VCPUS_HVM 128u
#define MOST_GRANT_FRAMES 64	/* unless Xen was started to allow more */
#define MOST_MAPTRACK_FRAMES 1024
#define MANY_FRAMES 0xffff

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

uint32_t paging_needed(const struct call *call, uint32_t flags)
{
	bool shadows = flags & XEN_DOMCTL_CDF_hvm && !(flags & XEN_DOMCTL_CDF_hap);

	if (!shadows || call->run->machine.shadow || may_break_xen(call) ||
	    since(call, RELEASE(4, 22)))
		return 0;
	return XEN_DOMCTL_CDF_hap;
}

/*
 * Since 4.18 there is no limit, but Xen's own sums: some overflow, and it writes where there is no
 * memory.
 */
static void avoid_overflow(struct call *call, struct xen_domctl_createdomain *c)
{
	if (!since(call, RELEASE(4, 18)) || may_break_xen(call))
		return;
	if (c->max_grant_frames > 0)
		c->max_grant_frames &= MANY_FRAMES;
	if (c->max_maptrack_frames > 0)
		c->max_maptrack_frames &= MANY_FRAMES;
}

/* What nobody tells the machine of: whether it has machines within machines, and is measured. */
static void avoid_unknown(struct call *call, struct xen_domctl_createdomain *c)
{
	if (since(call, RELEASE(4, 21)) && !may_break_xen(call))
		c->flags &= ~(uint32_t)(XEN_DOMCTL_CDF_nested_virt | XEN_DOMCTL_CDF_s3_integrity);
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
	/* Only processors of another kind have it. */
	if (c->flags & XEN_DOMCTL_CDF_trap_unmapped_accesses)
		return false;
	return m->release < RELEASE(4, 22) || !hvm || hap || m->shadow;
}

static bool sizes_sane(const struct xen_domctl_createdomain *c)
{
	uint32_t limit = c->flags & XEN_DOMCTL_CDF_hvm ? MAX_VCPUS_HVM : MAX_VCPUS_PV;

	return c->max_vcpus >= 1 && c->max_vcpus <= limit && !c->vmtrace_size &&
	       !(c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) &&
	       !(c->arch.misc_flags & ~XEN_X86_MSR_RELAXED);
}

/*
 * Since 4.21 Xen never forgets the number that was asked for when it refuses the rest at once: such
 * a creation is tried with numbers that nobody uses (with --allow fatal it is with any).
 */
static bool loses_number(const struct call *call, const struct xen_domctl_createdomain *c)
{
	bool sane = flags_sane(&call->run->machine, c) && sizes_sane(c);

	return since(call, RELEASE(4, 21)) && !may_break_xen(call) && !sane;
}

uint16_t number_to_lose(struct call *call)
{
	return (uint16_t)(DOMID_NOBODY_FIRST + draw(call, DOMID_NOBODY_LAST - DOMID_NOBODY_FIRST));
}

/* And of a domain that died it is forgotten a little later. */
void expect_number_kept(struct call *call, bool died)
{
	if (died && since(call, RELEASE(4, 21)))
		expect_also(call, ERR(EEXIST));
}

void expect_number_lost(struct call *call)
{
	if (since(call, RELEASE(4, 21)) && !may_break_xen(call))
		expect_also(call, ERR(EEXIST));
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
	avoid_unknown(call, &d->u.createdomain);
	avoid_overflow(call, &d->u.createdomain);
	d->u.createdomain.flags |= paging_needed(call, d->u.createdomain.flags);
	if (loses_number(call, &d->u.createdomain))
		d->domain = number_to_lose(call);
	call->domain = model_domain(&call->run->model, d->domain);
}

/* All of them or the least; later releases leave it open who handles interrupts. */
static bool devices_of_machine(const struct call *call, uint32_t emulation)
{
	if (since(call, RELEASE(4, 19)) && emulation != XEN_X86_EMU_LAPIC)
		emulation |= XEN_X86_EMU_USE_PIRQ;
	return emulation == (XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI) || emulation == XEN_X86_EMU_LAPIC;
}

/* After the sanity of the numbers come the emulators, then (EINVAL again) the grant table. */
static void expect_created(struct call *call, const struct xen_domctl_createdomain *c)
{
	bool hvm = c->flags & XEN_DOMCTL_CDF_hvm;
	uint32_t emulation = c->arch.emulation_flags;
	uint32_t version = c->grant_opts & XEN_DOMCTL_GRANT_version_mask;

	if (emulation & ~XEN_X86_EMU_ALL)
		return expect_only(call, ERR(EINVAL));
	if (!(hvm ? devices_of_machine(call, emulation) : !(emulation & ~XEN_X86_EMU_PIT)))
		return expect_only(call, ERR(EOPNOTSUPP));
	if (hvm && !(c->flags & XEN_DOMCTL_CDF_hap) && !call->run->machine.shadow)
		return expect_only(call, ERR(EOPNOTSUPP));
	/* Limits of the grant table and the pools are the machine's own. */
	if (!version || version > 2 || c->max_grant_frames == 0)
		return expect_only(call, ERR(EINVAL));
	expect_only(call, 0);
	if (c->max_grant_frames > MOST_GRANT_FRAMES || c->max_maptrack_frames > MOST_MAPTRACK_FRAMES) {
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(ENOMEM));
	}
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
	const struct domain_model *slot = model_slot(&call->run->model, d->domain);

	if (call->domain)
		expect_only(call, ERR(EEXIST));
	else if (!flags_sane(&call->run->machine, c) || !sizes_sane(c)) {
		expect_only(call, ERR(EINVAL));
		expect_number_lost(call);
	} else {
		expect_created(call, c);
		expect_number_kept(call, slot && slot->died);
	}
	/* Only a Xen that was built with tboot knows the first; where the second can be is not told. */
	if (!call->domain && (c->flags & XEN_DOMCTL_CDF_s3_integrity ||
			      (c->flags & XEN_DOMCTL_CDF_nested_virt && since(call, RELEASE(4, 19)))))
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

const struct operation domctl_create[] = {
	{ .name = "createdomain", .command = DOMCTL(createdomain), .danger = DANGER_OWN,
	  .traits = TRAIT_ONCE, .weight = 8, .fields = create_fields, .generate = generate_create,
	  .expect = expect_create, .after = after_create },
};
const size_t domctl_create_count = COUNT(domctl_create);

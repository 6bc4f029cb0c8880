/* domctl: what a domain may have and use, and small facts about it. */
#include "domctl.h"

#define MOST_KILOBYTES 8192u	/* 8 MiB: eight domains must fit beside everything else */
#define MOST_PAGES UINT32_MAX	/* that Xen counts */

static struct domain_model *target(const struct call *call)
{
	return call->domain;
}

static void generate_max_mem(struct call *call)
{
	domctl_of(call)->u.max_mem.max_memkb = chance(call, 5) ? draw(call, 8) :
		chance(call, 5) ? draw_interesting(call, 64) : draw(call, MOST_KILOBYTES);
}

/* As much as Xen can count, and no domain shall have so much for long. */
static void check_most(struct call *call, uint64_t pages)
{
	const struct xen_domctl_getdomaininfo *info = domain_read(call->run, target(call)->id);
	struct xen_domctl *d;

	if (!info || info->max_pages != (pages < MOST_PAGES ? pages : MOST_PAGES))
		call_wrong(call, "the limit is %lu pages afterwards",
			   info ? (uint64_t)info->max_pages : 0);
	d = domctl_aside_structure(call->run);
	memset(d, 0, sizeof(*d));
	d->u.max_mem.max_memkb = MOST_KILOBYTES;
	target(call)->max_pages = MOST_KILOBYTES / 4;
	if (domctl_aside(call->run, DOMCTL(max_mem), target(call)->id))
		call_wrong(call, "a limit cannot be set again");
}

static void after_max_mem(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;

	if (call->result)
		return;
	target(call)->max_pages = domctl_of(call)->u.max_mem.max_memkb / 4;
	if (target(call)->max_pages > MOST_KILOBYTES / 4)
		check_most(call, target(call)->max_pages);
	if (!read_back_now(call))
		return;
	info = domain_read(call->run, target(call)->id);
	if (!info || info->max_pages != target(call)->max_pages)
		call_wrong(call, "the limit is %lu pages afterwards",
			   info ? (uint64_t)info->max_pages : 0);
}

static void generate_max_vcpus(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);

	d->u.max_vcpus.max = chance(call, 70) ? vcpus_of_slot(d->domain) :
		draw_mostly(call, 70, 6);
}

static void expect_max_vcpus(struct call *call)
{
	if (!call->domain || domctl_of(call)->u.max_vcpus.max != target(call)->max_vcpus)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, 0);
	/* Processors of HVM domains need memory for their paging first. */
	if (call->domain && call->domain->hvm &&
	    domctl_of(call)->u.max_vcpus.max == target(call)->max_vcpus)
		expect_also(call, ERR(ENOMEM));
}

/*
 * With its first processor a machine's clock comes, and says so; that processor may be there also
 * when there was too little memory for others.
 */
static void clock_may_be_there(struct domain_model *domain)
{
	if (domain->hvm && domain->emulation & XEN_X86_EMU_HPET && !domain->has_vcpus)
		domain->parameters[HVM_PARAM_HPET_ENABLED] = PARAMETER_UNKNOWN;
}

static void after_max_vcpus(struct call *call)
{
	const struct xen_domctl_getdomaininfo *info;

	if (call->domain)
		clock_may_be_there(call->domain);
	if (call->result)
		return;
	target(call)->has_vcpus = true;
	if (target(call)->max_vcpus > call->run->model.most_vcpus)
		call->run->model.most_vcpus = target(call)->max_vcpus;
	info = domain_read(call->run, target(call)->id);
	if (!info || info->max_vcpu_id != target(call)->max_vcpus - 1)
		call_wrong(call, "the highest processor is %u afterwards",
			   info ? info->max_vcpu_id : 0);
}

static void after_handle(struct call *call)
{
	if (!call->result)
		memcpy(target(call)->handle, domctl_of(call)->u.setdomainhandle.handle,
		       sizeof(target(call)->handle));
}

static void after_debugging(struct call *call)
{
	if (!call->result && call->domain)
		call->domain->debugged = domctl_of(call)->u.setdebugging.enable;
}

static void generate_target(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);
	domid_t other = (domid_t)(DOMID_OWN_FIRST + draw(call, OWN_DOMAINS));
	const struct domain_model *model = model_domain(&call->run->model, other);

	/* An HVM target would be kept alive by the reference. */
	d->u.set_target.target = (domid_t)(chance(call, 30) ? d->domain :
		DOMID_NOBODY_FIRST + draw(call, 1000));
	if (chance(call, 50) && !(model && model->hvm))
		d->u.set_target.target = other;
}

/* Only an HVM domain can be one. */
static void expect_target(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);

	if (d->u.set_target.target == d->domain)
		expect_only(call, ERR(EINVAL));
	else
		expect_only(call, model_domain(&call->run->model, d->u.set_target.target) ?
			    ERR(EOPNOTSUPP) : ERR(ESRCH));
}

/* One that Xen never sends; or one of each processor's own; or none. */
static void generate_virq_handler(struct call *call)
{
	uint32_t *virq = &domctl_of(call)->u.set_virq_handler.virq;

	*virq = chance(call, 40) ? VIRQ_ARCH_7 :
		NR_VIRQS + (uint32_t)draw_interesting(call, 31);
	if (chance(call, 20))
		*virq = chance(call, 50) ? VIRQ_TIMER : VIRQ_DEBUG;
}

static void expect_virq_handler(struct call *call)
{
	expect_only(call, domctl_of(call)->u.set_virq_handler.virq == VIRQ_ARCH_7 ?
		    0 : ERR(EINVAL));
}

static void expect_address_size(struct call *call)
{
	uint32_t size = domctl_of(call)->u.address_size.size;

	if (target(call)->hvm)
		expect_only(call, ERR(EOPNOTSUPP));
	else if (size == (target(call)->compat ? 32u : 64u))
		expect_only(call, 0);
	else if (size != 32)
		expect_only(call, ERR(EINVAL));
	else if (target(call)->pages)
		expect_only(call, ERR(EACCES));
	else
		expect_only(call, 0);
	/* Xen may be built or started without 32-bit PV. */
	if (!target(call)->hvm && size == 32) {
		expect_also(call, ERR(EOPNOTSUPP));
		expect_also(call, ERR(EINVAL));
	}
}

static void generate_address_size(struct call *call)
{
	static const uint32_t sizes[] = { 32, 64, 64, 64, 16, 0 };

	domctl_of(call)->u.address_size.size = sizes[draw(call, COUNT(sizes))];
}

static void after_address_size(struct call *call)
{
	if (!call->result)
		target(call)->compat = domctl_of(call)->u.address_size.size == 32;
}

static void expect_get_size(struct call *call)
{
	expect_only(call, target(call)->hvm ? ERR(EOPNOTSUPP) : 0);
}

static void after_get_size(struct call *call)
{
	uint32_t size = domctl_of(call)->u.address_size.size;

	if (!call->result && size != (target(call)->compat ? 32u : 64u))
		call_wrong(call, "a domain's address size is %u", size);
}

static void generate_nodes(struct call *call)
{
	struct xen_domctl_nodeaffinity *n = &domctl_of(call)->u.nodeaffinity;
	struct area *map;

	n->nodemap.nr_bits = (uint32_t)draw(call, 130);
	map = buffer_take(call, &n->nodemap.bitmap, 32, true, true);
	map->out_size = map->out_size ? (n->nodemap.nr_bits + 7) / 8 : 0;
}

static void expect_nodes(struct call *call)
{
	expect_only(call, 0);
	expect_map(call, &domctl_of(call)->u.nodeaffinity.nodemap);
}

static const struct field max_mem_fields[] = {
	DOMCTL_FIELD(max_mem.max_memkb, FLOW_IN),
	FIELDS_END,
};

static const struct field max_vcpus_fields[] = {
	DOMCTL_FIELD(max_vcpus.max, FLOW_IN),
	FIELDS_END,
};

static const struct field handle_fields[] = {
	DOMCTL_FIELD(setdomainhandle.handle, FLOW_IN),
	FIELDS_END,
};

static const struct field debugging_fields[] = {
	DOMCTL_FIELD(setdebugging.enable, FLOW_IN),
	FIELDS_END,
};

static const struct field target_fields[] = {
	DOMCTL_FIELD(set_target.target, FLOW_IN),
	FIELDS_END,
};

static const struct field subscribe_fields[] = {
	DOMCTL_FIELD(subscribe.port, FLOW_IN),
	FIELDS_END,
};

static const struct field virq_fields[] = {
	DOMCTL_FIELD(set_virq_handler.virq, FLOW_IN),
	FIELDS_END,
};

static const struct field set_size_fields[] = {
	DOMCTL_FIELD(address_size.size, FLOW_IN),
	FIELDS_END,
};

static const struct field get_size_fields[] = {
	DOMCTL_FIELD(address_size.size, FLOW_OUT),
	FIELDS_END,
};

static const struct field node_fields[] = {
	DOMCTL_FIELD(nodeaffinity.nodemap.nr_bits, FLOW_IN),
	FIELDS_END,
};

#define OWN(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_limits[] = {
	{ .name = "max_mem", .command = DOMCTL(max_mem), .danger = DANGER_OWN, .weight = 20,
	  .fields = max_mem_fields, .generate = generate_max_mem, .expect = expect_success,
	  .after = after_max_mem },
	OWN(max_vcpus, TRAIT_REFUSES_SELF, max_vcpus_fields, generate_max_vcpus, expect_max_vcpus,
	    after_max_vcpus),
	OWN(setdomainhandle, TRAIT_REPLACES, handle_fields, NULL, expect_success, after_handle),
	OWN(setdebugging, TRAIT_REFUSES_SELF, debugging_fields, NULL, expect_unless_self,
	    after_debugging),
	OWN(set_target, 0, target_fields, generate_target, expect_target, NULL),
	OWN(subscribe, 0, subscribe_fields, NULL, expect_success, NULL),
	OWN(set_virq_handler, TRAIT_REPLACES, virq_fields, generate_virq_handler,
	    expect_virq_handler, NULL),
	OWN(set_address_size, 0, set_size_fields, generate_address_size, expect_address_size,
	    after_address_size),
	OWN(get_address_size, TRAIT_READS, get_size_fields, NULL, expect_get_size, after_get_size),
	OWN(getnodeaffinity, TRAIT_READS, node_fields, generate_nodes, expect_nodes, NULL),
};
const size_t domctl_limits_count = COUNT(domctl_limits);

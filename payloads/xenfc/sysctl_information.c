/* sysctl: what only tells about the host. */
#include "domctl.h"
#include "room.h"
#include "sysctl.h"

#define MOST_LEAVES 300u

static void generate_list(struct call *call)
{
	struct xen_sysctl_getdomaininfolist *l = &sysctl_of(call)->u.getdomaininfolist;
	uint32_t room = 1 + (uint32_t)draw(call, 12);

	l->first_domain = (domid_t)(chance(call, 80) ?
		DOMID_OWN_FIRST + draw(call, OWN_DOMAINS + 1) : draw_interesting(call, 16));
	l->max_domains = chance(call, 90) ? room : 0;
	buffer_take(call, &l->buffer, room * sizeof(struct xen_domctl_getdomaininfo), true, false);
}

static uint32_t domains_from(const struct call *call, uint16_t first)
{
	uint32_t count = 0;

	for (unsigned int i = 0; i < OWN_DOMAINS; i++)
		count += call->run->model.own[i].exists && call->run->model.own[i].id >= first;
	return count;
}

static void expect_list(struct call *call)
{
	const struct xen_sysctl_getdomaininfolist *l = &sysctl_of(call)->u.getdomaininfolist;
	uint32_t count = smaller(domains_from(call, l->first_domain), l->max_domains);

	if (l->first_domain >= DOMID_NOBODY_FIRST) {
		sysctl_expect_filled(call, &l->buffer, count,
				     sizeof(struct xen_domctl_getdomaininfo));
		return;
	}
	/* There are other domains, nobody knows how many. */
	expect_only(call, 0);
	if (!reachable(call, handle_value(&l->buffer),
		       l->max_domains * sizeof(struct xen_domctl_getdomaininfo)))
		expect_also(call, ERR(EFAULT));
}

static void after_list(struct call *call)
{
	const struct xen_sysctl_getdomaininfolist *l = &sysctl_of(call)->u.getdomaininfolist;
	const struct xen_domctl_getdomaininfo *info = (void *)call->areas[1].at;
	uint32_t count = smaller(domains_from(call, l->first_domain), l->max_domains);

	if (call->result || l->first_domain < DOMID_NOBODY_FIRST)
		return;
	if (l->num_domains != count) {
		call_wrong(call, "%u domains were told, there are %u", l->num_domains, count);
		return;
	}
	check_rest(call, &call->areas[1], handle_value(&l->buffer),
		   count * sizeof(struct xen_domctl_getdomaininfo));
	if (handle_value(&l->buffer) != area_sure(&call->areas[1]))
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct domain_model *domain = model_domain(&call->run->model, info[i].domain);

		if (!domain)
			call_wrong(call, "domain %u was told, which is not there", info[i].domain);
		else if (domain_info_wrong(&info[i], domain))
			call_wrong(call, "getdomaininfolist told %s",
				   domain_info_wrong(&info[i], domain));
	}
}

static void generate_console(struct call *call)
{
	struct xen_sysctl_readconsole *r = &sysctl_of(call)->u.readconsole;

	r->incremental = chance(call, 50);
	r->index = (uint32_t)draw_interesting(call, 32);
	r->count = 1 + (uint32_t)draw(call, chance(call, 5) ? 8192 : 128);
	buffer_take(call, &r->buffer, r->count, true, false);
}

/* Nothing is copied when nothing is new from the index on. */
static void expect_console(struct call *call)
{
	const struct xen_sysctl_readconsole *r = &sysctl_of(call)->u.readconsole;

	expect_only(call, 0);
	if (!reachable(call, handle_value(&r->buffer), r->count))
		expect_also(call, ERR(EFAULT));
}

static void generate_features(struct call *call)
{
	struct xen_sysctl_cpu_featureset *f = &sysctl_of(call)->u.cpu_featureset;

	f->index = draw_mostly(call, 90, 7);
	f->nr_features = sysctl_draw_count(call, 24);
	call->note = (long)f->nr_features;
	buffer_take(call, &f->features, 64 * sizeof(uint32_t), true, true);
}

/* How many words there are, is Xen's; how many there may be of sets, is the release's. */
static void expect_features(struct call *call)
{
	const struct xen_sysctl_cpu_featureset *f = &sysctl_of(call)->u.cpu_featureset;
	uint64_t address = handle_value(&f->features);

	if (!address) {
		expect_only(call, 0);
		return;
	}
	if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (f->nr_features && !reachable(call, address, 1)) {
		expect_only(call, ERR(EFAULT));
		return;
	}
	expect_only(call, f->nr_features < 10 ? ERR(ENOBUFS) : 0);
	if (f->nr_features >= 10 && f->nr_features < 30)
		expect_also(call, ERR(ENOBUFS));
	if (!reachable(call, address, smaller(f->nr_features, 64) * sizeof(uint32_t)))
		expect_also(call, ERR(EFAULT));
}

static long ask_features(struct call *call, const struct room *room, uint64_t given, uint64_t *told)
{
	struct xen_sysctl *s = sysctl_begin(call->run, SYSCTL(get_cpu_featureset));
	uint64_t at = (uintptr_t)room_buffer(call);
	long result;

	(void)room;
	s->u.cpu_featureset.index = sysctl_of(call)->u.cpu_featureset.index;
	s->u.cpu_featureset.nr_features = (uint32_t)given;
	memcpy(&s->u.cpu_featureset.features, &at, sizeof(at));
	result = sysctl_ask(call->run, s);
	*told = s->u.cpu_featureset.nr_features;
	return result;
}

/* Those that were told are as many as there are, which is told when nothing else is asked. */
static void after_features(struct call *call)
{
	const struct xen_sysctl_cpu_featureset *told = &sysctl_of(call)->u.cpu_featureset;
	static const struct room room = { "words", ask_features, 64, 0, ERR(ENOBUFS), false };
	struct xen_sysctl *s;
	uint32_t all;

	if (call->result)
		return;
	check_rest(call, &call->areas[1], handle_value(&told->features),
		   (uint64_t)told->nr_features * sizeof(uint32_t));
	s = sysctl_begin(call->run, SYSCTL(get_cpu_featureset));
	sysctl_ask(call->run, s);
	all = s->u.cpu_featureset.nr_features;
	if (told->nr_features != all)
		call_wrong(call, "of %ld words asked for %u are told, there are %u", call->note,
			   told->nr_features, all);
	else if (handle_value(&told->features))
		check_room(call, &room, all);
}

static void generate_policy(struct call *call)
{
	struct xen_sysctl_cpu_policy *p = &sysctl_of(call)->u.cpu_policy;
	uint32_t leaves;

	p->index = draw_mostly(call, 90, 7);
	p->_rsvd = chance(call, 5);
	leaves = chance(call, 5) ? MOST_LEAVES : 16;
	p->nr_leaves = (uint32_t)draw(call, leaves);
	p->nr_msrs = (uint32_t)draw(call, 8);
	buffer_take(call, &p->leaves, leaves * sizeof(xen_cpuid_leaf_t), true, true);
	buffer_take(call, &p->msrs, 8 * sizeof(xen_msr_entry_t), true, true);
}

static void expect_policy(struct call *call)
{
	const struct xen_sysctl_cpu_policy *p = &sysctl_of(call)->u.cpu_policy;
	uint64_t leaves = handle_value(&p->leaves), msrs = handle_value(&p->msrs);

	if (p->_rsvd || p->index > XEN_SYSCTL_cpu_policy_hvm_default) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	expect_only(call, 0);
	if ((leaves && p->nr_leaves < 256) || (msrs && p->nr_msrs < 4))
		expect_also(call, ERR(ENOBUFS));
	if ((leaves && !reachable(call, leaves, MOST_LEAVES * sizeof(xen_cpuid_leaf_t))) ||
	    (msrs && !reachable(call, msrs, 8 * sizeof(xen_msr_entry_t))))
		expect_also(call, ERR(EFAULT));
}

/* Of the two lists one; the other one is not asked for. */
static long ask_policy(struct call *call, const struct room *room, uint64_t given, uint64_t *told)
{
	struct xen_sysctl *s = sysctl_begin(call->run, SYSCTL(get_cpu_policy));
	struct xen_sysctl_cpu_policy *p = &s->u.cpu_policy;
	uint64_t at = (uintptr_t)room_buffer(call);
	long result;

	p->index = sysctl_of(call)->u.cpu_policy.index;
	p->nr_leaves = p->nr_msrs = (uint32_t)given;
	memcpy(room->second ? (void *)&p->msrs : (void *)&p->leaves, &at, sizeof(at));
	result = sysctl_ask(call->run, s);
	*told = room->second ? p->nr_msrs : p->nr_leaves;
	return result;
}

/* How many there may be is told to who asks for none. */
static void after_policy(struct call *call)
{
	static const struct room rooms[] = {
		ROOM_FOR_LEAVES(ask_policy), ROOM_FOR_REGISTERS(ask_policy),
	};
	const struct xen_sysctl_cpu_policy *p = &sysctl_of(call)->u.cpu_policy, *most;
	struct xen_sysctl *s;

	if (call->result)
		return;
	s = sysctl_begin(call->run, SYSCTL(get_cpu_policy));
	s->u.cpu_policy.index = p->index;
	sysctl_ask(call->run, s);
	most = &s->u.cpu_policy;
	check_policy(call, &(struct policy){ handle_value(&p->leaves), handle_value(&p->msrs),
					     p->nr_leaves, p->nr_msrs },
		     most->nr_leaves, most->nr_msrs);
	if (chance(call, 20))
		check_room_of_all(call, &rooms[draw(call, COUNT(rooms))]);
}

/* All of it, or what is free within some limits. */
static void generate_heap(struct call *call)
{
	struct xen_sysctl_availheap *a = &sysctl_of(call)->u.availheap;

	draw_fields(call);
	if (chance(call, 40))
		*a = (struct xen_sysctl_availheap){ .node = -1 };
}

/* A huge domain that died gives back much between two questions, but not twice. */
static uint64_t heap_again(struct call *call, const struct xen_sysctl_availheap *asked)
{
	struct xen_sysctl *s = sysctl_begin(call->run, SYSCTL(availheap));

	s->u.availheap = *asked;
	sysctl_ask(call->run, s);
	return s->u.availheap.avail_bytes / DOOR_PAGE;
}

static void after_heap(struct call *call)
{
	const struct xen_sysctl_availheap *a = &sysctl_of(call)->u.availheap;
	uint64_t free = sysctl_free_pages(call), told = a->avail_bytes / DOOR_PAGE;
	bool all = a->node == -1 && !a->min_bitwidth && !a->max_bitwidth;

	if (call->result || !free)
		return;
	if (all && told + SLACK_PAGES < free) {
		told = heap_again(call, a);
		free = sysctl_free_pages(call);
	}
	if (a->avail_bytes % DOOR_PAGE || told > free + SLACK_PAGES ||
	    (all && told + SLACK_PAGES < free))
		call_wrong(call, "%lu bytes are told to be free, there are %lu pages",
			   (uint64_t)a->avail_bytes, free);
}

static void after_physinfo(struct call *call)
{
	const struct xen_sysctl_physinfo *p = &sysctl_of(call)->u.physinfo;
	const struct machine *m = &call->run->machine;

	if (!call->result &&
	    (p->total_pages != m->total_pages || p->max_cpu_id + 1 != m->processors ||
	     p->nr_cpus != m->online || p->nr_nodes != m->nodes))
		call_wrong(call, "physinfo told another machine than at the start");
	if (!call->result &&
	    (p->max_mfn < m->total_pages - 1 || p->free_pages > m->total_pages ||
	     p->max_node_id < p->nr_nodes - 1 || !p->cpu_khz || !p->threads_per_core ||
	     !p->cores_per_socket))
		call_wrong(call, "physinfo told a machine that cannot be");
	if (!call->result && p->pad)
		call_wrong(call, "physinfo has padding that is not zero");
}

static const struct field list_fields[] = {
	SYSCTL_FIELD(getdomaininfolist.first_domain, FLOW_IN),
	SYSCTL_FIELD(getdomaininfolist.max_domains, FLOW_IN),
	SYSCTL_FIELD(getdomaininfolist.num_domains, FLOW_OUT),
	FIELDS_END,
};

static const struct field console_fields[] = {
	SYSCTL_FIELD(readconsole.clear, FLOW_IN),
	SYSCTL_FIELD(readconsole.incremental, FLOW_IN),
	SYSCTL_FIELD(readconsole.index, FLOW_INOUT),
	SYSCTL_FIELD(readconsole.count, FLOW_INOUT),
	FIELDS_END,
};

static const struct field feature_fields[] = {
	SYSCTL_FIELD(cpu_featureset.index, FLOW_IN),
	SYSCTL_FIELD(cpu_featureset.nr_features, FLOW_INOUT),
	FIELDS_END,
};

static const struct field policy_fields[] = {
	SYSCTL_FIELD(cpu_policy.index, FLOW_IN),
	SYSCTL_FIELD(cpu_policy._rsvd, FLOW_IN),
	SYSCTL_FIELD(cpu_policy.nr_leaves, FLOW_INOUT),
	SYSCTL_FIELD(cpu_policy.nr_msrs, FLOW_INOUT),
	FIELDS_END,
};

static const struct field sched_id_fields[] = {
	SYSCTL_FIELD(sched_id.sched_id, FLOW_OUT),
	FIELDS_END,
};

#ifdef XEN_SYSCTL_CPU_LEVELCAP_faulting
static const struct field levelling_fields[] = {
	SYSCTL_FIELD(cpu_levelling_caps.caps, FLOW_OUT),
	FIELDS_END,
};
#endif

static const struct field heap_fields[] = {
	SYSCTL_FIELD(availheap.min_bitwidth, FLOW_IN),
	SYSCTL_FIELD(availheap.max_bitwidth, FLOW_IN),
	SYSCTL_FIELD(availheap.node, FLOW_IN),
	SYSCTL_FIELD(availheap.avail_bytes, FLOW_VOLATILE),
	FIELDS_END,
};

static const struct field physinfo_fields[] = {
	SYSCTL_FIELD(physinfo.threads_per_core, FLOW_OUT),
	SYSCTL_FIELD(physinfo.cores_per_socket, FLOW_OUT),
	SYSCTL_FIELD(physinfo.nr_cpus, FLOW_OUT),
	SYSCTL_FIELD(physinfo.max_cpu_id, FLOW_OUT),
	SYSCTL_FIELD(physinfo.nr_nodes, FLOW_OUT),
	SYSCTL_FIELD(physinfo.max_node_id, FLOW_OUT),
	SYSCTL_FIELD(physinfo.cpu_khz, FLOW_OUT),
	SYSCTL_FIELD(physinfo.capabilities, FLOW_OUT),
	SYSCTL_FIELD(physinfo.arch_capabilities, FLOW_OUT),
	SYSCTL_FIELD(physinfo.pad, FLOW_OUT),
	SYSCTL_FIELD(physinfo.total_pages, FLOW_OUT),
	SYSCTL_FIELD(physinfo.free_pages, FLOW_VOLATILE),
	SYSCTL_FIELD(physinfo.scrub_pages, FLOW_VOLATILE),
	SYSCTL_FIELD(physinfo.outstanding_pages, FLOW_VOLATILE),
	SYSCTL_FIELD(physinfo.max_mfn, FLOW_OUT),
	SYSCTL_FIELD(physinfo.hw_cap, FLOW_OUT),
	FIELDS_END,
};

const struct operation sysctl_information[] = {
	SYSCTL_READS(getdomaininfolist, list_fields, generate_list, expect_list, after_list),
	SYSCTL_READS(readconsole, console_fields, generate_console, expect_console, NULL),
	SYSCTL_READS(get_cpu_featureset, feature_fields, generate_features, expect_features,
	      after_features),
	{ .name = "get_cpu_policy", .command = SYSCTL(get_cpu_policy), .danger = DANGER_SAFE,
	  .traits = TRAIT_READS | TRAIT_WRITES_ON_ERROR, .fields = policy_fields,
	  .generate = generate_policy, .expect = expect_policy, .after = after_policy },
	SYSCTL_READS(sched_id, sched_id_fields, NULL, expect_success, NULL),
#ifdef XEN_SYSCTL_CPU_LEVELCAP_faulting
	SYSCTL_READS(get_cpu_levelling_caps, levelling_fields, NULL, expect_success, NULL),
#endif
	SYSCTL_READS(availheap, heap_fields, generate_heap, expect_success, after_heap),
	SYSCTL_READS(physinfo, physinfo_fields, NULL, expect_success, after_physinfo),
};
const size_t sysctl_information_count = COUNT(sysctl_information);

/* sysctl: what could change the host.  Without --allow host-state only its harmless forms. */
#include "sysctl.h"

static bool may_end_it(const struct call *call)
{
	return call->run->plan.allow & DANGER_FATAL;
}

#define MOST_TRACE_PAGES 4u
#define USUAL_RATE_LIMIT 1000u

/* Reading is 0, setting is 1 to 5. */
static void generate_trace(struct call *call)
{
	struct xen_sysctl_tbuf_op *t = &sysctl_of(call)->u.tbuf_op;

	draw_fields(call);
	t->cmd = draw_mostly(call, 90, XEN_SYSCTL_TBUFOP_disable + 2);
	memset(&t->cpu_mask, 0, sizeof(t->cpu_mask));
	t->size = (uint32_t)draw(call, MOST_TRACE_PAGES);
	/* Switched off while there are none yet, traces end a Xen that was built for debugging. */
	if (t->cmd == XEN_SYSCTL_TBUFOP_disable && !may_break_xen(call))
		t->cmd = XEN_SYSCTL_TBUFOP_get_info;
	if (t->cmd <= XEN_SYSCTL_TBUFOP_disable && !may_change_host(call))
		t->cmd = XEN_SYSCTL_TBUFOP_get_info;
}

/* Buffers are made once, and stay. */
static void expect_trace(struct call *call)
{
	uint32_t command = sysctl_of(call)->u.tbuf_op.cmd;

	expect_only(call, command > XEN_SYSCTL_TBUFOP_disable ? ERR(EINVAL) : 0);
	if (command == XEN_SYSCTL_TBUFOP_set_size || command == XEN_SYSCTL_TBUFOP_enable)
		expect_also(call, ERR(EINVAL));
	if (command == XEN_SYSCTL_TBUFOP_set_size) {
		expect_also(call, ERR(EBUSY));
		expect_also(call, ERR(ENOMEM));
	}
}

/*
 * A key of "debug keys" is a command to Xen.  These only print: memory, domains, timers, queues,
 * interrupts, grants, nodes.  They are rare, for Xen drops what others print while its buffer is
 * full.  Printing the ports of a domain that has no processor yet ends Xen 4.17: a null pointer.
 */
static const char printing[] = {
	'g', 'u', 'm', 'H', 'q', 'r', 't', 'a', 'i', 'I', 'z', 'M', 'Q', 'c', 's', 'n', 'v', 'h',
	'e',
};
#define PRINT_ONE_IN 200u

static void generate_keys(struct call *call)
{
	struct xen_sysctl_debug_keys *k = &sysctl_of(call)->u.debug_keys;
	struct area *area = buffer_take(call, &k->keys, 8, false, false);

	if (may_change_host(call) && !draw(call, PRINT_ONE_IN)) {
		uint64_t address = area_sure(area);

		memcpy(&k->keys, &address, sizeof(address));
		area->at[0] = (uint8_t)printing[draw(call, COUNT(printing) - !may_end_it(call))];
		k->nr_keys = 1;
		return;
	}
	k->nr_keys = 0;
	if (!reachable(call, handle_value(&k->keys), 1))
		k->nr_keys = (uint32_t)draw(call, 8);
}

static void expect_keys(struct call *call)
{
	const struct xen_sysctl_debug_keys *k = &sysctl_of(call)->u.debug_keys;

	expect_only(call, !k->nr_keys || reachable(call, handle_value(&k->keys), k->nr_keys) ?
		    0 : ERR(EFAULT));
}

#define OFFLINE_PAGES 32u

static void generate_offline(struct call *call)
{
	struct xen_sysctl_page_offline_op *p = &sysctl_of(call)->u.page_offline;

	p->cmd = may_change_host(call) ? (uint32_t)draw(call, 5) : sysctl_query_page_offline;
	if (!may_change_host(call) && chance(call, 20))
		p->cmd = (uint32_t)draw_interesting(call, 32) | 4;
	/*
	 * Xen 4.17 takes the range of all 2^32 pages for one of none, and writes to memory that
	 * it did not allocate; so no range ends with the last number.
	 */
	p->start = 1 + (uint32_t)draw_interesting(call, 31);
	/* Pages that are there are only asked about: taking one away can take for ever. */
	if (p->cmd != sysctl_query_page_offline)
		p->start |= 1u << 30;
	p->end = p->start + (uint32_t)draw(call, OFFLINE_PAGES + 1) - 1;
	buffer_take(call, &p->status, OFFLINE_PAGES * sizeof(uint32_t), true, false);
}

static void expect_offline(struct call *call)
{
	const struct xen_sysctl_page_offline_op *p = &sysctl_of(call)->u.page_offline;

	if (p->end < p->start) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	if (!reachable(call, handle_value(&p->status), (p->end - p->start + 1ull) * 4)) {
		expect_only(call, ERR(EFAULT));
		return;
	}
	expect_only(call, ERR(EINVAL));
	if (p->cmd && p->cmd <= sysctl_query_page_offline)
		expect_also(call, 0);
	/* Putting a page back online counts errors in 32 bits without a sign (Xen 4.17). */
	if (p->cmd == sysctl_page_online)
		expect_also(call, (long)(uint32_t)ERR(EINVAL));
}

#define NO_PROCESSOR 4096u	/* as many as no Xen is built for */

static void generate_hotplug(struct call *call)
{
	struct xen_sysctl_cpu_hotplug *h = &sysctl_of(call)->u.cpu_hotplug;

	h->op = chance(call, 30) ? (uint32_t)draw(call, 2) : (uint32_t)draw_interesting(call, 32);
	if (h->op == XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE || h->op == XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE)
		h->op += XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE + 1;
	h->cpu = chance(call, 40) ? 0 : NO_PROCESSOR + (uint32_t)draw_interesting(call, 31);
}

/* The first processor is there, and stays. */
static void expect_hotplug(struct call *call)
{
	const struct xen_sysctl_cpu_hotplug *h = &sysctl_of(call)->u.cpu_hotplug;

	if (h->op > XEN_SYSCTL_CPU_HOTPLUG_OFFLINE)
		expect_only(call, ERR(EOPNOTSUPP));
	else
		expect_only(call, h->op == XEN_SYSCTL_CPU_HOTPLUG_ONLINE && !h->cpu ? ERR(EEXIST) :
			    ERR(EINVAL));
}

static void generate_pool(struct call *call)
{
	struct xen_sysctl_cpupool_op *p = &sysctl_of(call)->u.cpupool_op;
	struct area *map;

	memset(p, 0, sizeof(*p));
	p->op = chance(call, 80) ? XEN_SYSCTL_CPUPOOL_OP_INFO :
		XEN_SYSCTL_CPUPOOL_OP_FREEINFO + 1 + (uint32_t)draw_interesting(call, 16);
	if (chance(call, 20))
		p->op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
	p->cpupool_id = (uint32_t)draw_interesting(call, 16);
	p->cpumap.nr_bits = (uint32_t)draw(call, 128);
	map = buffer_take(call, &p->cpumap.bitmap, 16, true, true);
	map->out_size = map->out_size ? (p->cpumap.nr_bits + 7) / 8 : 0;
}

static void expect_pool(struct call *call)
{
	const struct xen_sysctl_cpupool_op *p = &sysctl_of(call)->u.cpupool_op;
	bool fine = !p->cpumap.nr_bits ||
		reachable(call, handle_value(&p->cpumap.bitmap), (p->cpumap.nr_bits + 7) / 8);

	if (p->op > XEN_SYSCTL_CPUPOOL_OP_FREEINFO)
		expect_only(call, ERR(ENOSYS));
	else
		expect_only(call, fine ? 0 : ERR(EFAULT));
	/* The pool with that number or above; there may be none. */
	if (p->op == XEN_SYSCTL_CPUPOOL_OP_INFO && p->cpupool_id)
		expect_also(call, ERR(ENOENT));
}

static uint32_t count_bits(const uint8_t *map, uint32_t bits)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < bits; i++)
		count += map[i / 8] >> i % 8 & 1;
	return count;
}

/* The first pool is there always: with the usual scheduler, and with us. */
static void after_pool(struct call *call)
{
	const struct xen_sysctl_cpupool_op *p = &sysctl_of(call)->u.cpupool_op;
	const struct machine *m = &call->run->machine;
	uint32_t processors = count_bits(call->areas[1].at, p->cpumap.nr_bits);

	if (call->result)
		return;
	if (handle_value(&p->cpumap.bitmap) == area_sure(&call->areas[1]) &&
	    processors > m->online)
		call_wrong(call, "%u processors are told, of %u", processors, m->online);
	if (p->op == XEN_SYSCTL_CPUPOOL_OP_INFO && !p->cpupool_id &&
	    (p->sched_id != m->scheduler || !p->n_dom))
		call_wrong(call, "the first pool has scheduler %u, not %u, and %u domains",
			   p->sched_id, m->scheduler, p->n_dom);
}

static uint32_t draw_rate_limit(struct call *call)
{
	static const uint32_t edges[] = {
		0, XEN_SYSCTL_SCHED_RATELIMIT_MIN, XEN_SYSCTL_SCHED_RATELIMIT_MAX,
	};

	return edges[draw(call, COUNT(edges))] - 1 + (uint32_t)draw(call, 3);
}

static void generate_scheduler(struct call *call)
{
	struct xen_sysctl_scheduler_op *s = &sysctl_of(call)->u.scheduler_op;

	draw_fields(call);
	s->cpupool_id = chance(call, 80) ? 0 : s->cpupool_id;
	s->sched_id = chance(call, 80) ? (uint32_t)draw(call, 12) : s->sched_id;
	if (chance(call, 50))
		s->sched_id = call->run->machine.scheduler;
	if (chance(call, 60))
		s->cmd = (uint32_t)draw(call, XEN_SYSCTL_SCHEDOP_getinfo + 1);
	if (s->sched_id == XEN_SCHEDULER_CREDIT2)
		s->u.sched_credit2.ratelimit_us = draw_rate_limit(call);
	if (s->cmd != XEN_SYSCTL_SCHEDOP_getinfo && !may_change_host(call))
		s->cmd = chance(call, 80) ? XEN_SYSCTL_SCHEDOP_getinfo : s->cmd | 2;
}

static bool rate_limit_sane(uint32_t limit)
{
	return !limit || (limit >= XEN_SYSCTL_SCHED_RATELIMIT_MIN &&
			  limit <= XEN_SYSCTL_SCHED_RATELIMIT_MAX);
}

static void expect_scheduler(struct call *call)
{
	const struct xen_sysctl_scheduler_op *s = &sysctl_of(call)->u.scheduler_op;

	if (s->cmd > XEN_SYSCTL_SCHEDOP_getinfo) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	expect_only(call, s->cpupool_id ? ERR(ESRCH) : ERR(EINVAL));
	if (s->cpupool_id || s->sched_id != call->run->machine.scheduler)
		return;
	if (s->cmd == XEN_SYSCTL_SCHEDOP_getinfo)
		expect_only(call, 0);
	else if (s->sched_id == XEN_SCHEDULER_CREDIT2)
		expect_only(call, rate_limit_sane(s->u.sched_credit2.ratelimit_us) ? 0 :
			    ERR(EINVAL));
	else
		expect_also(call, 0);
}

static uint32_t rate_limit_aside(struct call *call, uint32_t command, uint32_t limit)
{
	struct xen_sysctl *s = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*s));

	s->cmd = SYSCTL(scheduler_op);
	s->interface_version = call->run->machine.sysctl_version;
	s->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
	s->u.scheduler_op.cmd = command;
	s->u.scheduler_op.u.sched_credit2.ratelimit_us = limit;
	if (aside(call->run, __HYPERVISOR_sysctl, (uintptr_t)s, 0, 0))
		call_wrong(call, "asking for the scheduler's limit, or setting it, failed");
	return s->u.scheduler_op.u.sched_credit2.ratelimit_us;
}

/* The limit is told as it was set, and is as it was before afterwards. */
static void after_scheduler(struct call *call)
{
	const struct xen_sysctl_scheduler_op *s = &sysctl_of(call)->u.scheduler_op;
	uint32_t set = s->u.sched_credit2.ratelimit_us, now;

	if (call->result || s->cmd != XEN_SYSCTL_SCHEDOP_putinfo ||
	    s->sched_id != XEN_SCHEDULER_CREDIT2)
		return;
	now = rate_limit_aside(call, XEN_SYSCTL_SCHEDOP_getinfo, 0);
	if (now != set)
		call_wrong(call, "the scheduler's limit is %u afterwards, not %u", now, set);
	rate_limit_aside(call, XEN_SYSCTL_SCHEDOP_putinfo, USUAL_RATE_LIMIT);
}

static void expect_absent(struct call *call)
{
	expect_only(call, ERR(ENOSYS));
	expect_also(call, ERR(EOPNOTSUPP));
}

static void expect_cache(struct call *call)
{
	expect_only(call, ERR(ENODEV));
}

static void expect_cache_allocation(struct call *call)
{
	uint32_t command = sysctl_of(call)->u.psr_alloc.cmd;
	bool known = command == XEN_SYSCTL_PSR_get_l3_info ||
		     command == XEN_SYSCTL_PSR_get_l2_info ||
		     command == XEN_SYSCTL_PSR_get_mba_info;

	expect_only(call, known ? ERR(ENODEV) : ERR(EOPNOTSUPP));
}

static const struct field trace_fields[] = {
	SYSCTL_FIELD(tbuf_op.cmd, FLOW_IN),
	SYSCTL_FIELD(tbuf_op.evt_mask, FLOW_INOUT),
	SYSCTL_FIELD(tbuf_op.buffer_mfn, FLOW_INOUT),
	SYSCTL_FIELD(tbuf_op.size, FLOW_INOUT),
	FIELDS_END,
};

static const struct field keys_fields[] = {
	SYSCTL_FIELD(debug_keys.nr_keys, FLOW_IN),
	FIELDS_END,
};

static const struct field offline_fields[] = {
	SYSCTL_FIELD(page_offline.cmd, FLOW_IN),
	SYSCTL_FIELD(page_offline.start, FLOW_IN),
	SYSCTL_FIELD(page_offline.end, FLOW_IN),
	FIELDS_END,
};

static const struct field hotplug_fields[] = {
	SYSCTL_FIELD(cpu_hotplug.cpu, FLOW_IN),
	SYSCTL_FIELD(cpu_hotplug.op, FLOW_IN),
	FIELDS_END,
};

static const struct field pool_fields[] = {
	SYSCTL_FIELD(cpupool_op.op, FLOW_IN),
	SYSCTL_FIELD(cpupool_op.cpupool_id, FLOW_INOUT),
	SYSCTL_FIELD(cpupool_op.sched_id, FLOW_INOUT),
	SYSCTL_FIELD(cpupool_op.n_dom, FLOW_INOUT),
	FIELDS_END,
};

static const struct field scheduler_fields[] = {
	SYSCTL_FIELD(scheduler_op.cpupool_id, FLOW_IN),
	SYSCTL_FIELD(scheduler_op.sched_id, FLOW_IN),
	SYSCTL_FIELD(scheduler_op.cmd, FLOW_IN),
	SYSCTL_FIELD(scheduler_op.u, FLOW_INOUT),
	FIELDS_END,
};

static const struct field cache_fields[] = {
	SYSCTL_FIELD(psr_cmt_op.cmd, FLOW_IN),
	SYSCTL_FIELD(psr_cmt_op.flags, FLOW_IN),
	FIELDS_END,
};

static const struct field allocation_fields[] = {
	SYSCTL_FIELD(psr_alloc.cmd, FLOW_IN),
	SYSCTL_FIELD(psr_alloc.target, FLOW_IN),
	FIELDS_END,
};

#define CONTROL(command_name, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = SYSCTL(command_name), .danger = DANGER_SAFE, \
	  .weight = 4, .fields = field_list, .generate = generator, .expect = expectation, \
	  .after = follow }

const struct operation sysctl_control[] = {
	CONTROL(tbuf_op, trace_fields, generate_trace, expect_trace, NULL),
	CONTROL(debug_keys, keys_fields, generate_keys, expect_keys, NULL),
	CONTROL(page_offline_op, offline_fields, generate_offline, expect_offline, NULL),
	{ .name = "cpu_hotplug", .command = SYSCTL(cpu_hotplug), .danger = DANGER_SAFE,
	  .traits = TRAIT_ALONE, .weight = 1, .fields = hotplug_fields,
	  .generate = generate_hotplug, .expect = expect_hotplug },
	CONTROL(cpupool_op, pool_fields, generate_pool, expect_pool, after_pool),
	CONTROL(scheduler_op, scheduler_fields, generate_scheduler, expect_scheduler,
		after_scheduler),
	CONTROL(perfc_op, NULL, NULL, expect_absent, NULL),
	CONTROL(lockprof_op, NULL, NULL, expect_absent, NULL),
	CONTROL(psr_cmt_op, cache_fields, NULL, expect_cache, NULL),
	CONTROL(psr_alloc, allocation_fields, NULL, expect_cache_allocation, NULL),
};
const size_t sysctl_control_count = COUNT(sysctl_control);

/*
 * platform_op: the machine's processors, memory and firmware.  What would change them is
 * called with something wrong.
 */
#include "platform.h"

#define CPU_BEYOND 4096u
#define MOST_RESOURCES 3u
#define TSC_REGISTER 0x10u

static uint32_t draw_no_cpu(struct call *call)
{
	return call->run->machine.processors +
		(chance(call, 50) ? 0 : CPU_BEYOND + (uint32_t)draw_interesting(call, 30));
}

static void generate_idle(struct call *call)
{
	struct xenpf_getidletime *g = &platform_of(call)->u.getidletime;

	g->cpumap_nr_cpus = (uint32_t)draw(call, 64);
	buffer_take(call, &g->cpumap_bitmap, 8, true, false);
	buffer_take(call, &g->idletime, 64 * sizeof(uint64_t), true, false);
	/* The map is read first. */
	if (call->areas[1].out_size)
		memset(call->areas[1].at, 0xff, 8);
}

static void expect_idle(struct call *call)
{
	const struct xenpf_getidletime *g = &platform_of(call)->u.getidletime;

	expect_only(call, 0);
	if (!reachable(call, handle_value(&g->cpumap_bitmap), 8) ||
	    !reachable(call, handle_value(&g->idletime), 64 * sizeof(uint64_t)))
		expect_also(call, ERR(EFAULT));
	/* Only where the control domain manages the processors' power. */
	expect_also(call, ERR(ENOSYS));
}

static void generate_power(struct call *call)
{
	struct xenpf_set_processor_pminfo *p = &platform_of(call)->u.set_pminfo;

	memset(p, 0, sizeof(*p));
	p->id = draw_no_cpu(call);
	p->type = chance(call, 50) ? XEN_PM_TX : 5 + (uint32_t)draw_interesting(call, 31);
}

static void expect_power(struct call *call)
{
	expect_only(call, ERR(EINVAL));
	if (platform_of(call)->u.set_pminfo.type == XEN_PM_TX)
		expect_also(call, ERR(ENOSYS));
}

static void generate_online(struct call *call)
{
	platform_of(call)->u.cpu_ol.cpuid = chance(call, 30) ? 0 : draw_no_cpu(call);
}

/* The first processor is always there. */
static void expect_online(struct call *call)
{
	bool first = !platform_of(call)->u.cpu_ol.cpuid;
	bool online = call->command == XENPF_cpu_online;

	expect_only(call, !first ? ERR(EINVAL) : online ? 0 : ERR(EOPNOTSUPP));
}

static void generate_hotadd(struct call *call)
{
	struct xenpf_mem_hotadd *m = &platform_of(call)->u.mem_add;

	m->epfn = draw_interesting(call, 30);
	m->spfn = m->epfn + draw(call, 16);
	m->pxm = 0;
}

static void generate_parking(struct call *call)
{
	platform_of(call)->u.core_parking.type = chance(call, 50) ? XEN_CORE_PARKING_GET :
		3 + (uint32_t)draw_interesting(call, 31);
}

static void expect_parking(struct call *call)
{
	expect_only(call, platform_of(call)->u.core_parking.type == XEN_CORE_PARKING_GET ? 0 :
		    ERR(EINVAL));
}

/* Reading registers that nobody may, or the clock. */
static void generate_resources(struct call *call)
{
	struct xenpf_resource_op *r = &platform_of(call)->u.resource_op;
	struct area *entries;

	r->nr_entries = draw_mostly(call, 90, MOST_RESOURCES + 2);
	r->cpu = chance(call, 70) ? 0 : draw_no_cpu(call);
	entries = buffer_take(call, &r->entries, MOST_RESOURCES * sizeof(xenpf_resource_entry_t),
			      true, false);
	for (unsigned int i = 0; i < MOST_RESOURCES; i++) {
		xenpf_resource_entry_t entry = {
			.u.cmd = draw_mostly(call, 80, 3), .idx = TSC_REGISTER,
			.rsvd = chance(call, 10),
		};

		if (entry.u.cmd == XEN_RESOURCE_OP_MSR_WRITE)
			entry.u.cmd = XEN_RESOURCE_OP_MSR_READ;
		if (chance(call, 40))
			entry.idx = (uint32_t)draw_interesting(call, 32);
		memcpy(entries->at + i * sizeof(entry), &entry, sizeof(entry));
	}
}

static xenpf_resource_entry_t entry_of(const struct call *call, long number)
{
	xenpf_resource_entry_t entry;

	memcpy(&entry, call->areas[1].at + (size_t)number * sizeof(entry), sizeof(entry));
	return entry;
}

/* Else the arena's last bytes are, and no entry is seen there. */
static bool entries_seen(const struct call *call)
{
	return handle_value(&platform_of(call)->u.resource_op.entries) ==
		area_sure(&call->areas[1]);
}

static bool is_refused(const xenpf_resource_entry_t *entry)
{
	return entry->rsvd || entry->u.cmd != XEN_RESOURCE_OP_MSR_READ;
}

/* The clock can always be read; of other registers the processor says whether they can. */
static void expect_reading(struct call *call, const struct xenpf_resource_op *r)
{
	long least = 0, most = 0;

	for (uint32_t i = 0; i < r->nr_entries && entries_seen(call); i++) {
		xenpf_resource_entry_t entry = entry_of(call, i);

		if (is_refused(&entry))
			break;
		if (entry.idx == TSC_REGISTER && least == most)
			least++;
		most++;
	}
	expect_range(call, least, most);
	if (r->cpu && most)
		expect_also(call, ERR(ENODEV));
	if (r->cpu && least)
		expect_only(call, ERR(ENODEV));
}

/* The first entry that was not done says why. */
static void after_resources(struct call *call)
{
	const struct xenpf_resource_op *r = &platform_of(call)->u.resource_op;
	xenpf_resource_entry_t entry;

	if (call->result < 0 || call->result >= (long)r->nr_entries ||
	    r->nr_entries > MOST_RESOURCES || !entries_seen(call))
		return;
	entry = entry_of(call, call->result);
	if (entry.u.ret != ERR(EINVAL) && entry.u.ret != ERR(EPERM) &&
	    entry.u.ret != ERR(EOPNOTSUPP) && entry.u.ret != ERR(EFAULT))
		call_wrong(call, "entry %ld was not done, with %d", call->result, entry.u.ret);
}

static void expect_resources(struct call *call)
{
	const struct xenpf_resource_op *r = &platform_of(call)->u.resource_op;

	if (!r->nr_entries) {
		expect_only(call, 0);
	} else if (r->nr_entries > MOST_RESOURCES) {
		expect_only(call, ERR(EINVAL));
	} else {
		expect_reading(call, r);
		if (!reachable(call, handle_value(&r->entries),
			       r->nr_entries * sizeof(xenpf_resource_entry_t)))
			expect_only(call, ERR(EFAULT));
	}
}

static void generate_memtype(struct call *call)
{
	platform_of(call)->u.del_memtype.handle = 1 + (uint32_t)draw_interesting(call, 31);
	platform_of(call)->u.del_memtype.reg = (uint32_t)draw(call, 8);
}

static void generate_quirk(struct call *call)
{
	platform_of(call)->u.platform_quirk.quirk_id = 16 + (uint32_t)draw_interesting(call, 31);
}

static const struct field idle_fields[] = {
	PLATFORM_FIELD(getidletime.cpumap_nr_cpus, FLOW_IN),
	PLATFORM_FIELD(getidletime.now, FLOW_VOLATILE),
	FIELDS_END,
};

static const struct field power_fields[] = {
	PLATFORM_FIELD(set_pminfo.id, FLOW_IN),
	PLATFORM_FIELD(set_pminfo.type, FLOW_IN),
	FIELDS_END,
};

static const struct field online_fields[] = {
	PLATFORM_FIELD(cpu_ol.cpuid, FLOW_IN),
	FIELDS_END,
};

static const struct field hotadd_fields[] = {
	PLATFORM_FIELD(mem_add.spfn, FLOW_IN),
	PLATFORM_FIELD(mem_add.epfn, FLOW_IN),
	FIELDS_END,
};

static const struct field parking_fields[] = {
	PLATFORM_FIELD(core_parking.type, FLOW_IN),
	PLATFORM_FIELD(core_parking.idle_nums, FLOW_OUT),
	FIELDS_END,
};

static const struct field resource_fields[] = {
	PLATFORM_FIELD(resource_op.nr_entries, FLOW_IN),
	PLATFORM_FIELD(resource_op.cpu, FLOW_IN),
	FIELDS_END,
};

static const struct field memtype_fields[] = {
	PLATFORM_FIELD(del_memtype.handle, FLOW_IN),
	PLATFORM_FIELD(del_memtype.reg, FLOW_IN),
	FIELDS_END,
};

static const struct field quirk_fields[] = {
	PLATFORM_FIELD(platform_quirk.quirk_id, FLOW_IN),
	FIELDS_END,
};

#define MACHINE(command_name, traits_of, field_list, generator, expectation) \
	{ .name = #command_name, .command = PLATFORM(command_name), .danger = DANGER_SAFE, \
	  .traits = traits_of, .weight = 3, .fields = field_list, .generate = generator, \
	  .expect = expectation }

const struct operation platform_machine[] = {
	MACHINE(getidletime, 0, idle_fields, generate_idle, expect_idle),
	MACHINE(set_processor_pminfo, 0, power_fields, generate_power, expect_power),
	MACHINE(cpu_online, 0, online_fields, generate_online, expect_online),
	MACHINE(cpu_offline, 0, online_fields, generate_online, expect_online),
	MACHINE(mem_hotadd, 0, hotadd_fields, generate_hotadd, expect_invalid),
	MACHINE(core_parking, TRAIT_READS, parking_fields, generate_parking, expect_parking),
	{ .name = "resource_op", .command = PLATFORM(resource_op), .danger = DANGER_SAFE,
	  .weight = 3, .fields = resource_fields, .generate = generate_resources,
	  .expect = expect_resources, .after = after_resources },
	MACHINE(del_memtype, 0, memtype_fields, generate_memtype, expect_invalid),
	MACHINE(platform_quirk, 0, quirk_fields, generate_quirk, expect_invalid),
};
const size_t platform_machine_count = COUNT(platform_machine);

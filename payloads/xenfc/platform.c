/* platform_op: what it tells about the machine; what it does to it stays out. */
#include "platform.h"

struct xen_platform_op *platform_of(const struct call *call)
{
	return (struct xen_platform_op *)(void *)call->structure->at;
}

static void platform_generate(struct call *call)
{
	struct xen_platform_op *p;

	structure_take(call, 0);
	p = platform_of(call);
	draw_bytes(call, &p->u, call->operation && !chance(call, 20) ? 0 : sizeof(p->u));
	p->cmd = call->command;
	p->interface_version = chance(call, 1) ? (uint32_t)draw_interesting(call, 32) :
		call->run->machine.platform_version;
}

static bool platform_expect(struct call *call)
{
	if (!reachable(call, call->arguments[0], sizeof(struct xen_platform_op)))
		expect_only(call, ERR(EFAULT));
	else if (platform_of(call)->interface_version != call->run->machine.platform_version)
		expect_only(call, ERR(EACCES));
	else if (!call->run->machine.control)
		expect_only(call, ERR(EPERM));
	else
		return true;
	return false;
}

static uint32_t draw_cpu(struct call *call)
{
	return draw_mostly(call, 80, 4);
}

static void generate_cpuinfo(struct call *call)
{
	platform_of(call)->u.pcpu_info.xen_cpuid = draw_cpu(call);
}

/* The last one that is there; of some it may not be known how many are to come. */
static void check_last(struct call *call, uint32_t told)
{
	const struct machine *m = &call->run->machine;

	if (told >= m->processors || (m->online == m->processors && told != m->processors - 1))
		call_wrong(call, "the last processor is told to be %u, there are %u", told,
			   m->processors);
}

static void after_cpuinfo(struct call *call)
{
	const struct xenpf_pcpuinfo *p = &platform_of(call)->u.pcpu_info;
	const struct machine *m = &call->run->machine;
	uint32_t right = p->xen_cpuid < m->processors ? XEN_PCPU_FLAGS_ONLINE :
			 XEN_PCPU_FLAGS_INVALID;

	if (call->result)
		return;
	if (p->flags != right && (right & XEN_PCPU_FLAGS_INVALID || m->online == m->processors))
		call_wrong(call, "processor %u of %u is told flags %x", p->xen_cpuid, m->processors,
			   p->flags);
	check_last(call, p->max_present);
}

static void generate_version(struct call *call)
{
	platform_of(call)->u.pcpu_version.xen_cpuid = draw_cpu(call);
}

/* A processor that is there tells who made it as Xen does; of another one nothing is told. */
static void after_version(struct call *call)
{
	const struct xenpf_pcpu_version *v = &platform_of(call)->u.pcpu_version;
	const struct machine *m = &call->run->machine;
	uint32_t maker[4] = { 0 }, all, absent = 0;

	if (call->result)
		return;
	check_last(call, v->max_present);
	if (v->xen_cpuid < m->processors) {
		__asm__ ("cpuid" : "=a"(all), "=b"(maker[0]), "=d"(maker[1]), "=c"(maker[2])
			 : "a"(0), "c"(0));
	} else {
		absent = v->family | v->model | v->stepping;
	}
	if (m->online == m->processors && (absent || memcmp(v->vendor_id, maker, 12)))
		call_wrong(call, "processor %u is told to be of family %u, model %u", v->xen_cpuid,
			   v->family, v->model);
}

/* Kinds that never write through a pointer inside of the structure. */
static void generate_firmware(struct call *call)
{
	static const uint32_t kinds[] = {
		XEN_FW_DISK_MBR_SIGNATURE, XEN_FW_KBD_SHIFT_FLAGS, 6, 7, 0, UINT32_MAX,
	};
	struct xenpf_firmware_info *f = &platform_of(call)->u.firmware_info;

	f->type = kinds[draw(call, COUNT(kinds))];
	f->index = draw_mostly(call, 50, 3);
}

static void expect_firmware(struct call *call)
{
	const struct xenpf_firmware_info *f = &platform_of(call)->u.firmware_info;

	if (f->type == XEN_FW_KBD_SHIFT_FLAGS) {
		expect_only(call, f->index ? ERR(ESRCH) : 0);
	} else if (f->type == XEN_FW_DISK_MBR_SIGNATURE) {
		expect_only(call, ERR(ESRCH));
		if (f->index < 16)
			expect_also(call, 0);
	} else {
		expect_only(call, ERR(EINVAL));
	}
}

static void generate_memtype(struct call *call)
{
	platform_of(call)->u.read_memtype.reg = (uint32_t)draw_interesting(call, 32);
}

static void expect_memtype(struct call *call)
{
	uint32_t reg = platform_of(call)->u.read_memtype.reg;

	expect_only(call, ERR(EINVAL));
	if (reg < 256)
		expect_also(call, 0);
}

static void generate_symbol(struct call *call)
{
	struct xenpf_symdata *s = &platform_of(call)->u.symdata;
	struct area *name;

	s->namelen = (uint32_t)draw(call, 128);
	s->symnum = draw_mostly(call, 70, 8000);
	name = buffer_take(call, &s->name, 128, true, true);
	name->out_size = name->out_size ? s->namelen : 0;
}

/* Beyond the last symbol nothing is told, and it is no error. */
static void expect_symbol(struct call *call)
{
	const struct xenpf_symdata *s = &platform_of(call)->u.symdata;

	expect_only(call, 0);
	if (s->symnum > 4000)
		expect_also(call, ERR(EINVAL));
	if (s->symnum > 4000)
		expect_also(call, ERR(ERANGE));
	if (s->namelen && !reachable(call, handle_value(&s->name), s->namelen))
		expect_also(call, ERR(EFAULT));
}

static void generate_settime(struct call *call)
{
	draw_fields(call);
	platform_of(call)->u.settime64.mbz |= 1;
}

static const struct field platform_head[] = {
	{ "cmd", offsetof(struct xen_platform_op, cmd), 4, FLOW_IN },
	{ "interface version", offsetof(struct xen_platform_op, interface_version), 4, FLOW_IN },
	FIELDS_END,
};

static const struct field cpuinfo_fields[] = {
	PLATFORM_FIELD(pcpu_info.xen_cpuid, FLOW_IN),
	PLATFORM_FIELD(pcpu_info.max_present, FLOW_OUT),
	PLATFORM_FIELD(pcpu_info.flags, FLOW_OUT),
	PLATFORM_FIELD(pcpu_info.apic_id, FLOW_ECHO),
	PLATFORM_FIELD(pcpu_info.acpi_id, FLOW_ECHO),
	FIELDS_END,
};

static const struct field version_fields[] = {
	PLATFORM_FIELD(pcpu_version.xen_cpuid, FLOW_IN),
	PLATFORM_FIELD(pcpu_version.max_present, FLOW_OUT),
	PLATFORM_FIELD(pcpu_version.vendor_id, FLOW_OUT),
	PLATFORM_FIELD(pcpu_version.family, FLOW_OUT),
	PLATFORM_FIELD(pcpu_version.model, FLOW_OUT),
	PLATFORM_FIELD(pcpu_version.stepping, FLOW_OUT),
	FIELDS_END,
};

static const struct field firmware_fields[] = {
	PLATFORM_FIELD(firmware_info.type, FLOW_IN),
	PLATFORM_FIELD(firmware_info.index, FLOW_IN),
	PLATFORM_FIELD(firmware_info.u, FLOW_ECHO),
	FIELDS_END,
};

static const struct field memtype_fields[] = {
	PLATFORM_FIELD(read_memtype.reg, FLOW_IN),
	PLATFORM_FIELD(read_memtype.mfn, FLOW_OUT),
	PLATFORM_FIELD(read_memtype.nr_mfns, FLOW_OUT),
	PLATFORM_FIELD(read_memtype.type, FLOW_OUT),
	FIELDS_END,
};

static const struct field symbol_fields[] = {
	PLATFORM_FIELD(symdata.namelen, FLOW_INOUT),
	PLATFORM_FIELD(symdata.symnum, FLOW_INOUT),
	PLATFORM_FIELD(symdata.address, FLOW_ECHO),
	PLATFORM_FIELD(symdata.type, FLOW_ECHO),
	FIELDS_END,
};

static const struct field settime_fields[] = {
	PLATFORM_FIELD(settime64.secs, FLOW_IN),
	PLATFORM_FIELD(settime64.nsecs, FLOW_IN),
	PLATFORM_FIELD(settime64.mbz, FLOW_IN),
	FIELDS_END,
};

#define READS(command_name, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = PLATFORM(command_name), .danger = DANGER_SAFE, \
	  .traits = TRAIT_READS, .weight = 5, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

static const struct operation operations[] = {
	READS(get_cpuinfo, cpuinfo_fields, generate_cpuinfo, expect_success, after_cpuinfo),
	READS(get_cpu_version, version_fields, generate_version, expect_success, after_version),
	READS(firmware_info, firmware_fields, generate_firmware, expect_firmware, NULL),
	READS(read_memtype, memtype_fields, generate_memtype, expect_memtype, NULL),
	READS(get_symbol, symbol_fields, generate_symbol, expect_symbol, NULL),
	READS(settime64, settime_fields, generate_settime, expect_invalid, NULL),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ platform_machine, &platform_machine_count },
	{ platform_firmware, &platform_firmware_count },
};

static bool exists(uint32_t command)
{
	return command >= XENPF_settime32 && command < 80;
}

const struct family family_platform = {
	.name = "platform",
	.hypercall = __HYPERVISOR_platform_op,
	.structure_size = sizeof(struct xen_platform_op),
	.unknown_command = ERR(ENOSYS),
	.head = platform_head,
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = platform_generate,
	.expect = platform_expect,
};

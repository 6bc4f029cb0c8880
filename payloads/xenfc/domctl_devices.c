/* domctl: devices, interrupts and ports of domains, and what their processors can. */
#include "domctl.h"

#define NO_BUS_DEVICE 0xff00u
#define IO_PORTS 0x10000u
#define NOT_TOLD 0x5a3c96e1u	/* no leaf and no register */
#define NO_ENTRY UINT32_MAX	/* what Xen tells of a list in which all is well */
#define PLATFORM_INFORMATION 0xceu
#define UNKNOWN_REGISTER 0x5a3c0000u

static bool hvm(const struct call *call)
{
	return call->domain && call->domain->hvm;
}

static bool is_self(const struct call *call)
{
	return domctl_of(call)->domain == call->run->machine.domid;
}

/* Assigning, testing and taking back: without an IOMMU no domain has one enabled. */
static void generate_assign(struct call *call)
{
	struct xen_domctl_assign_device *a = &domctl_of(call)->u.assign_device;

	a->dev = chance(call, 80) ? XEN_DOMCTL_DEV_PCI : (uint32_t)draw(call, 4);
	a->flags = chance(call, 70) ? 0 : (uint32_t)draw_interesting(call, 32);
	a->u.pci.machine_sbdf = NO_BUS_DEVICE | (uint32_t)draw(call, 256);
	if (a->dev == XEN_DOMCTL_DEV_DT)
		a->dev = XEN_DOMCTL_DEV_PCI;
}

static void expect_assign(struct call *call)
{
	expect_only(call, ERR(EOPNOTSUPP));
	if (!call->run->machine.iommu)
		return;
	expect_also(call, ERR(ENODEV));
	expect_also(call, ERR(EINVAL));
}

static void generate_group(struct call *call)
{
	domctl_of(call)->u.get_device_group.machine_sbdf = NO_BUS_DEVICE;
	domctl_of(call)->u.get_device_group.max_sdevs = 0;
}

static void expect_group(struct call *call)
{
	expect_assign(call);
	if (call->run->machine.iommu)
		expect_also(call, 0);
}

/* Which physical interrupts a guest gets; there are none to give. */
static void generate_bind(struct call *call)
{
	draw_fields(call);
	domctl_of(call)->u.bind_pt_irq.machine_irq = chance(call, 50) ? (uint32_t)draw(call, 64) :
		(uint32_t)draw_interesting(call, 32);
}

static void expect_bind(struct call *call)
{
	expect_only(call, hvm(call) ? ERR(EPERM) : ERR(EINVAL));
	if (call->domain && call->domain->has_pirqs) {
		expect_also(call, ERR(ESRCH));
		expect_also(call, 0);
	}
}

static void generate_ports(struct call *call)
{
	struct xen_domctl_ioport_mapping *m = &domctl_of(call)->u.ioport_mapping;

	m->first_gport = (uint32_t)draw_interesting(call, chance(call, 80) ? 16 : 32);
	m->first_mport = (uint32_t)draw_interesting(call, chance(call, 80) ? 16 : 32);
	m->nr_ports = (uint32_t)draw_interesting(call, chance(call, 80) ? 8 : 32);
	m->add_mapping = chance(call, 60);
}

static void expect_ports(struct call *call)
{
	const struct xen_domctl_ioport_mapping *m = &domctl_of(call)->u.ioport_mapping;

	if (!hvm(call)) {
		expect_only(call, ERR(EOPNOTSUPP));
		return;
	}
	if ((m->first_gport | m->first_mport | (m->nr_ports - 1)) >= IO_PORTS ||
	    m->first_gport + m->nr_ports > IO_PORTS || m->first_mport + m->nr_ports > IO_PORTS) {
		expect_only(call, ERR(EINVAL));
		return;
	}
	expect_only(call, 0);
	expect_also(call, ERR(EPERM));
	if (!m->add_mapping && since(call, RELEASE(4, 23)))
		expect_also(call, ERR(ENOENT));
}

/* What is left of a domain that was reset is too much to know: only oneself is refused. */
static void generate_reset(struct call *call)
{
	struct xen_domctl *d = domctl_of(call);

	if (model_slot(&call->run->model, d->domain))
		d->domain = call->run->machine.domid;
	call->domain = NULL;
}

static void generate_set_policy(struct call *call)
{
	struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy;

	memset(p, 0, sizeof(*p));
	p->nr_leaves = (uint32_t)draw(call, 3);
	p->nr_msrs = (uint32_t)draw(call, 3);
	p->err_leaf = p->err_subleaf = p->err_msr = NOT_TOLD;
	buffer_take(call, &p->leaves, 4 * sizeof(xen_cpuid_leaf_t), false, false);
	buffer_take(call, &p->msrs, 4 * sizeof(xen_msr_entry_t), false, false);
}

/* Random values are refused; nothing is always taken, until the domain runs. */
static void expect_set_policy(struct call *call)
{
	const struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy;

	if (is_self(call))
		expect_only(call, ERR(EINVAL));
	else if (call->domain->finished)
		expect_only(call, ERR(EEXIST));
	else if (!p->nr_leaves && !p->nr_msrs)
		expect_only(call, 0);
	else {
		expect_only(call, ERR(ERANGE));
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(EFAULT));
		expect_also(call, ERR(EOVERFLOW));
	}
}

/* What was looked at and refused is told, or that it is none of them. */
/* One register that there is not, or with flags, which are for nobody: it is named. */
static void refuse_register(struct call *call)
{
	struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));
	struct xen_domctl_cpu_policy *p = &d->u.cpu_policy;
	xen_msr_entry_t *entry = memset(d + 1, 0, sizeof(*entry));
	uint64_t address = (uintptr_t)entry;
	long expected, result;

	entry->flags = chance(call, 50) ? (uint32_t)draw_interesting(call, 32) : 0;
	entry->idx = entry->flags && chance(call, 50) ? PLATFORM_INFORMATION :
		UNKNOWN_REGISTER + (uint32_t)draw(call, 1u << 16);
	expected = entry->flags ? ERR(EINVAL) : ERR(ERANGE);
	p->nr_msrs = 1;
	memcpy(&p->msrs, &address, sizeof(address));
	result = domctl_aside(call->run, DOMCTL(set_cpu_policy), call->domain->id);
	if (result != expected || p->err_msr != entry->idx || p->err_leaf != NO_ENTRY)
		call_wrong(call, "register %x with flags %x gave %ld, expected %ld, and refused is %x",
			   entry->idx, entry->flags, result, expected, p->err_msr);
}

static void after_set_policy(struct call *call)
{
	const struct xen_domctl_cpu_policy *p = &domctl_of(call)->u.cpu_policy;
	bool looked_at = call->result == ERR(ERANGE) || call->result == ERR(EINVAL) ||
			 call->result == ERR(EOVERFLOW);

	if (call->domain && looked_at &&
	    (p->err_leaf == NOT_TOLD || p->err_subleaf == NOT_TOLD || p->err_msr == NOT_TOLD))
		call_wrong(call, "refused are leaf %x, %x and register %x", p->err_leaf,
			   p->err_subleaf, p->err_msr);
	if (call->domain && !call->domain->finished && !call->domain->unsure)
		refuse_register(call);
}

static void generate_allocation(struct call *call)
{
	struct xen_domctl_psr_alloc *p = &domctl_of(call)->u.psr_alloc;

	p->cmd = draw_mostly(call, 90, 11);
	p->target = draw_mostly(call, 80, 2);
	p->data = draw_interesting(call, 64);
}

/* No processor here has it; data is written either way when it is asked for. */
static void expect_allocation(struct call *call)
{
	expect_only(call, ERR(ENODEV));
	expect_also(call, ERR(EOPNOTSUPP));
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(ENOENT));
}

/* Nothing is read: of a domain without processors, reading is a null pointer in Xen 4.17. */
static void generate_memory_io(struct call *call)
{
	struct xen_domctl_gdbsx_memio *m = &domctl_of(call)->u.gdbsx_guest_memio;

	memset(m, 0, sizeof(*m));
	m->gva = draw_interesting(call, 48);
}

static void expect_memory_io(struct call *call)
{
	expect_only(call, 0);
	/* Xen may be built without it. */
	expect_also(call, ERR(ENOSYS));
}

static const struct field assign_fields[] = {
	DOMCTL_FIELD(assign_device.dev, FLOW_IN),
	DOMCTL_FIELD(assign_device.flags, FLOW_IN),
	DOMCTL_FIELD(assign_device.u.pci.machine_sbdf, FLOW_IN),
	FIELDS_END,
};

static const struct field group_fields[] = {
	DOMCTL_FIELD(get_device_group.machine_sbdf, FLOW_IN),
	DOMCTL_FIELD(get_device_group.num_sdevs, FLOW_INOUT),
	FIELDS_END,
};

static const struct field bind_fields[] = {
	DOMCTL_FIELD(bind_pt_irq.machine_irq, FLOW_IN),
	DOMCTL_FIELD(bind_pt_irq.irq_type, FLOW_IN),
	DOMCTL_FIELD(bind_pt_irq.u, FLOW_IN),
	FIELDS_END,
};

static const struct field port_fields[] = {
	DOMCTL_FIELD(ioport_mapping.first_gport, FLOW_IN),
	DOMCTL_FIELD(ioport_mapping.first_mport, FLOW_IN),
	DOMCTL_FIELD(ioport_mapping.nr_ports, FLOW_IN),
	DOMCTL_FIELD(ioport_mapping.add_mapping, FLOW_IN),
	FIELDS_END,
};

static const struct field policy_fields[] = {
	DOMCTL_FIELD(cpu_policy.nr_leaves, FLOW_IN),
	DOMCTL_FIELD(cpu_policy.nr_msrs, FLOW_IN),
	DOMCTL_FIELD(cpu_policy.err_leaf, FLOW_INOUT),
	DOMCTL_FIELD(cpu_policy.err_subleaf, FLOW_INOUT),
	DOMCTL_FIELD(cpu_policy.err_msr, FLOW_INOUT),
	FIELDS_END,
};

static const struct field allocation_fields[] = {
	DOMCTL_FIELD(psr_alloc.cmd, FLOW_IN),
	DOMCTL_FIELD(psr_alloc.target, FLOW_IN),
	DOMCTL_FIELD(psr_alloc.data, FLOW_INOUT),
	FIELDS_END,
};

static const struct field memory_io_fields[] = {
	DOMCTL_FIELD(gdbsx_guest_memio.gva, FLOW_IN),
	DOMCTL_FIELD(gdbsx_guest_memio.len, FLOW_IN),
	DOMCTL_FIELD(gdbsx_guest_memio.remain, FLOW_INOUT),
	FIELDS_END,
};

#define DEVICES(command_name, traits_of, field_list, generator, expectation, follow) \
	{ .name = #command_name, .command = DOMCTL(command_name), .danger = DANGER_OWN, \
	  .weight = 4, .traits = traits_of, .fields = field_list, .generate = generator, \
	  .expect = expectation, .after = follow }

const struct operation domctl_devices[] = {
	DEVICES(assign_device, 0, assign_fields, generate_assign, expect_assign, NULL),
	DEVICES(deassign_device, 0, assign_fields, generate_assign, expect_assign, NULL),
	DEVICES(test_assign_device, 0, assign_fields, generate_assign, expect_assign, NULL),
	DEVICES(get_device_group, TRAIT_TELLS | TRAIT_WRITES_ON_ERROR, group_fields, generate_group,
		expect_group, NULL),
	DEVICES(bind_pt_irq, 0, bind_fields, generate_bind, expect_bind, NULL),
	DEVICES(unbind_pt_irq, 0, bind_fields, generate_bind, expect_bind, NULL),
	DEVICES(ioport_mapping, 0, port_fields, generate_ports, expect_ports, NULL),
	DEVICES(soft_reset, TRAIT_REFUSES_SELF, NULL, generate_reset, expect_invalid, NULL),
	DEVICES(set_cpu_policy, TRAIT_REFUSES_SELF | TRAIT_WRITES_ON_ERROR, policy_fields,
		generate_set_policy, expect_set_policy, after_set_policy),
	DEVICES(psr_alloc, TRAIT_WRITES_ON_ERROR, allocation_fields, generate_allocation,
		expect_allocation, NULL),
	DEVICES(gdbsx_guestmemio, TRAIT_WRITES_ON_ERROR, memory_io_fields, generate_memory_io,
		expect_memory_io, NULL),
};
const size_t domctl_devices_count = COUNT(domctl_devices);

/* physdev_op: PCI devices, only such as are nowhere; and the debug port of one. */
#include "physdev.h"

static void *structure(const struct call *call)
{
	return call->structure->at;
}

static void expect_no_device(struct call *call)
{
	expect_only(call, ERR(ENODEV));
}

static void expect_no_device_of_control(struct call *call)
{
	if (physdev_by_control(call))
		expect_only(call, ERR(ENODEV));
}

static void generate_pci(struct call *call)
{
	struct physdev_pci_device *p = structure(call);

	p->seg = chance(call, 80) ? 0 : (uint16_t)draw_interesting(call, 16);
	p->bus = NO_BUS;
	p->devfn = (uint8_t)draw(call, 256);
}

/* The first byte is the bus, the second the device. */
static void generate_managed(struct call *call)
{
	uint8_t *bytes = structure(call);

	bytes[0] = NO_BUS;
	bytes[1] = (uint8_t)draw(call, 256);
}

static void generate_extended(struct call *call)
{
	struct physdev_manage_pci_ext *p = structure(call);

	generate_managed(call);
	p->is_extfn = chance(call, 50) ? 2 + (unsigned int)draw(call, 1000) : 0;
	p->is_virtfn = p->is_extfn ? (unsigned int)draw(call, 2) : 2;
}

static void expect_add(struct call *call)
{
	if (!physdev_by_control(call))
		return;
	expect_only(call, 0);
	expect_also(call, ERR(ENODEV));
	expect_also(call, ERR(EOPNOTSUPP));
}

/* Xen believes the control domain that there is a device; it is told that it went. */
static void after_add(struct call *call)
{
	struct physdev_manage_pci *p = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	if (call->result)
		return;
	memcpy(p, structure(call), sizeof(*p));
	result = aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_manage_pci_remove,
		       (uintptr_t)p, 0);
	if (result)
		call_wrong(call, "taking back a device gave %ld", result);
	result = aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_manage_pci_remove,
		       (uintptr_t)p, 0);
	if (result != ERR(ENODEV))
		call_wrong(call, "taking back a device twice gave %ld", result);
}

static void generate_reserved(struct call *call)
{
	struct physdev_pci_mmcfg_reserved *p = structure(call);

	draw_fields(call);
	p->address |= 1;	/* none begins there */
	p->segment |= 1u << 15;	/* no machine has so many: what it has gives another error */
	p->flags = draw_mostly(call, 60, 2);
}

static void expect_reserved(struct call *call)
{
	const struct physdev_pci_mmcfg_reserved *p = structure(call);

	if (physdev_by_control(call))
		expect_only(call, p->flags & ~XEN_PCI_MMCFG_RESERVED ? ERR(EINVAL) : ERR(ENODEV));
}

static void expect_debug_port(struct call *call)
{
	expect_only(call, call->run->machine.hardware ? 0 : ERR(EPERM));
	if (call->run->machine.hardware) {
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(ENOSYS));
	}
}

static const struct field pci_fields[] = {
	FIELD(struct physdev_pci_device, seg, FLOW_IN),
	FIELD(struct physdev_pci_device, bus, FLOW_IN),
	FIELD(struct physdev_pci_device, devfn, FLOW_IN),
	FIELDS_END,
};

static const struct field managed_fields[] = {
	FIELD(struct physdev_manage_pci, bus, FLOW_IN),
	FIELD(struct physdev_manage_pci, devfn, FLOW_IN),
	FIELDS_END,
};

static const struct field extended_fields[] = {
	FIELD(struct physdev_manage_pci_ext, bus, FLOW_IN),
	FIELD(struct physdev_manage_pci_ext, devfn, FLOW_IN),
	FIELD(struct physdev_manage_pci_ext, is_extfn, FLOW_IN),
	FIELD(struct physdev_manage_pci_ext, is_virtfn, FLOW_IN),
	FIELDS_END,
};

static const struct field reserved_fields[] = {
	FIELD(struct physdev_pci_mmcfg_reserved, address, FLOW_IN),
	FIELD(struct physdev_pci_mmcfg_reserved, segment, FLOW_IN),
	FIELD(struct physdev_pci_mmcfg_reserved, start_bus, FLOW_IN),
	FIELD(struct physdev_pci_mmcfg_reserved, end_bus, FLOW_IN),
	FIELD(struct physdev_pci_mmcfg_reserved, flags, FLOW_IN),
	FIELDS_END,
};

const struct operation physdev_pci[] = {
	PHYSDEV("dbgp_op", dbgp_op, DANGER_SAFE, 0, physdev_dbgp_op, NULL, NULL,
		expect_debug_port, NULL),
	PHYSDEV("manage_pci_add", manage_pci_add, DANGER_HOST, 0, physdev_manage_pci,
		managed_fields, generate_managed, expect_add, after_add),
	PHYSDEV("manage_pci_remove", manage_pci_remove, DANGER_SAFE, 0, physdev_manage_pci,
		managed_fields, generate_managed, expect_no_device_of_control, NULL),
	PHYSDEV("manage_pci_add_ext", manage_pci_add_ext, DANGER_SAFE, 0, physdev_manage_pci_ext,
		extended_fields, generate_extended, expect_invalid, NULL),
	PHYSDEV("prepare_msix", prepare_msix, DANGER_SAFE, 0, physdev_pci_device, pci_fields,
		generate_pci, expect_no_device_of_control, NULL),
	PHYSDEV("release_msix", release_msix, DANGER_SAFE, 0, physdev_pci_device, pci_fields,
		generate_pci, expect_no_device_of_control, NULL),
	PHYSDEV("pci_mmcfg_reserved", pci_mmcfg_reserved, DANGER_SAFE, 0,
		physdev_pci_mmcfg_reserved, reserved_fields, generate_reserved, expect_reserved,
		NULL),
	PHYSDEV("restore_msi", restore_msi, DANGER_SAFE, 0, physdev_restore_msi, managed_fields,
		generate_managed, expect_no_device, NULL),
	PHYSDEV("restore_msi_ext", restore_msi_ext, DANGER_SAFE, 0, physdev_pci_device, pci_fields,
		generate_pci, expect_no_device, NULL),
	PHYSDEV("pci_device_remove", pci_device_remove, DANGER_SAFE, 0, physdev_pci_device,
		pci_fields, generate_pci, expect_no_device_of_control, NULL),
};
const size_t physdev_pci_count = COUNT(physdev_pci);

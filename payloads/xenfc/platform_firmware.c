/*
 * platform_op: firmware, caches and power of the machine.  What would change them is called with
 * something wrong; only the time of day is set, where the host may be changed.
 */
#include "platform.h"

#define NO_CPU 4096u		/* beyond what any machine has */
#define UPDATE_BYTES 256u
#define READ_ONE_IN 200u
#define SAFE_FLAGS 0xfffffffeu	/* that no way to sleep has */
#define SOME_DAY 1600000000u
#define YEAR 31536000u
#define BILLION 1000000000u

static void generate_disk(struct call *call)
{
	struct xenpf_firmware_info *f = &platform_of(call)->u.firmware_info;
	static const uint32_t kinds[] = {
		XEN_FW_DISK_INFO, XEN_FW_VBEDDC_INFO, XEN_FW_EFI_INFO,
	};
	uint64_t address = call->run->door->unmapped;

	f->type = kinds[draw(call, COUNT(kinds))];
	f->index = draw_mostly(call, 60, 4);
	if (f->type == XEN_FW_DISK_INFO)
		memcpy(&f->u.disk_info.edd_params, &address, sizeof(address));
	else if (f->type == XEN_FW_VBEDDC_INFO)
		memcpy(&f->u.vbeddc_info.edid, &address, sizeof(address));
	else
		f->index = XEN_FW_EFI_RT_VERSION + 1000 + (uint32_t)draw_interesting(call, 30);
}

/* None is there, or it does not fit where it shall go. */
static void expect_disk(struct call *call)
{
	if (platform_of(call)->u.firmware_info.type == XEN_FW_EFI_INFO) {
		expect_only(call, ERR(EINVAL));
		expect_also(call, ERR(ENOSYS));
	} else {
		expect_only(call, ERR(ESRCH));
		expect_also(call, ERR(EFAULT));
	}
}

/* What firmware has no word for; mostly there is none. */
static void generate_efi(struct call *call)
{
	struct xenpf_efi_runtime_call *e = &platform_of(call)->u.efi_runtime_call;

	e->function = draw_mostly(call, 90, 14);
	e->misc = 0x80000000u | (uint32_t)draw_interesting(call, 31);
}

static void expect_efi(struct call *call)
{
	expect_only(call, ERR(EINVAL));
	expect_also(call, ERR(ENOSYS));
	expect_also(call, ERR(EOPNOTSUPP));
}

/* Random bytes are no update of any processor; rarely, because Xen prints a warning. */
static void generate_update(struct call *call)
{
	struct xenpf_microcode_update *m = &platform_of(call)->u.microcode;
	struct area *area = buffer_take(call, &m->data, UPDATE_BYTES, false, false);

	m->length = (uint32_t)draw(call, UPDATE_BYTES + 1);
	if (chance(call, 50))
		memset(area->at, 0, UPDATE_BYTES);
	if (draw(call, READ_ONE_IN)) {
		m->length = 1 + (uint32_t)draw_interesting(call, 20);
		memcpy(&m->data, &call->run->door->unmapped, sizeof(uint64_t));
	}
}

static void expect_update(struct call *call)
{
	const struct xenpf_microcode_update *m = &platform_of(call)->u.microcode;

	if (m->length && !reachable(call, handle_value(&m->data), m->length)) {
		expect_only(call, ERR(EFAULT));
		expect_also(call, ERR(EINVAL));	/* none can be updated here */
		return;
	}
	expect_only(call, ERR(EINVAL));
	expect_also(call, ERR(ENOENT));
	expect_also(call, ERR(ENODATA));
	expect_also(call, ERR(EPERM));
}

static void generate_sleep(struct call *call)
{
	struct xenpf_enter_acpi_sleep *s = &platform_of(call)->u.enter_acpi_sleep;

	draw_fields(call);
	s->flags = (s->flags & SAFE_FLAGS) | 2u;
	if (chance(call, 50))
		s->sleep_state = (uint32_t)draw(call, 6);
}

static void expect_sleep(struct call *call)
{
	expect_only(call, ERR(EINVAL));
	expect_also(call, ERR(EPERM));
	if (platform_of(call)->u.enter_acpi_sleep.sleep_state == 3)
		expect_also(call, ERR(EOPNOTSUPP));
}

static void generate_frequency(struct call *call)
{
	struct xenpf_change_freq *f = &platform_of(call)->u.change_freq;

	draw_fields(call);
	f->flags = 1;
	f->cpu = NO_CPU + (uint32_t)draw(call, 8);
}

static void expect_frequency(struct call *call)
{
	expect_only(call, ERR(ENOSYS));
	expect_also(call, ERR(EINVAL));
}

static void generate_add(struct call *call)
{
	struct xenpf_cpu_hotadd *a = &platform_of(call)->u.cpu_add;

	a->apic_id = 1u << 16 | (uint32_t)draw_interesting(call, 31);
	a->acpi_id = 1u << 16 | (uint32_t)draw_interesting(call, 31);
	a->pxm = 1u << 16 | (uint32_t)draw_interesting(call, 31);
}

static void generate_quirk(struct call *call)
{
	platform_of(call)->u.platform_quirk.quirk_id = QUIRK_IOAPIC_BAD_REGSEL +
		(uint32_t)draw(call, 2);
}

static void generate_time(struct call *call)
{
	struct xenpf_settime64 *s = &platform_of(call)->u.settime64;

	s->mbz = 0;
	s->secs = SOME_DAY + draw(call, YEAR);
	s->nsecs = (uint32_t)draw(call, BILLION);
	s->system_time = draw(call, BILLION);
}

static const struct field disk_fields[] = {
	PLATFORM_FIELD(firmware_info.type, FLOW_IN),
	PLATFORM_FIELD(firmware_info.index, FLOW_IN),
	PLATFORM_FIELD(firmware_info.u, FLOW_ECHO),
	FIELDS_END,
};

static const struct field efi_fields[] = {
	PLATFORM_FIELD(efi_runtime_call.function, FLOW_IN),
	PLATFORM_FIELD(efi_runtime_call.misc, FLOW_IN),
	FIELDS_END,
};

static const struct field update_fields[] = {
	PLATFORM_FIELD(microcode.length, FLOW_IN),
	FIELDS_END,
};

static const struct field sleep_fields[] = {
	PLATFORM_FIELD(enter_acpi_sleep.val_a, FLOW_IN),
	PLATFORM_FIELD(enter_acpi_sleep.val_b, FLOW_IN),
	PLATFORM_FIELD(enter_acpi_sleep.sleep_state, FLOW_IN),
	PLATFORM_FIELD(enter_acpi_sleep.flags, FLOW_IN),
	FIELDS_END,
};

static const struct field frequency_fields[] = {
	PLATFORM_FIELD(change_freq.flags, FLOW_IN),
	PLATFORM_FIELD(change_freq.cpu, FLOW_IN),
	PLATFORM_FIELD(change_freq.freq, FLOW_IN),
	FIELDS_END,
};

static const struct field add_fields[] = {
	PLATFORM_FIELD(cpu_add.apic_id, FLOW_IN),
	PLATFORM_FIELD(cpu_add.acpi_id, FLOW_IN),
	PLATFORM_FIELD(cpu_add.pxm, FLOW_IN),
	FIELDS_END,
};

static const struct field quirk_fields[] = {
	PLATFORM_FIELD(platform_quirk.quirk_id, FLOW_IN),
	FIELDS_END,
};

static const struct field time_fields[] = {
	PLATFORM_FIELD(settime64.secs, FLOW_IN),
	PLATFORM_FIELD(settime64.nsecs, FLOW_IN),
	PLATFORM_FIELD(settime64.mbz, FLOW_IN),
	PLATFORM_FIELD(settime64.system_time, FLOW_IN),
	FIELDS_END,
};

#define FIRMWARE(name_of, command_name, class, field_list, generator, expectation) \
	{ .name = name_of, .command = PLATFORM(command_name), .danger = class, .weight = 3, \
	  .fields = field_list, .generate = generator, .expect = expectation }

const struct operation platform_firmware[] = {
	FIRMWARE("disk_info", firmware_info, DANGER_SAFE, disk_fields, generate_disk, expect_disk),
	FIRMWARE("efi_runtime_call", efi_runtime_call, DANGER_SAFE, efi_fields, generate_efi,
		 expect_efi),
	FIRMWARE("microcode_update", microcode_update, DANGER_HOST, update_fields, generate_update,
		 expect_update),
	FIRMWARE("enter_acpi_sleep", enter_acpi_sleep, DANGER_SAFE, sleep_fields, generate_sleep,
		 expect_sleep),
	FIRMWARE("change_freq", change_freq, DANGER_SAFE, frequency_fields, generate_frequency,
		 expect_frequency),
	FIRMWARE("cpu_hotadd", cpu_hotadd, DANGER_SAFE, add_fields, generate_add, expect_invalid),
	FIRMWARE("harmless_quirk", platform_quirk, DANGER_SAFE, quirk_fields, generate_quirk,
		 expect_success),
	FIRMWARE("set_time", settime64, DANGER_HOST, time_fields, generate_time, expect_success),
};
const size_t platform_firmware_count = COUNT(platform_firmware);

/* xen_version: what everybody may ask. */
#include "domctl.h"
#include "run.h"
#include "version.h"

/* The texts: how much Xen fills of a buffer that has room for it. */
static void generate_text(struct call *call, uint32_t size)
{
	struct area *area = area_take(call, size, false);

	area->out_size = size;
	area->stable = true;
	call->arguments[1] = area_address(call, area);
}

static void generate_extraversion(struct call *call)
{
	generate_text(call, sizeof(xen_extraversion_t));
}

static void generate_compile_info(struct call *call)
{
	generate_text(call, sizeof(struct xen_compile_info));
}

static void generate_capabilities(struct call *call)
{
	generate_text(call, sizeof(xen_capabilities_info_t));
}

static void generate_changeset(struct call *call)
{
	generate_text(call, sizeof(xen_changeset_info_t));
}

static void generate_commandline(struct call *call)
{
	generate_text(call, sizeof(xen_commandline_t));
}

static void generate_handle(struct call *call)
{
	generate_text(call, sizeof(xen_domain_handle_t));
}

static void generate_platform(struct call *call)
{
	generate_text(call, sizeof(struct xen_platform_parameters));
}

/* Behind the end of a text that was asked for as a whole nothing of Xen's own is left. */
static void after_text(struct call *call)
{
	const struct area *area = &call->areas[0];
	size_t end = 0;

	if (call->result || call->arguments[1] != area_sure(area))
		return;
	while (end < area->size && area->at[end])
		end++;
	while (end < area->size)
		if (area->at[end++]) {
			call_wrong(call, "byte %lu of the text, behind its end, is %u", end - 1,
				   area->at[end - 1]);
			return;
		}
}

/* Four texts, of which two are never empty; a domain knows its own handle. */
static void after_compile_info(struct call *call)
{
	const struct area *area = &call->areas[0];
	static const struct {
		size_t at, size;
		bool told;
	} texts[] = {
#define TEXT(member, always) { offsetof(struct xen_compile_info, member), \
			       sizeof(((struct xen_compile_info *)0)->member), always }
		TEXT(compiler, true), TEXT(compile_by, false), TEXT(compile_domain, false),
		TEXT(compile_date, true),
	};

	if (call->result || call->arguments[1] != area_sure(area))
		return;
	for (unsigned int i = 0; i < COUNT(texts); i++) {
		const uint8_t *at = area->at + texts[i].at;
		size_t end = 0;

		while (end < texts[i].size && at[end])
			end++;
		if (end == texts[i].size || (!end && texts[i].told))
			call_wrong(call, "text %u of how Xen was made has %lu bytes", i, end);
		while (end < texts[i].size && !at[end])
			end++;
		if (end < texts[i].size)
			call_wrong(call, "text %u of how Xen was made goes on behind its end", i);
	}
}

static void after_handle(struct call *call)
{
	const struct area *area = &call->areas[0];
	const struct machine *m = &call->run->machine;
	const struct xen_domctl_getdomaininfo *info;

	if (call->result || !m->control || call->arguments[1] != area_sure(area))
		return;
	info = domain_read(call->run, m->domid);
	if (!info || memcmp(info->handle, area->at, sizeof(info->handle)))
		call_wrong(call, "our handle is told to be another one by getdomaininfo");
}

static void expect_text(struct call *call)
{
	expect_only(call, reachable(call, call->arguments[1], call->areas[0].size) ? 0 :
		    ERR(EFAULT));
}

/* A guest is told no more than that it may not know. */
static void expect_commandline(struct call *call)
{
	uint32_t size = call->run->machine.control ? call->areas[0].size : sizeof("<denied>");

	expect_only(call, reachable(call, call->arguments[1], size) ? 0 : ERR(EFAULT));
}

static void after_commandline(struct call *call)
{
	const struct area *area = &call->areas[0];

	if (!call->result && !call->run->machine.control &&
	    call->arguments[1] == area_sure(area) &&
	    memcmp(area->at, "<denied>", sizeof("<denied>")))
		call_wrong(call, "a guest was told Xen's command line");
}

static void expect_version(struct call *call)
{
	expect_only(call, (long)call->run->machine.reported);
}

/* It takes no argument, and says so. */
static void generate_page_size(struct call *call)
{
	call->arguments[1] = chance(call, 50) ? 0 : draw_interesting(call, 64);
}

static void expect_page_size(struct call *call)
{
	expect_only(call, call->arguments[1] ? ERR(EINVAL) : (long)DOOR_PAGE);
}

static void generate_features(struct call *call)
{
	struct xen_feature_info *f = (void *)call->structure->at;

	f->submap_idx = draw_mostly(call, 50, XENFEAT_NR_SUBMAPS + 1);
}

static void expect_features(struct call *call)
{
	const struct xen_feature_info *f = (void *)call->structure->at;

	expect_only(call, f->submap_idx < XENFEAT_NR_SUBMAPS ? 0 : ERR(EINVAL));
}

static uint32_t feature(unsigned int number)
{
	return 1u << number;
}

/* What every 64-bit PV kernel is told, and what none is. */
static void after_features(struct call *call)
{
	const struct machine *m = &call->run->machine;
	const struct xen_feature_info *f = (void *)call->structure->at;
	uint32_t must = feature(XENFEAT_mmu_pt_update_preserve_ad) |
			feature(XENFEAT_highmem_assist) | feature(XENFEAT_gnttab_map_avail_bits) |
			feature(XENFEAT_memory_op_vnode_supported);
	uint32_t never = feature(XENFEAT_writable_page_tables) |
			 feature(XENFEAT_writable_descriptor_tables) |
			 feature(XENFEAT_auto_translated_physmap) |
			 feature(XENFEAT_hvm_callback_vector) | feature(XENFEAT_hvm_safe_pvclock) |
			 feature(XENFEAT_hvm_pirqs) | feature(XENFEAT_not_direct_mapped);

	if (call->result || !m->pv)
		return;
	if (m->release >= RELEASE(4, 16))
		must |= feature(XENFEAT_direct_mapped);
	*(m->hardware ? &must : &never) |= feature(XENFEAT_dom0);
	if ((f->submap & must) != must || f->submap & never)
		call_wrong(call, "the features are %x: %x must be there, %x must not", f->submap,
			   must, never);
}

static void after_platform(struct call *call)
{
	struct xen_platform_parameters told;

	memcpy(&told, call->areas[0].at, sizeof(told));
	/* Nowhere, since 4.18 and where it was built for debugging. */
	if (!call->result && call->arguments[1] == area_sure(&call->areas[0]) &&
	    told.virt_start != HYPERVISOR_VIRT_START &&
	    (told.virt_start || !since(call, RELEASE(4, 18))))
		call_wrong(call, "Xen is told to begin at %lx", (uint64_t)told.virt_start);
}

static const struct field feature_fields[] = {
	FIELD(struct xen_feature_info, submap_idx, FLOW_IN),
	FIELD(struct xen_feature_info, submap, FLOW_OUT),
	FIELDS_END,
};

#define READS(command_name, generator, expectation, follow) \
	{ .name = #command_name, .command = XENVER_##command_name, .danger = DANGER_SAFE, \
	  .traits = TRAIT_READS, .weight = 3, .generate = generator, .expect = expectation, \
	  .after = follow }

static const struct operation operations[] = {
	READS(version, NULL, expect_version, NULL),
	READS(extraversion, generate_extraversion, expect_text, after_text),
	READS(compile_info, generate_compile_info, expect_text, after_compile_info),
	READS(capabilities, generate_capabilities, expect_text, after_text),
	READS(changeset, generate_changeset, expect_text, after_text),
	READS(platform_parameters, generate_platform, expect_text, after_platform),
	{ .name = "get_features", .command = XENVER_get_features, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .weight = 4, .structure_size = sizeof(struct xen_feature_info),
	  .fields = feature_fields, .generate = generate_features, .expect = expect_features,
	  .after = after_features },
	READS(pagesize, generate_page_size, expect_page_size, NULL),
	READS(guest_handle, generate_handle, expect_text, after_handle),
	READS(commandline, generate_commandline, expect_commandline, after_commandline),
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = {
	{ operations, &operation_count },
	{ version_texts, &version_texts_count },
};

static bool exists(uint32_t command)
{
	return command < 16;
}

const struct family family_version = {
	.name = "version",
	.hypercall = __HYPERVISOR_xen_version,
	.unknown_command = ERR(ENOSYS),
	.parts = parts,
	.n_parts = COUNT(parts),
	.command_exists = exists,
	.generate = command_generate,
	.expect = command_expect,
};

/*
 * sysctl livepatch_op: changing a Xen that runs.  Nothing that Xen could take is ever loaded: names that
 * are not there, and payloads with one thing wrong, each at another step of what Xen checks.
 */
#include "sysctl.h"

#define MOST_LISTED 1024u
#define MOST_PAYLOAD (2u << 20)
#define ROOM 256u
#define SECTION_BYTES 64u
#define MOST_SECTIONS 1024u
#define RELOCATABLE 1u
#define X86_64_MACHINE 62u

/* As an object file begins, with 64 bits. */
struct elf_header {
	uint8_t magic[4];
	uint8_t class, data, version, abi, abi_version, rest[7];
	uint16_t type, machine;
	uint32_t file_version;
	uint64_t entry, program_headers, sections;
	uint32_t flags;
	uint16_t size, program_size, program_count, section_size, section_count, names;
};

static struct xen_sysctl_livepatch_op *patch_of(const struct call *call)
{
	return &sysctl_of(call)->u.livepatch;
}

/* The name is the first member of all three. */
static void generate_name(struct call *call, struct xen_livepatch_name *name)
{
	struct area *area = buffer_take(call, &name->name, ROOM, false, false);

	name->size = (uint16_t)(chance(call, 70) ? 1 + draw(call, XEN_LIVEPATCH_NAME_SIZE) :
				chance(call, 50) ? XEN_LIVEPATCH_NAME_SIZE + draw(call, 3) : 0);
	memset(area->at, 'x', ROOM);
	if (name->size && name->size <= ROOM && chance(call, 90))
		area->at[name->size - 1] = '\0';
	if (chance(call, 10))
		name->pad[draw(call, COUNT(name->pad))] = 1;
}

static bool name_sane(const struct xen_livepatch_name *name)
{
	return name->size && name->size <= XEN_LIVEPATCH_NAME_SIZE && !name->pad[0] &&
	       !name->pad[1] && !name->pad[2];
}

/* What is wrong with a name; 0: nothing. */
static long name_expected(const struct call *call, const struct xen_livepatch_name *name)
{
	uint64_t at = handle_value(&name->name);

	if (!name_sane(name))
		return ERR(EINVAL);
	if (!reachable(call, at, name->size))
		return ERR(EFAULT);
	return ((const uint8_t *)(uintptr_t)at)[name->size - 1] ? ERR(EINVAL) : 0;
}

/* ENOSYS: Xen was built without; as its own answer, to what it knows, it never is. */
static void expect_if_built(struct call *call, long result)
{
	expect_only(call, result);
	if (patch_of(call)->LIVEPATCH_RESERVED)
		expect_only(call, ERR(EINVAL));
	if (call->run->machine.livepatches < 0)
		expect_only(call, ERR(ENOSYS));
}

static void begin(struct call *call, uint32_t command)
{
	memset(patch_of(call), 0, sizeof(*patch_of(call)));
	patch_of(call)->cmd = command;
	patch_of(call)->LIVEPATCH_RESERVED = chance(call, 5) ? 2 : 0;
}

static void generate_get(struct call *call)
{
	begin(call, XEN_SYSCTL_LIVEPATCH_GET);
	generate_name(call, &patch_of(call)->u.get.name);
}

static void expect_get(struct call *call)
{
	long wrong = name_expected(call, &patch_of(call)->u.get.name);

	expect_if_built(call, wrong ? wrong : ERR(ENOENT));
}

static void generate_action(struct call *call)
{
	struct xen_sysctl_livepatch_action *a = &patch_of(call)->u.action;

	begin(call, XEN_SYSCTL_LIVEPATCH_ACTION);
	generate_name(call, &a->name);
	a->cmd = draw_mostly(call, 80, LIVEPATCH_ACTION_REPLACE + 2);
	a->timeout = (uint32_t)draw_interesting(call, 32);
	a->flags = (uint32_t)draw_interesting(call, 32);
	a->pad = chance(call, 10);
}

static void expect_action(struct call *call)
{
	const struct xen_sysctl_livepatch_action *a = &patch_of(call)->u.action;
	long wrong = name_expected(call, &a->name);

	expect_if_built(call, a->pad ? ERR(EINVAL) : wrong ? wrong : ERR(ENOENT));
}

/* Xen has none, so nothing is written but how many, which is none. */
static void generate_list(struct call *call)
{
	struct xen_sysctl_livepatch_list *l = &patch_of(call)->u.list;

	begin(call, XEN_SYSCTL_LIVEPATCH_LIST);
	l->idx = draw_mostly(call, 60, 3);
	l->nr = (uint32_t)(chance(call, 60) ? draw(call, 8) : MOST_LISTED - 1 + draw(call, 3));
	l->pad = chance(call, 10);
	l->name_total_size = l->metadata_total_size = UINT32_MAX;
	buffer_take(call, &l->status, ROOM, false, false);
	buffer_take(call, &l->name, ROOM, false, false);
	buffer_take(call, &l->len, ROOM, false, false);
	memcpy(&l->metadata, &l->name, sizeof(l->name));
	memcpy(&l->metadata_len, &l->len, sizeof(l->len));
}

/* Only what cannot be a guest's address at all is refused. */
static bool is_address(const void *handle)
{
	uint64_t at = handle_value(handle);

	return at < 0x0000800000000000ull || at >= 0xffff880000000000ull;
}

static void expect_list(struct call *call)
{
	const struct xen_sysctl_livepatch_list *l = &patch_of(call)->u.list;

	if (l->nr > MOST_LISTED)
		expect_if_built(call, ERR(E2BIG));
	else if (l->pad || (l->nr && !(is_address(&l->status) && is_address(&l->len))))
		expect_if_built(call, ERR(EINVAL));
	else
		expect_if_built(call, 0);
	/* Those that somebody loaded are looked at nowhere else. */
	if (call->run->machine.livepatches > 0) {
		expect_range(call, 0, MOST_LISTED);
		expect_also(call, ERR(E2BIG));
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(EFAULT));
	}
}

static void after_list(struct call *call)
{
	const struct xen_sysctl_livepatch_list *l = &patch_of(call)->u.list;

	if (!call->result && !call->run->machine.livepatches &&
	    (l->nr || l->name_total_size || l->metadata_total_size))
		call_wrong(call, "of no payloads %u are left, with %u bytes of names", l->nr,
			   l->name_total_size);
}

static struct elf_header right_header(void)
{
	return (struct elf_header){
		.magic = { 0x7f, 'E', 'L', 'F' }, .class = 2, .data = 1, .version = 1,
		.type = RELOCATABLE, .machine = X86_64_MACHINE, .file_version = 1,
		.sections = sizeof(struct elf_header), .section_size = SECTION_BYTES,
		.section_count = 2, .names = 1,
	};
}

/* One thing wrong, and what is said of it. */
static long spoil(struct call *call, struct elf_header *h)
{
	switch (draw(call, 12)) {
	case 0:
		h->magic[draw(call, 4)] ^= 1;
		return ERR(EINVAL);
	case 1:
		h->type++;
		return ERR(EOPNOTSUPP);
	case 2:
		h->machine++;
		return ERR(EOPNOTSUPP);
	case 3:
		h->file_version++;
		return ERR(EOPNOTSUPP);
	case 4:
		h->program_count++;
		return ERR(EOPNOTSUPP);
	case 5:
		h->class--;
		return ERR(EOPNOTSUPP);
	case 6:
		h->section_count = (uint16_t)(MOST_SECTIONS + draw(call, 2));
		return ERR(EOPNOTSUPP);
	case 7:
		h->names = 0;
		return ERR(EINVAL);
	case 8:
		h->names = h->section_count;
		return ERR(EINVAL);
	case 9:
		h->section_size--;
		return ERR(EINVAL);
	case 10:
		h->section_count += 2;	/* more than there is room for */
		return ERR(EINVAL);
	default:
		return ERR(EINVAL);	/* its only section lies within the header */
	}
}

static void generate_upload(struct call *call)
{
	struct xen_sysctl_livepatch_upload *u = &patch_of(call)->u.upload;
	struct elf_header header = right_header();
	struct area *area;

	begin(call, XEN_SYSCTL_LIVEPATCH_UPLOAD);
	generate_name(call, &u->name);
	u->size = sizeof(header) + 2 * SECTION_BYTES;
	area = buffer_take(call, &u->payload, (uint32_t)u->size, false, false);
	call->note = spoil(call, &header);
	memset(area->at, 0, area->size);
	memcpy(area->at, &header, sizeof(header));
	if (chance(call, 20)) {
		u->size = chance(call, 50) ? 0 : MOST_PAYLOAD + draw(call, 3);
	} else if (chance(call, 10)) {
		u->size = 1 + draw(call, sizeof(header) - 1);
		call->note = ERR(EINVAL);
	}
}

static void expect_upload(struct call *call)
{
	const struct xen_sysctl_livepatch_upload *u = &patch_of(call)->u.upload;

	if (name_expected(call, &u->name) || !u->size || u->size > MOST_PAYLOAD)
		expect_if_built(call, ERR(EINVAL));
	else
		expect_if_built(call, reachable(call, handle_value(&u->payload), u->size) ?
				call->note : ERR(EFAULT));
}

static void generate_unknown(struct call *call)
{
	begin(call, XEN_SYSCTL_LIVEPATCH_ACTION + 1 + (uint32_t)draw_interesting(call, 31));
}

static void expect_unknown(struct call *call)
{
	expect_if_built(call, ERR(EOPNOTSUPP));
}

static const struct field livepatch_fields[] = {
	SYSCTL_FIELD(livepatch.cmd, FLOW_IN),
	SYSCTL_FIELD(livepatch.LIVEPATCH_RESERVED, FLOW_IN),
	SYSCTL_FIELD(livepatch.u, FLOW_ECHO),
	FIELDS_END,
};

/* What was asked is written back, whatever came of it. */
#define PATCH(label, generator, expectation, follow) \
	{ .name = "livepatch_" label, .command = SYSCTL(livepatch_op), .danger = DANGER_SAFE, \
	  .traits = TRAIT_WRITES_ON_ERROR, .weight = 2, .fields = livepatch_fields, \
	  .generate = generator, .expect = expectation, .after = follow }

const struct operation sysctl_livepatch[] = {
	PATCH("get", generate_get, expect_get, NULL),
	PATCH("list", generate_list, expect_list, after_list),
	PATCH("upload", generate_upload, expect_upload, NULL),
	PATCH("action", generate_action, expect_action, NULL),
	PATCH("unknown", generate_unknown, expect_unknown, NULL),
};
const size_t sysctl_livepatch_count = COUNT(sysctl_livepatch);

/* hypfs_op: Xen's own little file system, read only here. */
#include "room.h"
#include "run.h"

#define LONGEST_PATH 32u
#define ROOM 512u

static const char *const paths[] = {
	"/", "/buildinfo", "/buildinfo/config", "/buildinfo/version", "/buildinfo/version/major",
	"/params", "/params/dom0", "/params/conswitch", "/cpupool", "/cpupool/0",
	"/cpupool/0/sched-gran", "/cpupool/4294967295", "/cpupool/none", "/nothing",
	"buildinfo", "/buildinfo/", "//",
};

/* A name that is as long as one may be, or one byte longer. */
static void name_long(struct call *call, struct area *name)
{
	uint64_t size = name->size - draw(call, 2);

	memset(name->at, 'x', size - 1);
	name->at[0] = '/';
	name->at[size - 1] = '\0';
	call->arguments[2] = size;
}

static void hypfs_generate(struct call *call)
{
	const char *path = paths[draw(call, COUNT(paths))];
	bool longest = chance(call, 3);
	struct area *name = area_take(call, longest ? XEN_HYPFS_MAX_PATHLEN + 1 : LONGEST_PATH, false);
	struct area *out = area_take(call, ROOM, false);

	memcpy(name->at, path, strlen(path));
	out->out_size = (uint32_t)draw(call, ROOM + 1);
	out->stable = true;
	call->arguments[0] = call->command;
	call->arguments[1] = area_address(call, name);
	call->arguments[2] = strlen(path) + 1;
	if (chance(call, 10))
		call->arguments[2] = draw_interesting(call, 64);
	if (longest)
		name_long(call, name);
	call->arguments[3] = area_address(call, out);
	call->arguments[4] = out->out_size;
}

/* Names that are too long, or do not end where they should, are refused. */
static bool name_sane(struct call *call)
{
	uint64_t size = call->arguments[2];
	const struct area *name = &call->areas[0];

	if (size > XEN_HYPFS_MAX_PATHLEN) {
		expect_only(call, ERR(EINVAL));
		return false;
	}
	if (!reachable(call, call->arguments[1], size)) {
		expect_only(call, size ? ERR(EFAULT) : ERR(EINVAL));
		return false;
	}
	if (call->arguments[1] == area_sure(name) && size <= name->size && size &&
	    strlen((const char *)name->at) == size - 1)
		return true;
	expect_only(call, ERR(EINVAL));
	return false;
}

static bool hypfs_expect(struct call *call)
{
	if (!call->run->machine.control) {
		expect_only(call, ERR(EPERM));
		return false;
	}
	if (call->operation && call->command == XEN_HYPFS_OP_get_version)
		return true;
	return name_sane(call);
}

static bool is_nowhere(const char *path)
{
	return strlen(path) >= LONGEST_PATH || text_equal(path, "/nothing") ||
	       text_equal(path, "/cpupool/none") || text_equal(path, "/cpupool/4294967295");
}

static void expect_read(struct call *call)
{
	const char *path = (const char *)call->areas[0].at;

	if (path[0] != '/' || is_nowhere(path)) {
		expect_only(call, path[0] == '/' ? ERR(ENOENT) : ERR(EINVAL));
		return;
	}
	/* What there is, depends on how Xen was built and started. */
	expect_only(call, 0);
	expect_also(call, ERR(ENOENT));
	expect_also(call, ERR(ENOBUFS));
	expect_also(call, ERR(EINVAL));
	if (!reachable(call, call->arguments[3], call->arguments[4]))
		expect_also(call, ERR(EFAULT));
}

static long ask_content(struct call *call, const struct room *room, uint64_t given, uint64_t *told)
{
	struct xen_hypfs_direntry *entry = memset(room_buffer(call), 0, sizeof(*entry));
	const uint64_t arguments[5] = {
		XEN_HYPFS_OP_read, area_sure(&call->areas[0]), call->arguments[2],
		(uintptr_t)entry, given,
	};
	long result = make_hypercall(call->run, __HYPERVISOR_hypfs_op, arguments);

	(void)room;
	*told = sizeof(*entry) + entry->content_len;
	return result;
}

/* One entry behind the other up to the last, each with a name that ends. */
static void check_directory(struct call *call, const uint8_t *at, uint32_t size)
{
	struct xen_hypfs_dirlistentry entry;
	const uint32_t name = offsetof(struct xen_hypfs_dirlistentry, name);
	uint32_t next = 0, longest;

	do {
		at += next;
		size -= next;
		if (size < sizeof(entry))
			return call_wrong(call, "a directory ends within an entry");
		memcpy(&entry, at, sizeof(entry));
		next = entry.off_next;
		longest = (next ? smaller(next, size) : size) - name;
		if (entry.e.pad || entry.e.type > XEN_HYPFS_TYPE_BOOL || next > size ||
		    (next && next <= name))
			return call_wrong(call, "a directory's entry has type %u, the next one is "
					  "%u further", entry.e.type, next);
		while (longest && at[name + longest - 1])
			longest--;
		if (!longest)
			return call_wrong(call, "a name in a directory has no end");
	} while (next);
}

/* What a file or directory is, is told before its content, also when that does not fit. */
static void after_read(struct call *call)
{
	static const struct room room = { "bytes", ask_content, ROOM_BYTES, 0, ERR(ENOBUFS), false };
	const struct area *out = &call->areas[1];
	struct xen_hypfs_direntry entry;

	if ((call->result && call->result != ERR(ENOBUFS)) ||
	    call->arguments[3] != area_sure(out))
		return;
	memcpy(&entry, out->at, sizeof(entry));
	if (entry.pad || entry.type > XEN_HYPFS_TYPE_BOOL || entry.encoding > XEN_HYPFS_ENC_GZIP)
		call_wrong(call, "an entry has type %u, encoding %u and padding %u", entry.type,
			   entry.encoding, entry.pad);
	if (!call->result != (sizeof(entry) + entry.content_len <= call->arguments[4]))
		call_wrong(call, "%u bytes of content and %lu of room gave %ld",
			   entry.content_len, call->arguments[4], call->result);
	else if (!call->result && entry.type == XEN_HYPFS_TYPE_DIR && entry.content_len)
		check_directory(call, out->at + sizeof(entry), entry.content_len);
	check_room(call, &room, sizeof(entry) + entry.content_len);
}

static void expect_unknown(struct call *call)
{
	expect_read(call);
	expect_also(call, ERR(EOPNOTSUPP));
}

static void generate_version(struct call *call)
{
	for (unsigned int i = 1; i < COUNT(call->arguments); i++)
		if (chance(call, 90))
			call->arguments[i] = 0;
}

static void expect_version(struct call *call)
{
	expect_only(call, XEN_HYPFS_VERSION);
	for (unsigned int i = 1; i < COUNT(call->arguments); i++)
		if (call->arguments[i])
			expect_only(call, ERR(EINVAL));
}

/*
 * Parameters get the value that they have, or one that is refused; all else is for reading only.
 * The answer is to the whole value, which ends with its only zero byte.
 */
#define VALUE(text) text, sizeof(text)
static const struct writable {
	const char *path, *value;
	uint32_t size;
	bool there;	/* in every build of Xen */
	long answer;
} writables[] = {
	{ "/params/gnttab_max_frames", VALUE("64"), false, 0 },
	{ "/params/gnttab_max_frames", VALUE("many"), false, ERR(EINVAL) },
	{ "/params/gnttab_max_frames", VALUE("64\0"), false, ERR(EDOM) },
	{ "/params/guest_loglvl", VALUE("none"), false, 0 },
	{ "/params/guest_loglvl", VALUE("none\0junk"), false, ERR(EDOM) },
	{ "/params/guest_loglvl", "none", 4, false, ERR(EDOM) },
	{ "/params/conswitch", VALUE("a"), false, 0 },
	{ "/params/conswitch", VALUE("\0a"), false, ERR(EINVAL) },
	{ "/params/conswitch", VALUE("abcd"), false, ERR(ENOSPC) },
	{ "/params/pcid", VALUE("?"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("so"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("one"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("both"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("xpti?"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("no-pti"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("xpti=so"), false, ERR(EINVAL) },
	{ "/params/pcid", VALUE("no-ptix"), false, ERR(EINVAL) },
	{ "/params/no_such", VALUE("1"), false, ERR(ENOENT) },
	{ "/buildinfo/version/major", VALUE("4"), true, ERR(EACCES) },
	{ "/", VALUE(""), true, ERR(EACCES) },
};

static void generate_write(struct call *call)
{
	const struct writable *w = &writables[call->note = (long)draw(call, COUNT(writables))];
	struct area *name = &call->areas[0], *out = &call->areas[1];

	memset(name->at, 0, name->size);
	memcpy(name->at, w->path, strlen(w->path));
	memcpy(out->at, w->value, w->size);
	out->out_size = 0;
	call->arguments[1] = area_sure(name);
	call->arguments[2] = strlen(w->path) + 1;
	call->arguments[4] = chance(call, 80) ? w->size : draw(call, 64);
}

static void expect_write(struct call *call)
{
	const struct writable *w = &writables[call->note];

	expect_only(call, ERR(EACCES));
	if (w->there)
		return;
	if (call->arguments[3] == area_sure(&call->areas[1]) &&
	    call->arguments[4] == w->size) {
		expect_only(call, w->answer);
		/* How Xen was built says which there are. */
		expect_also(call, ERR(ENOENT));
		return;
	}
	expect_also(call, 0);
	expect_also(call, ERR(ENOENT));
	expect_also(call, ERR(EINVAL));
	expect_also(call, ERR(ENOSPC));
	expect_also(call, ERR(EDOM));
	expect_also(call, ERR(ERANGE));
	if (!reachable(call, call->arguments[3], call->arguments[4]))
		expect_also(call, ERR(EFAULT));
}

static const struct operation operations[] = {
	{ .name = "get_version", .command = XEN_HYPFS_OP_get_version, .danger = DANGER_SAFE,
	  .weight = 3, .generate = generate_version, .expect = expect_version },
	{ .name = "read", .command = XEN_HYPFS_OP_read, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .weight = 4, .expect = expect_read, .after = after_read },
	{ .name = "write", .command = XEN_HYPFS_OP_write_contents, .danger = DANGER_HOST,
	  .weight = 4, .generate = generate_write, .expect = expect_write },
	{ .name = "no_command", .command = 77, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_unknown },
};
static const size_t operation_count = COUNT(operations);
static const struct part parts[] = { { operations, &operation_count } };

const struct family family_hypfs = {
	.name = "hypfs",
	.hypercall = __HYPERVISOR_hypfs_op,
	.parts = parts,
	.n_parts = COUNT(parts),
	.generate = hypfs_generate,
	.expect = hypfs_expect,
};

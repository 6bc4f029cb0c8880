/*
 * What xen_version tells as a whole: with no buffer how long it is, with a short one that it does
 * not fit.  Most of it is told cut off to a fixed length, too.
 */
#include "room.h"
#include "run.h"
#include "version.h"

struct text_kind {
	uint32_t command;
	uint32_t longest;	/* what there is room for at most */
	bool for_all;		/* who asks need not be a control domain */
	bool may_lack;		/* and is never empty */
	uint32_t cut;		/* the command that tells its beginning, in `cut_size` bytes */
	uint32_t cut_size;	/* 0: there is none */
};

#define SINCE RELEASE(4, 20)
#define CUT(name, type) XENVER_##name, sizeof(type)

static const struct text_kind kinds[] = {
	{ XENVER_build_id, 64, false, true, 0, 0 },
	{ XENVER_extraversion2, 64, true, false, CUT(extraversion, xen_extraversion_t) },
	{ XENVER_capabilities2, 1100, true, false, CUT(capabilities, xen_capabilities_info_t) },
	{ XENVER_changeset2, 128, true, false, CUT(changeset, xen_changeset_info_t) },
	{ XENVER_commandline2, 1100, false, false, CUT(commandline, xen_commandline_t) },
};

static const struct text_kind *kind_of(const struct call *call)
{
	const struct text_kind *kind = kinds;

	while (kind->command != call->command)
		kind++;
	return kind;
}

static void generate_whole(struct call *call)
{
	uint32_t longest = kind_of(call)->longest;
	struct area *area = area_take(call, 4 + longest, false);
	uint32_t room = (uint32_t)draw(call, longest + 1);

	memcpy(area->at, &room, sizeof(room));
	area->out_size = 4 + room;
	call->arguments[1] = chance(call, 20) ? 0 : area_sure(area);
}

static void expect_whole(struct call *call)
{
	const struct text_kind *kind = kind_of(call);
	uint32_t room;

	if (!call->run->machine.control && !kind->for_all) {
		expect_only(call, ERR(EPERM));
		return;
	}
	memcpy(&room, call->areas[0].at, sizeof(room));
	expect_range(call, kind->may_lack, kind->longest);
	if (call->arguments[1] && !room && call->run->machine.release < SINCE)
		expect_only(call, ERR(EINVAL));
	else if (call->arguments[1] && room < kind->longest)
		expect_also(call, ERR(ENOBUFS));
	if (kind->may_lack)
		expect_also(call, ERR(ENODATA));
}

static long ask_whole(struct call *call, const struct room *room, uint64_t given, uint64_t *told)
{
	uint32_t *length = room_buffer(call);
	long result;

	(void)room;
	*length = (uint32_t)given;
	result = aside(call->run, __HYPERVISOR_xen_version, call->command, (uintptr_t)length, 0);
	*told = (uint64_t)result;
	return result;
}

/* Its beginning is what is told of it cut off. */
static void compare_with_cut(struct call *call, const struct text_kind *kind, uint64_t length)
{
	const uint8_t *cut = call->run->door->arena + ARENA_ASIDE;
	const uint8_t *whole = (const uint8_t *)room_buffer(call) + sizeof(uint32_t);
	uint64_t told;

	if (!kind->cut_size || length > ROOM_BYTES - sizeof(uint32_t) ||
	    ask_whole(call, NULL, length, &told) < 0 ||
	    aside(call->run, __HYPERVISOR_xen_version, kind->cut, (uintptr_t)cut, 0))
		return;
	if (length > kind->cut_size - 1)
		length = kind->cut_size - 1;
	for (uint64_t i = 0; i <= length; i++)
		if (cut[i] != (i < length ? whole[i] : 0)) {
			call_wrong(call, "byte %lu of the text is %u where it is cut off, else %u",
				   i, cut[i], whole[i]);
			return;
		}
}

/* How long it is, is told to who has no memory for it. */
static void after_whole(struct call *call)
{
	const struct text_kind *kind = kind_of(call);
	static const struct room room = { "bytes", ask_whole, ROOM_BYTES, 0, ERR(ENOBUFS), false };
	long length;

	if (call->result < 0 && call->result != ERR(ENOBUFS))
		return;
	length = aside(call->run, __HYPERVISOR_xen_version, call->command, 0, 0);
	if (length < 0 || (kind->may_lack && length <= 1) ||
	    (call->result >= 0 && length != call->result)) {
		call_wrong(call, "the text has %ld bytes", length);
		return;
	}
	check_room(call, &room, (uint64_t)length);
	compare_with_cut(call, kind, (uint64_t)length);
}

#define WHOLE(command_name, first) \
	{ .name = #command_name, .command = XENVER_##command_name, .danger = DANGER_SAFE, \
	  .weight = 4, .since = first, .generate = generate_whole, .expect = expect_whole, \
	  .after = after_whole }

const struct operation version_texts[] = {
	WHOLE(build_id, 0),
	WHOLE(extraversion2, SINCE),
	WHOLE(capabilities2, SINCE),
	WHOLE(changeset2, SINCE),
	WHOLE(commandline2, SINCE),
};
const size_t version_texts_count = COUNT(version_texts);

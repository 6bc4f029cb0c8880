#include "room.h"

#include "run.h"

void *room_buffer(const struct call *call)
{
	return call->run->door->arena + ARENA_ASIDE + DOOR_PAGE;
}

static void must_tell(struct call *call, const struct room *room, uint64_t given, uint64_t needed)
{
	uint64_t told = 0;
	long result = room->ask(call, room, given, &told);

	if (result < 0 || told != needed)
		call_wrong(call, "with room for %lu %s asking gave %ld, and %lu; there are %lu", given,
			   room->what, result, told, needed);
}

void check_room(struct call *call, const struct room *room, uint64_t needed)
{
	uint64_t enough = needed + room->spare, told;
	long result;

	if (!needed || enough >= room->most || call->wrong[0])
		return;
	must_tell(call, room, enough, needed);
	must_tell(call, room, enough + 1, needed);
	result = room->ask(call, room, enough - 1, &told);
	if (result != room->too_little)
		call_wrong(call, "with room for %lu of %lu %s asking gave %ld, expected %ld",
			   enough - 1, needed, room->what, result, room->too_little);
}

void check_room_of_all(struct call *call, const struct room *room)
{
	uint64_t told = 0;

	if (!room->ask(call, room, room->most, &told))
		check_room(call, room, told);
}

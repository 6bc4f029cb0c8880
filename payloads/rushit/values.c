#include "values.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "values_parts.h"

/*
 * Objects are copied without recursion: the first sight of one makes a hollow copy and a
 * number for it (values_copy.c); hollow copies are filled here, in the order of their
 * numbers, until none is left.
 */

void values_push_part(lua_State *L, int parts, int part)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, parts);
	lua_rawgeti(L, -1, part);
	lua_remove(L, -2);
}

void values_push_object(struct values *v, int id)
{
	values_push_part(v->from, v->from_parts, OBJECTS);
	lua_rawgeti(v->from, -1, id);
	lua_remove(v->from, -2);
}

void values_push_copy(struct values *v, int id)
{
	values_push_part(v->to, v->to_parts, COPIES);
	lua_rawgeti(v->to, -1, id);
	lua_remove(v->to, -2);
}

void values_store(lua_State *L, int parts, int part, int index)
{
	values_push_part(L, parts, part);
	lua_insert(L, -2);
	lua_rawseti(L, -2, index);
	lua_pop(L, 1);
}

static void forget(lua_State *L, int parts, int part, int index)
{
	lua_pushnil(L);
	values_store(L, parts, part, index);
}

static int new_parts(lua_State *L, int count)
{
	lua_createtable(L, count, 0);
	for (int part = 1; part <= count; part++) {
		lua_newtable(L);
		lua_rawseti(L, -2, part);
	}
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

struct values *values_new(lua_State *from, lua_State *to)
{
	struct values *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->from = from;
	v->to = to;
	v->from_parts = new_parts(from, FROM_PARTS);
	v->to_parts = new_parts(to, TO_PARTS);
	return v;
}

void values_free(struct values *v)
{
	if (!v)
		return;
	luaL_unref(v->from, LUA_REGISTRYINDEX, v->from_parts);
	luaL_unref(v->to, LUA_REGISTRYINDEX, v->to_parts);
	free(v->objects);
	free(v->slots);
	free(v);
}

const char *values_problem(const struct values *v)
{
	return v->problem;
}

/* The object and its copy are on top of the two stacks, here and in the fillers below. */
static int fill_metatable(struct values *v, int id)
{
	if (!lua_getmetatable(v->from, -1))
		return 0;
	if (values_copy(v, &(struct place){ NOWHERE, .parent = id }))
		return -1;
	lua_setmetatable(v->to, -2);
	return 0;
}

static int fill_table(struct values *v, int id)
{
	lua_pushnil(v->from);
	while (lua_next(v->from, -2)) {
		lua_pushvalue(v->from, -2);
		if (values_copy(v, &(struct place){ NOWHERE, .parent = id }) ||
		    values_copy(v, &(struct place){ FIELD, .parent = id }))
			return -1;
		lua_rawset(v->to, -3);
	}
	return fill_metatable(v, id);
}

/*
 * Function and upvalue are on top of `from`.  Which upvalue of the copies stands for it:
 * `own`, when no function before shared it.
 */
static struct upvalue find_upvalue(struct values *v, struct upvalue own)
{
	void *identity = lua_upvalueid(v->from, -2, own.number);
	struct upvalue first = own;

	values_push_part(v->from, v->from_parts, UPVALUES);
	lua_pushlstring(v->from, (const char *)&identity, sizeof(identity));
	lua_pushvalue(v->from, -1);
	lua_rawget(v->from, -3);
	if (lua_isnil(v->from, -1)) {
		lua_pushvalue(v->from, -2);
		lua_pushlstring(v->from, (const char *)&own, sizeof(own));
		lua_rawset(v->from, -5);
		lua_pushvalue(v->from, -2);
		values_store(v->from, v->from_parts, UPVALUE_ORDER, ++v->upvalues);
	} else {
		memcpy(&first, lua_tostring(v->from, -1), sizeof(first));
	}
	lua_pop(v->from, 3);
	return first;
}

static int fill_upvalue(struct values *v, struct upvalue own)
{
	struct upvalue first = find_upvalue(v, own);

	if (first.function == own.function && first.number == own.number) {
		if (values_copy(v, &(struct place){ UPVALUE, own.number, own.function }))
			return -1;
		lua_setupvalue(v->to, -2, own.number);
		return 0;
	}
	lua_pop(v->from, 1);
	values_push_copy(v, first.function);
	lua_upvaluejoin(v->to, -2, own.number, -1, first.number);
	lua_pop(v->to, 1);
	return 0;
}

static int fill_function(struct values *v, int id)
{
	for (int number = 1; lua_getupvalue(v->from, -1, number); number++) {
		if (fill_upvalue(v, (struct upvalue){ id, number }))
			return -1;
	}
	lua_getfenv(v->from, -1);
	if (values_copy(v, &(struct place){ NOWHERE, .parent = id }))
		return -1;
	lua_setfenv(v->to, -2);
	return 0;
}

static int fill(struct values *v, int id)
{
	int status;

	if (!v->objects[id - 1].hollow)
		return 0;
	values_push_object(v, id);
	values_push_copy(v, id);
	status = lua_istable(v->from, -1) ? fill_table(v, id) : fill_function(v, id);
	lua_pop(v->from, 1);
	lua_pop(v->to, 1);
	return status;
}

/* What a failed carry began is unfinished: nobody may meet it again. */
static void roll_back(struct values *v, int count, int upvalues, int slots)
{
	for (; v->count > count; v->count--) {
		values_push_part(v->from, v->from_parts, SEEN);
		values_push_object(v, v->count);
		lua_pushnil(v->from);
		lua_rawset(v->from, -3);
		lua_pop(v->from, 1);
		forget(v->from, v->from_parts, OBJECTS, v->count);
		forget(v->to, v->to_parts, COPIES, v->count);
	}
	for (; v->upvalues > upvalues; v->upvalues--) {
		values_push_part(v->from, v->from_parts, UPVALUES);
		values_push_part(v->from, v->from_parts, UPVALUE_ORDER);
		lua_rawgeti(v->from, -1, v->upvalues);
		lua_remove(v->from, -2);
		lua_pushnil(v->from);
		lua_rawset(v->from, -3);
		lua_pop(v->from, 1);
	}
	v->slot_count = slots;
}

/* values_copy(), and everything that hangs on it is filled too. */
static int copy_all(struct values *v, const struct place *place)
{
	int from_top = lua_gettop(v->from) - 1, to_top = lua_gettop(v->to);
	int count = v->count, upvalues = v->upvalues, slots = v->slot_count;
	int status = values_copy(v, place);

	for (int id = count + 1; status == 0 && id <= v->count; id++)
		status = fill(v, id);
	if (status == 0)
		return 0;
	roll_back(v, count, upvalues, slots);
	lua_settop(v->from, from_top);
	lua_settop(v->to, to_top);
	return -1;
}

int values_carry(struct values *v)
{
	return copy_all(v, &(struct place){ .kind = NOWHERE });
}

int values_carry_field(struct values *v)
{
	lua_pushvalue(v->from, -2);
	if (copy_all(v, &(struct place){ .kind = NOWHERE })) {
		lua_pop(v->from, 2);
		return -1;
	}
	if (copy_all(v, &(struct place){ .kind = FIELD })) {
		lua_pop(v->from, 1);
		lua_pop(v->to, 1);
		return -1;
	}
	lua_rawset(v->to, -3);
	lua_pop(v->from, 1);
	return 0;
}

int values_slots(const struct values *v)
{
	return v->slot_count;
}

void values_push_slot(struct values *v, int n)
{
	values_push_part(v->from, v->from_parts, COLLECTORS);
	lua_rawgeti(v->from, -1, n + 1);
	lua_remove(v->from, -2);

	values_push_part(v->to, v->to_parts, SLOT_OWNERS);
	lua_rawgeti(v->to, -1, n + 1);
	lua_remove(v->to, -2);
	if (v->slots[n]) {
		lua_getupvalue(v->to, -1, v->slots[n]);
	} else {
		values_push_part(v->to, v->to_parts, SLOT_KEYS);
		lua_rawgeti(v->to, -1, n + 1);
		lua_remove(v->to, -2);
		lua_rawget(v->to, -2);
	}
	lua_remove(v->to, -2);
}

#include "values.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values_parts.h"

/*
 * Objects are copied without recursion: the first sight of one makes a hollow copy and a
 * number for it; hollow copies are filled in the order of their numbers until none is left.
 */

enum copied {
	FAILED = -1,
	WHOLE,
	HOLLOW,
};

/* Where a value goes: decides what the top of `to` holds, and what a collect()ed value's slot is */
struct place {
	enum { NOWHERE, FIELD, UPVALUE } kind;	/* FIELD: owner, key; UPVALUE: function */
	int upvalue;
	int parent;	/* the object in which the value was found; 0: none */
};

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

static void push_copy(struct values *v, int id)
{
	values_push_part(v->to, v->to_parts, COPIES);
	lua_rawgeti(v->to, -1, id);
	lua_remove(v->to, -2);
}

/* part[index] = top, which is popped */
static void store(lua_State *L, int parts, int part, int index)
{
	values_push_part(L, parts, part);
	lua_insert(L, -2);
	lua_rawseti(L, -2, index);
	lua_pop(L, 1);
}

static void forget(lua_State *L, int parts, int part, int index)
{
	lua_pushnil(L);
	store(L, parts, part, index);
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

/* Call a function of script_carry.lua: `arguments` of them are on top. */
static int ask(struct values *v, lua_State *L, const char *function, int arguments, int results)
{
	lua_getfield(L, LUA_REGISTRYINDEX, VALUES_HELPERS);
	lua_getfield(L, -1, function);
	lua_remove(L, -2);
	lua_insert(L, -1 - arguments);
	if (lua_pcall(L, arguments, results, 0) == 0)
		return 0;
	snprintf(v->problem, sizeof(v->problem), "%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	return -1;
}

static bool is_collector(lua_State *L)
{
	bool equal;

	if (!lua_istable(L, -1) || !lua_getmetatable(L, -1))
		return false;
	lua_getfield(L, LUA_REGISTRYINDEX, VALUES_HELPERS);
	lua_getfield(L, -1, "collector");
	equal = lua_rawequal(L, -1, -3);
	lua_pop(L, 3);
	return equal;
}

struct bytes {
	char *data;
	size_t size;
};

static int append(lua_State *L, const void *data, size_t size, void *context)
{
	struct bytes *bytes = context;
	char *grown = realloc(bytes->data, bytes->size + size);

	(void)L;
	if (!grown)
		return 1;
	memcpy(grown + bytes->size, data, size);
	bytes->data = grown;
	bytes->size += size;
	return 0;
}

static enum copied copy_function(struct values *v, int parent)
{
	struct bytes code = { 0 };
	enum copied done = HOLLOW;

	if (lua_iscfunction(v->from, -1)) {
		values_fail(v, parent, "is a C function, which belongs to one thread");
		return FAILED;
	}
	if (lua_dump(v->from, append, &code) ||
	    luaL_loadbuffer(v->to, code.data, code.size, "=(carried)")) {
		values_fail(v, parent, "is a function that could not be copied: out of memory");
		done = FAILED;
	}
	free(code.data);
	return done;
}

static enum copied copy_cdata(struct values *v, int parent)
{
	size_t size;
	const char *bytes;

	lua_pushvalue(v->from, -1);
	if (ask(v, v->from, "describe", 1, 2))
		return FAILED;
	if (lua_isnil(v->from, -2)) {
		char reason[200];

		snprintf(reason, sizeof(reason), "%s", lua_tostring(v->from, -1));
		lua_pop(v->from, 2);
		values_fail(v, parent, reason);
		return FAILED;
	}
	lua_pushstring(v->to, lua_tostring(v->from, -2));
	bytes = lua_tolstring(v->from, -1, &size);
	if (bytes)
		lua_pushlstring(v->to, bytes, size);
	else
		lua_pushnil(v->to);
	lua_pop(v->from, 2);
	return ask(v, v->to, "restore", 2, 1) ? FAILED : WHOLE;
}

/* Push what `to` has under the same name: 1; 0: it has no name. */
static int find_named(struct values *v)
{
	const char *name;

	lua_pushvalue(v->from, -1);
	if (ask(v, v->from, "name_of", 1, 1))
		return -1;
	name = lua_tostring(v->from, -1);
	if (!name) {
		lua_pop(v->from, 1);
		return 0;
	}
	lua_pushstring(v->to, name);
	lua_pop(v->from, 1);
	return ask(v, v->to, "named", 1, 1) ? -1 : 1;
}

static enum copied copy_object(struct values *v, int parent)
{
	int found = find_named(v);

	if (found)
		return found < 0 ? FAILED : WHOLE;
	switch (lua_type(v->from, -1)) {
	case LUA_TTABLE:
		lua_createtable(v->to, lua_objlen(v->from, -1), 0);
		return HOLLOW;
	case LUA_TFUNCTION:
		return copy_function(v, parent);
	case LUA_TTHREAD:
		values_fail(v, parent, "is a coroutine, which belongs to one thread");
		return FAILED;
	case LUA_TUSERDATA:
		values_fail(v, parent, "is userdata (an open file?), which belongs to one thread");
		return FAILED;
	default:
		return copy_cdata(v, parent);
	}
}

static bool remember(struct values *v, int parent, bool hollow)
{
	if (v->count == v->capacity) {
		int capacity = v->capacity ? 2 * v->capacity : 64;
		struct object *grown = realloc(v->objects, capacity * sizeof(*grown));

		if (!grown)
			return false;
		v->objects = grown;
		v->capacity = capacity;
	}
	v->objects[v->count++] = (struct object){ .parent = parent, .hollow = hollow };

	values_push_part(v->from, v->from_parts, SEEN);
	lua_pushvalue(v->from, -2);
	lua_pushinteger(v->from, v->count);
	lua_rawset(v->from, -3);
	lua_pop(v->from, 1);
	lua_pushvalue(v->from, -1);
	store(v->from, v->from_parts, OBJECTS, v->count);
	lua_pushvalue(v->to, -1);
	store(v->to, v->to_parts, COPIES, v->count);
	return true;
}

static int seen_before(struct values *v)
{
	int id;

	values_push_part(v->from, v->from_parts, SEEN);
	lua_pushvalue(v->from, -2);
	lua_rawget(v->from, -2);
	id = lua_tointeger(v->from, -1);
	lua_pop(v->from, 2);
	return id;
}

static int copy_reference(struct values *v, int parent)
{
	int id = seen_before(v);
	enum copied done;

	if (id) {
		push_copy(v, id);
		return 0;
	}
	done = copy_object(v, parent);
	if (done == FAILED)
		return -1;
	if (remember(v, parent, done == HOLLOW))
		return 0;
	values_fail(v, parent, "is more than memory can hold");
	return -1;
}

static int copy_value(struct values *v, const struct place *place);

/* The collector is on top of `from`: copy what is in it, and remember where that goes. */
static int copy_collected(struct values *v, const struct place *place)
{
	struct place inner = { NOWHERE, .parent = place->parent };
	int *grown = realloc(v->slots, (v->slot_count + 1) * sizeof(*grown));

	if (grown)
		v->slots = grown;
	if (!grown || place->kind == NOWHERE) {
		values_fail(v, place->parent, grown ? "was made by collect(), which is for "
			    "variables and the values in tables" : "does not fit into memory");
		return -1;
	}
	lua_rawgeti(v->from, -1, 1);
	if (copy_value(v, &inner))
		return -1;
	v->slots[v->slot_count++] = place->upvalue;
	lua_pushvalue(v->from, -1);
	store(v->from, v->from_parts, COLLECTORS, v->slot_count);
	if (place->kind == FIELD) {
		lua_pushvalue(v->to, -2);
		store(v->to, v->to_parts, SLOT_KEYS, v->slot_count);
	}
	lua_pushvalue(v->to, place->kind == FIELD ? -3 : -2);
	store(v->to, v->to_parts, SLOT_OWNERS, v->slot_count);
	return 0;
}

/* Pop a value off `from`, push its copy, which may still be hollow, on `to`. */
static int copy_value(struct values *v, const struct place *place)
{
	size_t size;
	const char *string;
	int status = 0;

	switch (lua_type(v->from, -1)) {
	case LUA_TNIL:
		lua_pushnil(v->to);
		break;
	case LUA_TBOOLEAN:
		lua_pushboolean(v->to, lua_toboolean(v->from, -1));
		break;
	case LUA_TNUMBER:
		lua_pushnumber(v->to, lua_tonumber(v->from, -1));
		break;
	case LUA_TSTRING:
		string = lua_tolstring(v->from, -1, &size);
		lua_pushlstring(v->to, string, size);
		break;
	default:
		status = is_collector(v->from) ? copy_collected(v, place)
					       : copy_reference(v, place->parent);
	}
	lua_pop(v->from, 1);
	return status;
}

/* The object and its copy are on top of the two stacks, here and in the fillers below. */
static int fill_metatable(struct values *v, int id)
{
	if (!lua_getmetatable(v->from, -1))
		return 0;
	if (copy_value(v, &(struct place){ NOWHERE, .parent = id }))
		return -1;
	lua_setmetatable(v->to, -2);
	return 0;
}

static int fill_table(struct values *v, int id)
{
	lua_pushnil(v->from);
	while (lua_next(v->from, -2)) {
		lua_pushvalue(v->from, -2);
		if (copy_value(v, &(struct place){ NOWHERE, .parent = id }) ||
		    copy_value(v, &(struct place){ FIELD, .parent = id }))
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
		store(v->from, v->from_parts, UPVALUE_ORDER, ++v->upvalues);
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
		if (copy_value(v, &(struct place){ UPVALUE, own.number, own.function }))
			return -1;
		lua_setupvalue(v->to, -2, own.number);
		return 0;
	}
	lua_pop(v->from, 1);
	push_copy(v, first.function);
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
	if (copy_value(v, &(struct place){ NOWHERE, .parent = id }))
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
	push_copy(v, id);
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

/* copy_value(), and everything that hangs on it is filled too. */
static int copy_all(struct values *v, const struct place *place)
{
	int from_top = lua_gettop(v->from) - 1, to_top = lua_gettop(v->to);
	int count = v->count, upvalues = v->upvalues, slots = v->slot_count;
	int status = copy_value(v, place);

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

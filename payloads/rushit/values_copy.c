/* Values one by one: scalars whole, objects as hollow copies under a number. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values_parts.h"

enum copied {
	FAILED = -1,
	WHOLE,
	HOLLOW,
};

/* Call a function of script_carry.lua: `arguments` of them are on top. */
static int ask(struct values *v, lua_State *L, const char *function, int arguments, int results)
{
	lua_getfield(L, LUA_REGISTRYINDEX, VALUES_HELPERS);
	lua_getfield(L, -1, function);
	lua_remove(L, -2);
	lua_insert(L, -1 - arguments);
	if (lua_pcall(L, arguments, results, 0) == 0)
		return 0;
	snprintf(v->problem, sizeof(v->problem), ": %s", lua_tostring(L, -1));
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
	values_store(v->from, v->from_parts, OBJECTS, v->count);
	lua_pushvalue(v->to, -1);
	values_store(v->to, v->to_parts, COPIES, v->count);
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
		values_push_copy(v, id);
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

/* The collector is on top of `from`: copy what is in it, and remember where that goes. */
static int copy_collected(struct values *v, const struct place *place)
{
	struct place inner = { NOWHERE, .parent = place->parent };
	int *grown = realloc(v->slots, (v->slot_count + 1) * sizeof(*grown));
	bool twice;

	if (grown)
		v->slots = grown;
	lua_rawgeti(v->from, -1, 1);
	twice = is_collector(v->from);
	lua_pop(v->from, 1);
	if (!grown || twice || place->kind == NOWHERE) {
		values_fail(v, place->parent, grown ? "was made by collect(), which is for "
			    "variables and the values in tables" : "does not fit into memory");
		return -1;
	}
	lua_rawgeti(v->from, -1, 1);
	if (values_copy(v, &inner))
		return -1;
	v->slots[v->slot_count++] = place->upvalue;
	lua_pushvalue(v->from, -1);
	values_store(v->from, v->from_parts, COLLECTORS, v->slot_count);
	if (place->kind == FIELD) {
		lua_pushvalue(v->to, -2);
		values_store(v->to, v->to_parts, SLOT_KEYS, v->slot_count);
	}
	lua_pushvalue(v->to, place->kind == FIELD ? -3 : -2);
	values_store(v->to, v->to_parts, SLOT_OWNERS, v->slot_count);
	return 0;
}

int values_copy(struct values *v, const struct place *place)
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


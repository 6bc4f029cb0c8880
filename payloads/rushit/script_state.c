#include "script_state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values_parts.h"

void script_push_helper(lua_State *L, const char *name)
{
	lua_getfield(L, LUA_REGISTRYINDEX, VALUES_HELPERS);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
}

/* Where the nearest Lua function stands: functions of C have no line. */
static void push_where(lua_State *L)
{
	lua_Debug place;

	for (int level = 1; lua_getstack(L, level, &place); level++) {
		lua_getinfo(L, "Sl", &place);
		if (place.currentline > 0) {
			lua_pushfstring(L, "%s:%d: ", place.short_src, place.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}

int script_explain(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING)
		return 1;
	push_where(L);
	if (luaL_callmeta(L, 1, "__tostring") && !lua_isstring(L, -1))
		lua_pop(L, 1);
	if (lua_gettop(L) == 2)
		lua_pushfstring(L, "an error that is a %s", luaL_typename(L, 1));
	lua_concat(L, 2);
	return 1;
}

/* host.file(module): the text of a built-in file, or nil */
static int host_file(lua_State *L)
{
	size_t size;
	const char *text = script_file(luaL_checkstring(L, 1), &size);

	if (!text)
		return 0;
	lua_pushlstring(L, text, size);
	return 1;
}

static int host_constants(lua_State *L)
{
	script_push_constants(L);
	return 1;
}

static void push_host(lua_State *L, const struct script_place *place)
{
	lua_newtable(L);
	lua_pushboolean(L, place->client);
	lua_setfield(L, -2, "client");
	lua_pushinteger(L, place->threads);
	lua_setfield(L, -2, "threads");
	lua_pushcfunction(L, host_file);
	lua_setfield(L, -2, "file");
	lua_pushcfunction(L, host_constants);
	lua_setfield(L, -2, "constants");
	if (place->thread >= 0) {
		lua_pushinteger(L, place->thread);
		lua_setfield(L, -2, "thread");
		return;
	}
	lua_pushlightuserdata(L, place->context);
	lua_pushcclosure(L, place->run, 1);
	lua_setfield(L, -2, "run");
	lua_pushlightuserdata(L, place->context);
	lua_pushcclosure(L, place->has_run, 1);
	lua_setfield(L, -2, "has_run");
}

static int load_built_in(lua_State *L, const char *module)
{
	char name[64];
	size_t size;
	const char *text = script_file(module, &size);

	snprintf(name, sizeof(name), "=%s.lua", module);
	return luaL_loadbuffer(L, text, size, name);
}

/* Protected: the place is the only argument. */
static int prepare(lua_State *L)
{
	const struct script_place *place = lua_touserdata(L, 1);

	luaL_openlibs(L);
	if (load_built_in(L, "script_carry"))
		return lua_error(L);
	lua_call(L, 0, 1);
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, VALUES_HELPERS);

	if (load_built_in(L, "script_prelude"))
		return lua_error(L);
	push_host(L, place);
	lua_pushvalue(L, -3);
	lua_call(L, 2, 0);
	return 0;
}

/* Only memory can run out outside of a protected call. */
static int panic(lua_State *L)
{
	fprintf(stderr, "script: %s\n", lua_tostring(L, -1));
	exit(1);
}

lua_State *script_state_new(const struct script_place *place, char *problem, size_t size)
{
	lua_State *L = luaL_newstate();

	if (!L) {
		snprintf(problem, size, "no memory for a Lua state");
		return NULL;
	}
	lua_atpanic(L, panic);
	if (lua_cpcall(L, prepare, (void *)place)) {
		snprintf(problem, size, "%s", lua_tostring(L, -1));
		lua_close(L);
		return NULL;
	}
	return L;
}

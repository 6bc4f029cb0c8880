/*
 * Builds a heap of Lua values as the input says, carries it to another state and compares;
 * then carries the copy back.  Each byte is a step on two of the values made so far.  Libraries
 * and the metatable of strings are among them: what is set there is carried too, as run() does,
 * and taken back before the next input.
 */
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "same.h"
#include "script_state.h"
#include "values.h"

#define MOST_VALUES 64
#define RUNS_A_STATE 5000	/* what a state remembers is thrown away then */

static lua_State *from, *to;

static int nothing(lua_State *L)
{
	lua_pushboolean(L, 0);
	return 1;
}

/* Makers: the Lua functions that make closures, joined and not, and cdata. */
static const char makers[] =
	"local ffi = require('ffi') local new = ffi.new "
	"return { function() local a, b = 1, 2 "
	"  return { function(x) if x then a = x end return a, b end, function() b = a end } end, "
	"function() return function() return 0 end end, "
	"function(x) return function() return x end end, "
	"function(x) return setfenv(function() return y end, x) end, "
	"function(x) return new('uint8_t[?]', (tonumber(x) or 0) % 50) end, "
	"function(x) return new('int64_t', tonumber(x) or 0) end, "
	"collect, function() return io.tmpfile end, "
	"function(x) return coroutine.create(function() end) end, "
	"function() return new('char *[2]') end, "
	"function() return getmetatable('') end, function() return string end }";
#define MAKERS 12

enum library { STRINGS_METATABLE, STRING, LIBRARIES };

/* Gives a function that undoes what was set in the libraries since. */
static const char keeper[] =
	"local owners = {getmetatable(''), string} "
	"local pairs, rawset = pairs, rawset "
	"local kept = {} "
	"for n, owner in pairs(owners) do "
	"  kept[n] = {} for k, v in pairs(owner) do kept[n][k] = v end end "
	"return function() "
	"  for n, owner in pairs(owners) do "
	"    for k in pairs(owner) do rawset(owner, k, nil) end "
	"    for k, v in pairs(kept[n]) do rawset(owner, k, v) end end end";

static lua_State *new_state(int thread)
{
	char problem[256];
	struct script_place place = {
		.client = true, .threads = 1, .thread = thread, .run = nothing, .has_run = nothing,
	};
	lua_State *L = script_state_new(&place, problem, sizeof(problem));

	if (!L) {
		fprintf(stderr, "%s\n", problem);
		abort();
	}
	return L;
}

static void keep_libraries(lua_State *L)
{
	if (luaL_loadstring(L, keeper) || lua_pcall(L, 0, 1, 0))
		abort();
	lua_setfield(L, LUA_REGISTRYINDEX, "undo");
}

static void undo_changes(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "undo");
	if (lua_pcall(L, 0, 0, 0))
		abort();
}

static void renew_states(void)
{
	static int runs;

	if (runs++ % RUNS_A_STATE)
		return;
	if (from) {
		lua_close(from);
		lua_close(to);
	}
	from = new_state(-1);
	to = new_state(0);
	if (luaL_loadstring(from, makers) || lua_pcall(from, 0, 1, 0))
		abort();
	lua_setfield(from, LUA_REGISTRYINDEX, "makers");
	keep_libraries(from);
	keep_libraries(to);
}

/* Values are the stack of `from`; index of one of them. */
static int pick(uint8_t byte)
{
	return 1 + byte % lua_gettop(from);
}

static void make(uint8_t which, uint8_t argument)
{
	int index = pick(argument);

	lua_getfield(from, LUA_REGISTRYINDEX, "makers");
	lua_rawgeti(from, -1, 1 + which % MAKERS);
	lua_remove(from, -2);
	lua_pushvalue(from, index);
	if (lua_pcall(from, 1, 1, 0))
		lua_pop(from, 1);
}

static void set_field(uint8_t table, uint8_t key, uint8_t value)
{
	int index = pick(table);

	if (!lua_istable(from, index))
		return;
	lua_pushvalue(from, pick(key));
	lua_pushvalue(from, pick(value));
	if (lua_isnil(from, -2) ||
	    (lua_isnumber(from, -2) && lua_tonumber(from, -2) != lua_tonumber(from, -2)))
		lua_pop(from, 2);
	else
		lua_rawset(from, index);
}

static void push_library(lua_State *L, enum library which)
{
	if (which == STRING) {
		lua_getfield(L, LUA_GLOBALSINDEX, "string");
		return;
	}
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_remove(L, -2);
}

/* What a script's setmetatable() does to a library stays in the main state. */
static bool is_library(int index)
{
	bool found = false;

	for (enum library which = 0; which < LIBRARIES; which++) {
		push_library(from, which);
		found = found || lua_rawequal(from, index, -1);
		lua_pop(from, 1);
	}
	return found;
}

static void step(const uint8_t *bytes, size_t left)
{
	switch (bytes[0] % 10) {
	case 0:
		lua_newtable(from);
		break;
	case 1:
		lua_pushnumber(from, bytes[1]);
		break;
	case 2:
		lua_pushlstring(from, (const char *)bytes, left < 4 ? left : 4);
		break;
	case 3:
		lua_pushboolean(from, bytes[1] & 1);
		break;
	case 4:
	case 5:
		make(bytes[1], bytes[2]);
		break;
	case 6:
	case 7:
		set_field(bytes[1], bytes[2], bytes[3]);
		break;
	case 8:
		if (lua_istable(from, pick(bytes[1])) && lua_istable(from, pick(bytes[2])) &&
		    !is_library(pick(bytes[1]))) {
			lua_pushvalue(from, pick(bytes[2]));
			lua_setmetatable(from, 1 + bytes[1] % (lua_gettop(from) - 1));
		}
		break;
	case 9:
		if (lua_isfunction(from, pick(bytes[1])) && !lua_iscfunction(from, pick(bytes[1]))) {
			int function = pick(bytes[1]);

			lua_pushvalue(from, pick(bytes[2]));
			if (!lua_setupvalue(from, function, 1 + bytes[3] % 2))
				lua_pop(from, 1);
		}
		break;
	}
}

static void wrong(const char *what)
{
	fprintf(stderr, "fuzz_values: %s\n", what);
	abort();
}

/* One {owner, key, value} on top of `from`; false when it was refused. */
static bool carry_change(struct values *there)
{
	bool carried;

	lua_rawgeti(from, -1, 1);
	if (values_carry(there))
		wrong(values_problem(there));
	lua_rawgeti(from, -1, 2);
	lua_rawgeti(from, -2, 3);
	carried = !values_carry_field(there);
	if (!carried && !values_problem(there)[0])
		wrong("refused without a reason");
	lua_pop(to, 1);
	return carried;
}

/* What was set in the libraries, as run() carries it; false when something was refused. */
static bool carry_changes(struct values *there)
{
	bool carried = true;

	script_push_helper(from, "changes");
	lua_call(from, 0, 1);
	for (int n = 1, changes = (int)lua_objlen(from, -1); n <= changes; n++) {
		lua_rawgeti(from, -1, n);
		carried = carry_change(there) && carried;
		lua_pop(from, 1);
	}
	lua_pop(from, 1);
	for (enum library which = 0; which < LIBRARIES && carried && !values_slots(there); which++) {
		push_library(from, which);
		push_library(to, which);
		if (!same(from, to))
			wrong("another library arrived");
		lua_pop(from, 1);
		lua_pop(to, 1);
	}
	return carried;
}

/* Carry the top of `from` to `to` and back; the stacks end as they began. */
static void there_and_back(void)
{
	struct values *there = values_new(from, to), *back = values_new(to, from);
	int top = lua_gettop(from);
	bool alike = carry_changes(there);

	lua_pushvalue(from, -1);
	if (values_carry(there)) {
		if (!values_problem(there)[0])
			wrong("refused without a reason");
	} else {
		/* collect()ed values arrive unwrapped: not the same, but they must come back */
		if (alike && values_slots(there) == 0 && !same(from, to))
			wrong("another value arrived");
		lua_pushvalue(to, -1);
		if (values_carry(back))
			wrong(values_problem(back));
		if (alike && !same(from, to))
			wrong("another value came back");
		lua_pop(from, 1);
		lua_pop(to, 1);
	}
	for (int n = 0; n < values_slots(there); n++) {
		values_push_slot(there, n);
		lua_pop(from, 1);
		lua_pop(to, 1);
	}
	/* the passage still works */
	lua_pushliteral(from, "x");
	if (values_carry(there) || lua_gettop(from) != top || lua_gettop(to) != 1)
		wrong("the passage does not work any more");
	lua_settop(to, 0);
	values_free(there);
	values_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	renew_states();
	lua_settop(from, 0);
	lua_newtable(from);
	for (; size >= 4 && lua_gettop(from) < MOST_VALUES; data += 4, size -= 4)
		step(data, size);
	lua_pushvalue(from, 1);
	there_and_back();
	lua_settop(from, 0);
	undo_changes(from);
	undo_changes(to);
	return 0;
}

#include "sandbox.h"

#include <lauxlib.h>
#include <luajit.h>
#include <stdlib.h>
#include <string.h>

#define MOST_INSTRUCTIONS 2000
#define MOST_MEMORY (8u << 20)	/* in one run */

static struct {
	lua_Alloc allocate;
	void *context;
	size_t used, limit;
} memory;

static void *allocate_little(void *unused, void *old, size_t old_size, size_t size)
{
	(void)unused;
	if (size > old_size && memory.limit && memory.used + size - old_size > memory.limit)
		return NULL;
	memory.used += size - (old ? old_size : 0);
	return memory.allocate(memory.context, old, old_size, size);
}

static void out_of_time(lua_State *L, lua_Debug *unused)
{
	(void)unused;
	luaL_error(L, "out of time");
}

/*
 * No io, os, ffi, S, load; no pcall, which would swallow the end of time; no string.rep,
 * and no patterns, which may take ages in one instruction.
 */
static const char allowed[] =
	"local safe = {} "
	"for _, name in ipairs{'assert', 'error', 'ipairs', 'next', 'pairs', 'rawequal', "
	"  'rawget', 'rawset', 'select', 'setmetatable', 'tonumber', 'tostring', 'type', "
	"  'unpack', 'collect', 'is_client', 'is_server', 'tid_iter', 'math', 'bit', "
	"  'setfenv', 'client_socket', 'client_close', 'client_recvmsg'} do "
	"  safe[name] = _G[name] end "
	"local s = {} "
	"for _, name in ipairs{'byte', 'char', 'len', 'lower', 'sub', 'upper', 'reverse'} do "
	"  s[name] = string[name] end "
	"safe.string = s "
	"safe.table = {insert = table.insert, remove = table.remove} "
	"getmetatable('').__index = s "
	"safe.new = function(n) return require('ffi').new('uint8_t[?]', n % 100) end "
	"return safe";

void sandbox_enter(lua_State *L)
{
	/* Compiled code counts no instructions. */
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	memory.allocate = lua_getallocf(L, &memory.context);
	memory.used = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
	memory.limit = 0;
	lua_setallocf(L, allocate_little, NULL);
	if (luaL_loadstring(L, allowed) || lua_pcall(L, 0, 1, 0))
		abort();
	lua_setfield(L, LUA_REGISTRYINDEX, "sandbox");
}

void sandbox_leave(lua_State *L)
{
	/* A state gives its memory back only to the allocator that it began with. */
	lua_setallocf(L, memory.allocate, memory.context);
}

/* {} with the allowed names behind it, as the environment of the function on top */
static void push_environment(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	lua_getfield(L, LUA_REGISTRYINDEX, "sandbox");
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

int sandbox_run(lua_State *L, const char *text, size_t size)
{
	int failed;

	if (luaL_loadbufferx(L, text, size, "@fuzz.lua", "t")) {
		lua_pop(L, 1);
		return -1;
	}
	push_environment(L);
	lua_pushvalue(L, -1);
	lua_setfenv(L, -3);
	lua_insert(L, -2);

	memory.limit = memory.used + MOST_MEMORY;
	lua_sethook(L, out_of_time, LUA_MASKCOUNT, MOST_INSTRUCTIONS);
	failed = lua_pcall(L, 0, 0, 0);
	lua_sethook(L, NULL, 0, 0);
	memory.limit = 0;
	if (failed)
		lua_pop(L, 2);
	return failed ? -1 : 0;
}

#include "script.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "script_state.h"

static int complain(const struct script *script, const char *problem)
{
	fflush(stdout);
	fprintf(stderr, "%s: script: %s\n", script->engine->program, problem);
	return 1;
}

/* The engine has already said what is wrong with a run that failed. */
static int ended(const struct script *script, int failed)
{
	if (script->status)
		return script->status;
	return failed ? complain(script, lua_tostring(script->L, -1)) : 0;
}

/* "t": LuaJIT runs bytecode unchecked, which could then do anything to the process. */
static int load(lua_State *L, const char *path)
{
	int failed = luaL_loadfilex(L, path, "t");

	if (failed && strstr(lua_tostring(L, -1), "wrong mode"))
		lua_pushfstring(L, "%s: this is bytecode; give the script's text", path);
	return failed;
}

static int play(struct script *script, const char *path)
{
	int failed;

	lua_pushcfunction(script->L, script_explain);
	failed = load(script->L, path) || lua_pcall(script->L, 0, 0, 1);

	if (failed || script->has_run)
		return ended(script, failed);
	lua_pushlightuserdata(script->L, script);
	lua_pushcclosure(script->L, script_run, 1);
	return ended(script, lua_pcall(script->L, 0, 0, 1));
}

int script_play(const char *path, const struct script_engine *engine)
{
	struct script script = { .engine = engine };
	struct script_place place = {
		.client = engine->client,
		.threads = engine->threads,
		.thread = -1,
		.run = script_run,
		.has_run = script_has_run,
		.context = &script,
	};
	int status;

	script.L = script_state_new(&place, script.problem, sizeof(script.problem));
	if (!script.L)
		return complain(&script, script.problem);
	status = play(&script, path);
	lua_close(script.L);
	return status;
}

struct script_thread *script_thread(struct script *script, int index)
{
	return &script->threads[index];
}

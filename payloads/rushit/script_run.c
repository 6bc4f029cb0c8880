/* run(): a state for each worker, the test, and what it collected. */
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "script.h"
#include "script_state.h"

static const char *const events[HOOKS] = {
	[HOOK_SOCKET] = "socket",
	[HOOK_CLOSE] = "close",
	[HOOK_SENDMSG] = "sendmsg",
	[HOOK_RECVMSG] = "recvmsg",
	[HOOK_RECVERR] = "recverr",
};

__attribute__((format(printf, 2, 3)))
static int fails(struct script *script, const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vsnprintf(script->problem, sizeof(script->problem), text, arguments);
	va_end(arguments);
	return -1;
}

/* What was cdef'd in the main state, in its order: later values may be of these types. */
static int carry_definitions(struct script *script, struct script_thread *thread)
{
	lua_State *L = script->L;
	int definitions;

	script_push_helper(L, "definitions");
	lua_call(L, 0, 1);
	definitions = lua_objlen(L, -1);
	for (int n = 1; n <= definitions; n++) {
		script_push_helper(thread->L, "define");
		lua_rawgeti(L, -1, n);
		if (values_carry(thread->values)) {
			lua_pop(thread->L, 1);
			return fails(script, "ffi.metatype%s", values_problem(thread->values));
		}
		if (lua_pcall(thread->L, 1, 0, 0))
			return fails(script, "in a thread: %s", lua_tostring(thread->L, -1));
	}
	lua_pop(L, 1);
	return 0;
}

/* Hooks get structs of S: load it before the test begins, not at the first packet. */
static int load_syscalls(struct script *script, struct script_thread *thread)
{
	script_push_helper(thread->L, "load_syscalls");
	if (lua_pcall(thread->L, 0, 0, 0))
		return fails(script, "in a thread: %s", lua_tostring(thread->L, -1));
	return 0;
}

/* Push the main state's function for the hook: false, when there is none. */
static bool push_hook(struct script *script, enum hook hook, struct script_hook *to)
{
	lua_State *L = script->L;
	char name[32];
	lua_Debug where;

	snprintf(name, sizeof(name), "%s_%s", script->engine->client ? "client" : "server",
		 events[hook]);
	script_push_helper(L, "hooks");
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	lua_pushvalue(L, -1);
	lua_getinfo(L, ">S", &where);
	snprintf(to->where, sizeof(to->where), "%s:%d: hook %s", where.short_src,
		 where.linedefined, name);
	return true;
}

static int carry_hooks(struct script *script, struct script_thread *thread)
{
	for (enum hook hook = 0; hook < HOOKS; hook++) {
		struct script_hook *to = &thread->hooks[hook];

		if (!push_hook(script, hook, to))
			continue;
		if (values_carry(thread->values))
			return fails(script, "%s%s", to->where, values_problem(thread->values));
		to->function = luaL_ref(thread->L, LUA_REGISTRYINDEX);
	}
	return 0;
}

/*
 * The globals that the script made.  Which of them hooks use cannot be known: one that
 * cannot be carried is an error only when it is used.
 */
static int carry_change(struct script *script, struct script_thread *thread)
{
	lua_State *L = script->L;	/* the change, {owner, key, value}, is on top */

	lua_rawgeti(L, -1, 1);
	if (values_carry(thread->values))
		return fails(script, "a library%s", values_problem(thread->values));
	lua_rawgeti(L, -1, 2);
	lua_rawgeti(L, -2, 3);
	if (values_carry_field(thread->values)) {
		script_push_helper(thread->L, "miss");
		lua_rawgeti(L, -1, 2);
		lua_pushstring(thread->L, lua_tostring(L, -1));
		lua_pop(L, 1);
		lua_pushstring(thread->L, values_problem(thread->values));
		lua_call(thread->L, 2, 0);
	}
	lua_pop(thread->L, 1);
	return 0;
}

static int carry_changes(struct script *script, struct script_thread *thread)
{
	lua_State *L = script->L;
	int status = 0, changes;

	script_push_helper(L, "changes");
	lua_call(L, 0, 1);
	changes = lua_objlen(L, -1);
	for (int n = 1; n <= changes && status == 0; n++) {
		lua_rawgeti(L, -1, n);
		status = carry_change(script, thread);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return status;
}

static bool has_hooks(struct script *script)
{
	struct script_hook ignored;

	for (enum hook hook = 0; hook < HOOKS; hook++) {
		if (push_hook(script, hook, &ignored)) {
			lua_pop(script->L, 1);
			return true;
		}
	}
	return false;
}

static void lay_stack(struct script_thread *thread)
{
	lua_settop(thread->L, 0);
	lua_pushcfunction(thread->L, script_explain);
	lua_pushnil(thread->L);
	for (enum hook hook = 0; hook < HOOKS; hook++)
		lua_rawgeti(thread->L, LUA_REGISTRYINDEX, thread->hooks[hook].function);
}

static int prepare_thread(struct script *script, int index)
{
	struct script_thread *thread = &script->threads[index];
	struct script_place place = {
		.client = script->engine->client,
		.threads = script->engine->threads,
		.thread = index,
	};

	thread->L = script_state_new(&place, script->problem, sizeof(script->problem));
	if (!thread->L)
		return -1;
	thread->values = values_new(script->L, thread->L);
	if (!thread->values)
		return fails(script, "no memory for thread %d", index);
	if (carry_definitions(script, thread) || load_syscalls(script, thread) ||
	    carry_hooks(script, thread) || carry_changes(script, thread))
		return -1;
	lay_stack(thread);
	return 0;
}

static int prepare_threads(struct script *script)
{
	int threads = script->engine->threads;

	script->threads = calloc(threads, sizeof(*script->threads));
	if (!script->threads)
		return fails(script, "no memory for %d threads", threads);
	for (int i = 0; i < threads; i++) {
		for (enum hook hook = 0; hook < HOOKS; hook++)
			script->threads[i].hooks[hook].function = LUA_NOREF;
	}
	for (int i = 0; i < threads && has_hooks(script); i++) {
		if (prepare_thread(script, i))
			return -1;
	}
	return 0;
}

static void free_threads(struct script *script)
{
	for (int i = 0; script->threads && i < script->engine->threads; i++) {
		values_free(script->threads[i].values);
		if (script->threads[i].L)
			lua_close(script->threads[i].L);
	}
	free(script->threads);
	script->threads = NULL;
}

/* On top of `L` the collector, and the copy of what thread `index` left in it. */
static int store_collected(struct script *script, int index)
{
	lua_State *L = script->L;
	bool differs;

	lua_rawgeti(L, -2, index + 1);
	differs = !lua_isnil(L, -1) && !lua_rawequal(L, -1, -2);
	lua_pop(L, 1);
	if (differs)
		return fails(script, "a value of collect() has two names, which thread %d left "
			     "with two different values", index + 1);
	lua_rawseti(L, -2, index + 1);
	lua_pop(L, 1);
	return 0;
}

static int collect_thread(struct script *script, int index)
{
	struct script_thread *thread = &script->threads[index];
	struct values *back;
	int status = 0;

	if (!thread->L)
		return 0;
	back = values_new(thread->L, script->L);
	if (!back)
		return fails(script, "no memory for what thread %d collected", index + 1);
	for (int n = 0; n < values_slots(thread->values) && status == 0; n++) {
		values_push_slot(thread->values, n);
		status = values_carry(back)
			? fails(script, "the value that collect() has to bring from thread %d%s",
				index + 1, values_problem(back))
			: store_collected(script, index);
	}
	values_free(back);
	return status;
}

static int collect(struct script *script)
{
	script_push_helper(script->L, "open_collectors");
	lua_call(script->L, 0, 0);
	for (int i = 0; i < script->engine->threads; i++) {
		if (collect_thread(script, i))
			return -1;
	}
	return 0;
}

static int run(struct script *script)
{
	if (prepare_threads(script))
		return -1;
	script->status = script->engine->run(script->engine->context, script);
	if (script->status)
		return fails(script, "the run ended with status %d", script->status);
	return collect(script);
}

int script_run(lua_State *L)
{
	struct script *script = lua_touserdata(L, lua_upvalueindex(1));
	int status;

	script->has_run = true;
	status = run(script);
	free_threads(script);
	if (status)
		return lua_pushstring(L, script->problem), lua_error(L);
	return 0;
}

int script_has_run(lua_State *L)
{
	const struct script *script = lua_touserdata(L, lua_upvalueindex(1));

	lua_pushboolean(L, script->has_run);
	return 1;
}

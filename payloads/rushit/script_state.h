/* Making a Lua state with the script API in it, and the files that are built in. */
#ifndef RUSHIT_SCRIPT_STATE_H
#define RUSHIT_SCRIPT_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Where a state is, and what run() does there. */
struct script_place {
	bool client;
	int threads;
	int thread;		/* -1: the main thread */
	lua_CFunction run;	/* called by run() in the main thread; may be NULL elsewhere */
	lua_CFunction has_run;	/* pushes whether run() was called */
	void *context;		/* their first upvalue, as light userdata */
};

/* NULL: `problem` says why. */
lua_State *script_state_new(const struct script_place *place, char *problem, size_t size);

/*
 * A message handler for lua_pcall(): what an error was raised with, as text with file and line;
 * `assert(setsockopt(...))` raises an error object, which has neither.
 */
int script_explain(lua_State *L);

/* Push a function or table that script_carry.lua and script_prelude.lua made for C. */
void script_push_helper(lua_State *L, const char *name);

/* A built-in file by its module name ("syscall.linux.c"); NULL: there is none. */
const char *script_file(const char *module, size_t *size);

/* A table of C constants, by name. */
void script_push_constants(lua_State *L);

#endif

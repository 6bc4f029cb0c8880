/* The inside of a script's run, for script*.c. */
#ifndef RUSHIT_SCRIPT_H
#define RUSHIT_SCRIPT_H

#include <lua.h>
#include <stdbool.h>

#include "hooks.h"
#include "values.h"

struct script_hook {
	int function;		/* in the registry; LUA_NOREF: none */
	char where[128];		/* "file.lua:12: hook client_close" */
};

/*
 * What lies at the bottom of a thread's stack during the test: a hook is maybe called for each
 * packet, and copying from there is cheaper than asking the registry.
 */
enum script_stack {
	STACK_EXPLAIN = 1,	/* script_explain(), the message handler */
	STACK_MESSAGE,		/* the cdata for the last message a hook saw */
	STACK_HOOKS,		/* one a hook, nil: none */
	STACK_BOTTOM = STACK_HOOKS + HOOKS - 1,
};

/* One a worker.  L is NULL when the script has no hooks for this side. */
struct script_thread {
	lua_State *L;
	struct values *values;	/* from the main state */
	struct script_hook hooks[HOOKS];
	const struct msghdr *message;	/* the last one a hook saw; NULL: none yet */
	char problem[512];
};

struct script {
	const struct script_engine *engine;
	lua_State *L;
	struct script_thread *threads;
	bool has_run;
	int status;		/* what engine->run() returned */
	char problem[768];
};

/* run() in the main state; the script is its first upvalue.  Raises an error when it fails. */
int script_run(lua_State *L);
int script_has_run(lua_State *L);

#endif

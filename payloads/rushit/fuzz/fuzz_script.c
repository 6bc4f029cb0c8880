/*
 * Any text as a script: it is loaded, run in a sandbox, and the globals that it made are
 * carried to a thread's state, as run() does.
 */
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox.h"
#include "script_state.h"
#include "values.h"

#define RUNS_A_STATE 2000	/* hooks and collectors pile up in a state */

static lua_State *from, *to;

static int nothing(lua_State *L)
{
	lua_pushboolean(L, 0);
	return 1;
}

static lua_State *new_state(int thread)
{
	char problem[256];
	struct script_place place = {
		.client = true, .threads = 2, .thread = thread, .run = nothing, .has_run = nothing,
	};
	lua_State *L = script_state_new(&place, problem, sizeof(problem));

	if (!L) {
		fprintf(stderr, "%s\n", problem);
		abort();
	}
	return L;
}

static void renew_states(void)
{
	static int runs;

	if (runs++ % RUNS_A_STATE)
		return;
	if (from) {
		sandbox_leave(from);
		lua_close(from);
		lua_close(to);
	}
	from = new_state(-1);
	to = new_state(0);
	sandbox_enter(from);
}

/* The environment is on top of `from`. */
static void carry_globals(void)
{
	struct values *values = values_new(from, to);

	lua_newtable(to);
	for (lua_pushnil(from); lua_next(from, -2);) {
		lua_pushvalue(from, -2);
		lua_insert(from, -2);
		if (values_carry_field(values) && !values_problem(values)[0])
			abort();
		if (lua_gettop(from) != 2 || lua_gettop(to) != 1)
			abort();
	}
	for (int n = 0; n < values_slots(values); n++) {
		values_push_slot(values, n);
		lua_pop(from, 1);
		lua_pop(to, 1);
	}
	lua_settop(to, 0);
	values_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	renew_states();
	if (sandbox_run(from, (const char *)data, size))
		return 0;
	carry_globals();
	lua_settop(from, 0);
	return 0;
}

/* Where the value is that could not be carried: "upvalue 'log', .files, [3]". */
#include <stdio.h>
#include <lauxlib.h>

#include "values_parts.h"

/* A path may be as long as the script's data is deep; its two ends are what helps. */
#define DEEPEST 100
#define ENDS 3

struct step {
	char text[56];
};

static void name_key(lua_State *L, int index, struct step *step)
{
	if (lua_type(L, index) == LUA_TSTRING)
		snprintf(step->text, sizeof(step->text), ".%s", lua_tostring(L, index));
	else if (lua_type(L, index) == LUA_TNUMBER)
		snprintf(step->text, sizeof(step->text), "[%.14g]", lua_tonumber(L, index));
	else
		snprintf(step->text, sizeof(step->text), "[a %s]", luaL_typename(L, index));
}

/* Stack: value, table. */
static void find_in_table(lua_State *L, struct step *step)
{
	snprintf(step->text, sizeof(step->text), "its metatable");
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		if (lua_rawequal(L, -1, -4)) {
			name_key(L, -2, step);
			lua_pop(L, 2);
			return;
		}
		if (lua_rawequal(L, -2, -4)) {
			snprintf(step->text, sizeof(step->text), "a key");
			lua_pop(L, 2);
			return;
		}
		lua_pop(L, 1);
	}
}

/* Stack: value, function. */
static void find_in_function(lua_State *L, struct step *step)
{
	const char *name;

	snprintf(step->text, sizeof(step->text), "its environment");
	for (int n = 1; (name = lua_getupvalue(L, -1, n)); n++) {
		bool found = lua_rawequal(L, -1, -3);

		lua_pop(L, 1);
		if (found) {
			snprintf(step->text, sizeof(step->text), "upvalue '%s'", name);
			return;
		}
	}
}

/* Replace the value on top by the object in which it was met, and tell under what name. */
static void step_up(struct values *v, int parent, struct step *step)
{
	values_push_object(v, parent);
	if (lua_istable(v->from, -1))
		find_in_table(v->from, step);
	else
		find_in_function(v->from, step);
	lua_remove(v->from, -2);
}

void values_fail(struct values *v, int parent, const char *reason)
{
	struct step steps[DEEPEST];
	size_t used = 0, size = sizeof(v->problem);
	int depth = 0;

	lua_pushvalue(v->from, -1);
	for (; parent && depth < DEEPEST; parent = v->objects[parent - 1].parent)
		step_up(v, parent, &steps[depth++]);
	lua_pop(v->from, 1);

	for (int n = depth - 1; n >= 0; n--) {
		if (n == depth - 1 - ENDS && n >= ENDS) {
			used += snprintf(v->problem + used, size - used, ", ...");
			n = ENDS - 1;
		}
		used += snprintf(v->problem + used, size - used, ", %s", steps[n].text);
	}
	snprintf(v->problem + used, size - used, " %s", reason);
}

#include "same.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PAIRS 4096

/* Which identity of `a` stands for which of `b`. */
struct pairs {
	const void *a[MOST_PAIRS], *b[MOST_PAIRS];
	int count;
};

enum known { NEW, MATCHES, DIFFERS };

static enum known match(struct pairs *pairs, const void *a, const void *b)
{
	for (int i = 0; i < pairs->count; i++) {
		if (pairs->a[i] == a || pairs->b[i] == b)
			return pairs->a[i] == a && pairs->b[i] == b ? MATCHES : DIFFERS;
	}
	if (pairs->count == MOST_PAIRS)
		abort();
	pairs->a[pairs->count] = a;
	pairs->b[pairs->count++] = b;
	return NEW;
}

static bool same_values(struct pairs *pairs, lua_State *a, lua_State *b);

static bool pop_both(lua_State *a, lua_State *b, bool result)
{
	lua_pop(a, 1);
	lua_pop(b, 1);
	return result;
}

static int count_fields(lua_State *L)
{
	int count = 0;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		count++;
	return count;
}

/* Push the key below the top of `a` on `b`: false when it is an object. */
static bool push_key(lua_State *a, lua_State *b)
{
	size_t size;
	const char *text;

	switch (lua_type(a, -2)) {
	case LUA_TNUMBER:
		lua_pushnumber(b, lua_tonumber(a, -2));
		return true;
	case LUA_TBOOLEAN:
		lua_pushboolean(b, lua_toboolean(a, -2));
		return true;
	case LUA_TSTRING:
		text = lua_tolstring(a, -2, &size);
		lua_pushlstring(b, text, size);
		return true;
	default:
		return false;
	}
}

static bool same_fields(struct pairs *pairs, lua_State *a, lua_State *b)
{
	if (count_fields(a) != count_fields(b))
		return false;
	for (lua_pushnil(a); lua_next(a, -2);) {
		if (push_key(a, b)) {
			lua_rawget(b, -2);
			if (!pop_both(a, b, same_values(pairs, a, b)))
				return false;
		} else {
			lua_pop(a, 1);
		}
	}
	return true;
}

static bool same_metatables(struct pairs *pairs, lua_State *a, lua_State *b)
{
	bool in_a = lua_getmetatable(a, -1), in_b = lua_getmetatable(b, -1);

	if (!in_a && !in_b)
		return true;
	return in_a == in_b && pop_both(a, b, same_values(pairs, a, b));
}

static bool same_upvalues(struct pairs *pairs, lua_State *a, lua_State *b)
{
	for (int n = 1; lua_getupvalue(a, -1, n); n++) {
		if (!lua_getupvalue(b, -1, n) ||
		    match(pairs, lua_upvalueid(a, -2, n), lua_upvalueid(b, -2, n)) == DIFFERS ||
		    !pop_both(a, b, same_values(pairs, a, b)))
			return false;
	}
	return true;
}

static bool same_objects(struct pairs *pairs, lua_State *a, lua_State *b)
{
	enum known known = match(pairs, lua_topointer(a, -1), lua_topointer(b, -1));

	if (known != NEW)
		return known == MATCHES;
	if (lua_isfunction(a, -1))
		return lua_iscfunction(a, -1) || same_upvalues(pairs, a, b);
	if (!lua_istable(a, -1))
		return true;
	return same_fields(pairs, a, b) && same_metatables(pairs, a, b);
}

static bool same_strings(lua_State *a, lua_State *b)
{
	size_t size_a, size_b;
	const char *text_a = lua_tolstring(a, -1, &size_a), *text_b = lua_tolstring(b, -1, &size_b);

	return size_a == size_b && memcmp(text_a, text_b, size_a) == 0;
}

static bool same_numbers(double a, double b)
{
	return a == b || (a != a && b != b);
}

static bool same_values(struct pairs *pairs, lua_State *a, lua_State *b)
{
	lua_checkstack(a, 16);
	lua_checkstack(b, 16);
	if (lua_type(a, -1) != lua_type(b, -1))
		return false;
	switch (lua_type(a, -1)) {
	case LUA_TNIL:
		return true;
	case LUA_TBOOLEAN:
		return lua_toboolean(a, -1) == lua_toboolean(b, -1);
	case LUA_TNUMBER:
		return same_numbers(lua_tonumber(a, -1), lua_tonumber(b, -1));
	case LUA_TSTRING:
		return same_strings(a, b);
	default:
		return same_objects(pairs, a, b);
	}
}

bool same(lua_State *a, lua_State *b)
{
	static struct pairs pairs;

	pairs.count = 0;
	return same_values(&pairs, a, b);
}

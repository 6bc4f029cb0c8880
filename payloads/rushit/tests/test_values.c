/* Values between two states: Lua text makes one in the first, Lua text checks it in the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "script_state.h"
#include "values.h"

struct pair {
	lua_State *from, *to;
	struct values *values;
};

static int never_run(lua_State *L)
{
	lua_pushboolean(L, 0);
	return 1;
}

static int set_up(void **state)
{
	static struct pair pair;
	char problem[256];
	struct script_place main = { true, 1, -1, never_run, never_run, NULL };
	struct script_place worker = { .client = true, .threads = 1, .thread = 0 };

	pair.from = script_state_new(&main, problem, sizeof(problem));
	if (!pair.from)
		fail_msg("%s", problem);
	pair.to = script_state_new(&worker, problem, sizeof(problem));
	assert_non_null(pair.to);
	pair.values = values_new(pair.from, pair.to);
	*state = &pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(lua_gettop(pair->from), 0);
	assert_int_equal(lua_gettop(pair->to), 0);
	values_free(pair->values);
	lua_close(pair->from);
	lua_close(pair->to);
	return 0;
}

/* Run a chunk that returns the value. */
static void make(struct pair *pair, const char *text)
{
	if (luaL_loadbuffer(pair->from, text, strlen(text), "@made.lua") ||
	    lua_pcall(pair->from, 0, 1, 0))
		fail_msg("%s", lua_tostring(pair->from, -1));
}

/* The value is on top of `to`: run a chunk that gets it as `...` and must return true. */
static void check(struct pair *pair, const char *text)
{
	lua_State *to = pair->to;

	if (luaL_loadstring(to, text))
		fail_msg("%s", lua_tostring(to, -1));
	lua_insert(to, -2);
	if (lua_pcall(to, 1, 1, 0))
		fail_msg("%s: %s", text, lua_tostring(to, -1));
	if (!lua_toboolean(to, -1))
		fail_msg("not true: %s", text);
	lua_pop(to, 1);
}

static void carried(void **state, const char *maker, const char *checker)
{
	struct pair *pair = *state;

	make(pair, maker);
	if (values_carry(pair->values))
		fail_msg("%s%s", maker, values_problem(pair->values));
	check(pair, checker);
}

static void refused(void **state, const char *maker, const char *problem)
{
	struct pair *pair = *state;

	make(pair, maker);
	assert_int_equal(values_carry(pair->values), -1);
	assert_string_equal(values_problem(pair->values), problem);
	/* and the passage still works */
	carried(state, "return {7}", "return (...)[1] == 7");
}

static void scalars(void **state)
{
	carried(state, "return nil", "return select('#', ...) == 1 and (...) == nil");
	carried(state, "return true", "return (...) == true");
	carried(state, "return false", "return (...) == false");
	carried(state, "return -0.1", "return (...) == -0.1");
	carried(state, "return 1/0", "return (...) == math.huge");
	carried(state, "return 0/0", "return (...) ~= (...)");
}

static void strings_with_nuls(void **state)
{
	carried(state, "return 'a\\0b\\0'", "return (...) == 'a\\0b\\0' and #(...) == 4");
	carried(state, "return ''", "return (...) == ''");
	carried(state, "return {['k\\0']='v\\0'}", "return (...)['k\\0'] == 'v\\0'");
}

static void tables(void **state)
{
	carried(state, "return {1, 2, {3, x = {y = 'z'}}, [0.5] = true, [-1] = false}",
		"local t = ... return t[3].x.y == 'z' and t[0.5] and t[-1] == false and #t == 3");
	carried(state, "local k = {} return {[k] = k, k = k}",
		"local t = ... return t[t.k] == t.k");
	carried(state, "local f = function() return 5 end return {[f] = 1, f = f}",
		"local t = ... return t[t.f] == 1 and t.f() == 5");
}

static void cycles(void **state)
{
	carried(state, "local t = {} t.t = t t[t] = t return t",
		"local t = ... return t.t == t and t[t] == t");
	carried(state, "local a, b = {}, {} a.b, b.a = b, a return a",
		"local a = ... return a.b.a == a and a.b ~= a");
	carried(state, "local function f(n) return n == 0 and 1 or n * f(n - 1) end return f",
		"return (...)(5) == 120");
}

static void depth_has_no_limit(void **state)
{
	carried(state, "local t for i = 1, 200000 do t = {t} end return t",
		"local t, n = ..., 0 while t do t, n = t[1], n + 1 end return n == 200000");
}

static void metatables(void **state)
{
	carried(state,
		"local C = {} C.__index = C function C:get() return self.x end "
		"return setmetatable({x = 4}, C)", "return (...):get() == 4");
	carried(state, "return setmetatable({1}, {__metatable = 'locked', __len = 1})",
		"return getmetatable(...) == 'locked'");
}

static void functions_keep_file_and_line(void **state)
{
	carried(state, "\nreturn function()\nerror('x') end",
		"local _, e = pcall(...) return e == 'made.lua:3: x'");
	carried(state, "return function(...) return select('#', ...), ... end",
		"local n, a = (...)(9, nil) return n == 2 and a == 9");
}

static void upvalues(void **state)
{
	carried(state, "local a, b, s = 1, {2}, 's' return function() return a + b[1] .. s end",
		"return (...)() == '3s'");
	carried(state,
		"local n = 0 return {up = function() n = n + 1 end, get = function() return n end}",
		"local t = ... t.up() t.up() return t.get() == 2");
	/* a function that has two upvalues which are one variable elsewhere */
	carried(state,
		"local n, m = 0, 10 local function inc() n = n + 1 m = m + 1 end "
		"local function both() return n, m end return {inc, both, inc}",
		"local t = ... t[1]() local n, m = t[2]() return n == 1 and m == 11 and t[1] == t[3]");
}

static void upvalues_are_shared_between_carries(void **state)
{
	struct pair *pair = *state;

	make(pair, "local n = 5 local t = {} return {function() n = n + 1 return t end, "
	     "function() return n, t end}");
	for (int i = 1; i <= 2; i++) {
		lua_rawgeti(pair->from, -1, i);
		assert_int_equal(values_carry(pair->values), 0);
	}
	lua_pop(pair->from, 1);
	lua_setglobal(pair->to, "second");
	check(pair, "local t = (...)() local n, u = second() return n == 6 and t == u");
}

static void libraries_are_found_by_name(void **state)
{
	carried(state, "return {print, string.format, math, _G, io.stdout, require('ffi').C}",
		"local t = ... return t[1] == print and t[2] == string.format and t[3] == math "
		"and t[4] == _G and t[5] == io.stdout and t[6] == require('ffi').C");
	carried(state, "local f = string.rep return function() return f('a', 3) end",
		"return (...)() == 'aaa'");
	carried(state, "return function() leaked = 1 return _G end",
		"local g = (...)() return g == _G and leaked == 1");
}

static void the_system_call_library_too(void **state)
{
	carried(state, "local S, t = S, S.types.t return {S, S.c.SO, t.sockaddr_in, S.getpid}",
		"local t = ... return t[1] == S and t[2].RXQ_OVFL == 40 and "
		"t[3] == S.types.t.sockaddr_in and t[4]() == S.getpid()");
}

static void environments(void **state)
{
	carried(state, "return setfenv(function() return x end, {x = 3})", "return (...)() == 3");
}

static void cdata(void **state)
{
	carried(state, "return 5LL", "return type(...) == 'cdata' and (...) == 5LL");
	carried(state, "return 0xffffffffffffffffULL", "return (...) == -1ULL");
	carried(state, "return require('ffi').new('complex', 1, 2)",
		"return (...).re == 1 and (...).im == 2");
	carried(state, "return require('ffi').new('int[3]', {1, 2, 3})",
		"local a = ... return a[2] == 3 and require('ffi').sizeof(a) == 12");
	carried(state, "return require('ffi').new('uint8_t[?]', 5, {9, 8, 7, 6, 5})",
		"local a = ... return a[4] == 5 and require('ffi').sizeof(a) == 5");
	carried(state, "return require('ffi').new('int[2][3]', {{1, 2, 3}, {4, 5, 6}})[1]",
		"return (...)[2] == 6");
	carried(state, "return require('ffi').typeof('uint32_t *')",
		"return (...) == require('ffi').typeof('uint32_t *')");
	carried(state, "local b = require('ffi').new('int[1]') return {b, b}",
		"local t = ... t[1][0] = 3 return t[2][0] == 3");
}

static void cdata_of_the_system_call_library(void **state)
{
	carried(state, "return in_addr('10.1.2.3')", "return tostring(...) == '10.1.2.3'");
	carried(state, "return sockaddr_in(80, '127.0.0.1')",
		"return (...).port == 80 and tostring((...).addr) == '127.0.0.1'");
	carried(state, "return sockaddr_vm(1024, 2)", "return (...).port == 1024 and (...).cid == 2");
}

static void what_cannot_be_carried(void **state)
{
	refused(state, "local f = io.tmpfile() return function() return f end",
		", upvalue 'f' is userdata (an open file?), which belongs to one thread");
	refused(state, "return {log = {files = {coroutine.create(print)}}}",
		", .log, .files, [1] is a coroutine, which belongs to one thread");
	refused(state, "return {string.gmatch('a', 'a')}",
		", [1] is a C function, which belongs to one thread");
	refused(state, "return setmetatable({}, {__index = io.tmpfile()})",
		", its metatable, .__index is userdata (an open file?), which belongs to one thread");
	refused(state, "return {a = {b = {c = {d = {e = {f = {g = io.tmpfile()}}}}}}}",
		", .a, .b, .c, ..., .e, .f, .g is userdata (an open file?), "
		"which belongs to one thread");
	refused(state, "return {x = require('ffi').new('char *')}",
		", .x is cdata<char *>: a pointer's target belongs to one thread");
	refused(state, "return {x = S.types.t.iovec()}",
		", .x is cdata<struct iovec>: a pointer's target belongs to one thread");
	refused(state, "return require('ffi').new('struct {int a;}')",
		" is cdata of a type without a name; name the struct in ffi.cdef");
	refused(state, "require('ffi').cdef('int abs(int);') return require('ffi').C.abs",
		" is cdata of a function's type; write ffi.C.NAME where it is called");
}

/* What was begun for a value that could not be carried is not met again half done. */
static void a_refused_value_leaves_nothing(void **state)
{
	struct pair *pair = *state;

	refused(state, "local s, n = {1, 2}, 5 shared = s "
		"counter = function() n = n + 1 return s, n end "
		"return {{shared, counter, c = collect(1)}, {{{io.tmpfile()}}}}",
		", [2], [1], [1], [1] is userdata (an open file?), "
		"which belongs to one thread");
	assert_int_equal(values_slots(pair->values), 0);
	carried(state, "return {shared, counter}",
		"local s, f = unpack(...) local t, n = f() return s[2] == 2 and t == s and n == 6");
}

static void cdata_with_a_finalizer(void **state)
{
	refused(state, "local ffi = require('ffi') ffi.cdef('struct handle { int fd; };') "
		"return {ffi.metatype('struct handle', {__gc = function() end})(3)}",
		", [1] is cdata<struct handle>, which two threads would finalize");
}

/* A collector is replaced by what is in it, and its slot can be read afterwards. */
static void collectors(void **state)
{
	struct pair *pair = *state;

	make(pair, "c, d = collect({0}), collect(1) t = {d = d} "
	     "return function(n) c[1] = c[1] + n t.d = t.d * 10 end");
	make(pair, "return 'c'");
	lua_getglobal(pair->from, "c");
	lua_pushvalue(pair->to, LUA_GLOBALSINDEX);
	assert_int_equal(values_carry_field(pair->values), 0);
	make(pair, "return 't'");
	lua_getglobal(pair->from, "t");
	assert_int_equal(values_carry_field(pair->values), 0);
	lua_pop(pair->to, 1);
	assert_int_equal(values_carry(pair->values), 0);
	check(pair, "local f = ... f(5) f(6) return c[1] == 11 and t.d == 100");

	assert_int_equal(values_slots(pair->values), 2);
	values_push_slot(pair->values, 0);
	lua_getglobal(pair->from, "c");
	assert_true(lua_rawequal(pair->from, -1, -2));
	check(pair, "return (...)[1] == 11");
	values_push_slot(pair->values, 1);
	check(pair, "return (...) == 100");
	lua_settop(pair->from, 0);
}

static void collected_upvalues(void **state)
{
	struct pair *pair = *state;

	carried(state, "local n = collect(nil) return function() n = (n or 0) + 1 end",
		"local f = ... f() f() return true");
	assert_int_equal(values_slots(pair->values), 1);
	values_push_slot(pair->values, 0);
	check(pair, "return (...) == 2");
	lua_pop(pair->from, 1);
	refused(state, "return collect(1)",
		" was made by collect(), which is for variables and the values in tables");
	refused(state, "return {collect(collect(1))}",
		", [1] was made by collect(), which is for variables and the values in tables");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(scalars), TEST(strings_with_nuls), TEST(tables), TEST(cycles),
		TEST(depth_has_no_limit), TEST(metatables), TEST(functions_keep_file_and_line),
		TEST(upvalues), TEST(upvalues_are_shared_between_carries),
		TEST(libraries_are_found_by_name), TEST(the_system_call_library_too),
		TEST(environments), TEST(cdata), TEST(cdata_of_the_system_call_library),
		TEST(what_cannot_be_carried), TEST(a_refused_value_leaves_nothing),
		TEST(cdata_with_a_finalizer), TEST(collectors), TEST(collected_upvalues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Carries Lua values from one state into another.  What a program sees of them stays:
 * identity, cycles, upvalues that several functions share, metatables, strings with NULs,
 * functions with their file and line.  What cannot be carried is an error that says where
 * it was found.
 *
 * What both states have of themselves (the libraries, ffi.C, S) is not copied but found
 * again under its name.  A table made by collect() is replaced by the value in it, and
 * the place where that went, its slot, can be read later.
 */
#ifndef RUSHIT_VALUES_H
#define RUSHIT_VALUES_H

#include <lua.h>
#include <stdbool.h>

/*
 * One passage from one state to another: what was carried once is not copied again.
 * Both states have been prepared by script_state_new(), and nobody uses them during a call.
 */
struct values;

struct values *values_new(lua_State *from, lua_State *to);
void values_free(struct values *v);

/*
 * Pop a value off `from` and push its copy on `to`: 0.  Or -1: it was popped, nothing is
 * pushed, nothing of it was remembered, and values_problem() tells what is wrong.
 */
int values_carry(struct values *v);

/* Pop key and value off `from`; set them in the table on top of `to`, which stays.  0 or -1. */
int values_carry_field(struct values *v);

/* To be put behind the value's name: ", upvalue 'log' is userdata ..."; until the next call. */
const char *values_problem(const struct values *v);

/* Push slot n (from 0): its collect() table on `from`, what is in its place now on `to`. */
int values_slots(const struct values *v);
void values_push_slot(struct values *v, int n);

#endif

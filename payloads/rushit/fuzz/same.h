/* Whether what arrived in one state is what was sent from another. */
#ifndef RUSHIT_FUZZ_SAME_H
#define RUSHIT_FUZZ_SAME_H

#include <lua.h>
#include <stdbool.h>

/*
 * Compare what is on top of the two stacks, which stays there: scalars by value; tables,
 * functions, upvalues and metatables by a one-to-one correspondence of their identities.
 * Tables are compared by their scalar keys, other keys by their number.
 */
bool same(lua_State *a, lua_State *b);

#endif

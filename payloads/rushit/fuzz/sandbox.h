/* Runs any text as a script without letting it do anything: no files, no time, little memory. */
#ifndef RUSHIT_FUZZ_SANDBOX_H
#define RUSHIT_FUZZ_SANDBOX_H

#include <lua.h>
#include <stddef.h>

/* Confine a state made by script_state_new(): what is run in it from now on is harmless. */
void sandbox_enter(lua_State *L);

/* Before lua_close(). */
void sandbox_leave(lua_State *L);

/*
 * Run the text in a fresh environment that falls back on the confined one: 0 with that
 * environment (the globals it made) on the stack, or -1 with nothing.
 */
int sandbox_run(lua_State *L, const char *text, size_t size);

#endif

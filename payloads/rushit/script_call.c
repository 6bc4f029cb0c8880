/* Calling a hook: in a worker, maybe once for each packet. */
#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>

#include "script.h"
#include "script_state.h"

bool script_has(const struct script_thread *thread, enum hook hook)
{
	return thread->hooks[hook].function != LUA_NOREF;
}

const char *script_problem(const struct script_thread *thread)
{
	return thread->problem;
}

static int raised(struct script_thread *thread)
{
	snprintf(thread->problem, sizeof(thread->problem), "%s", lua_tostring(thread->L, -1));
	lua_settop(thread->L, STACK_BOTTOM);
	return HOOK_BROKEN;
}

static void push_hook(struct script_thread *thread, enum hook hook, int fd)
{
	lua_pushvalue(thread->L, STACK_HOOKS + (int)hook);
	lua_pushinteger(thread->L, fd);
}

static int push_pointer(lua_State *L, const char *type, const void *address)
{
	script_push_helper(L, "pointer");
	lua_pushstring(L, type);
	lua_pushlightuserdata(L, (void *)address);
	return lua_pcall(L, 2, 1, 0);
}

int script_call_socket(struct script_thread *thread, enum hook hook, int fd,
		       const struct addrinfo *address)
{
	lua_State *L = thread->L;

	push_hook(thread, hook, fd);
	if (push_pointer(L, "struct addrinfo *", address) || lua_pcall(L, 2, 0, STACK_EXPLAIN))
		return raised(thread);
	return 0;
}

/* An engine hands in the same few headers again and again: make no cdata for each call. */
static int push_message(struct script_thread *thread, const struct msghdr *message)
{
	lua_State *L = thread->L;

	if (message != thread->message) {
		if (push_pointer(L, "struct msghdr *", message))
			return -1;
		lua_replace(L, STACK_MESSAGE);
		thread->message = message;
	}
	lua_pushvalue(L, STACK_MESSAGE);
	return 0;
}

static size_t room(const struct msghdr *message)
{
	size_t size = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++)
		size += message->msg_iov[i].iov_len;
	return size;
}

static ssize_t odd_result(struct script_thread *thread, enum hook hook, const char *what)
{
	snprintf(thread->problem, sizeof(thread->problem),
		 "%s returned %s where the number of bytes is expected",
		 thread->hooks[hook].where, what);
	lua_settop(thread->L, STACK_BOTTOM);
	return HOOK_BROKEN;
}

/* The hook returned nil and perhaps an error object of S. */
static ssize_t no_number(struct script_thread *thread, enum hook hook)
{
	lua_State *L = thread->L;
	int type = lua_type(L, -2);

	if (type == LUA_TNIL && !lua_isnil(L, -1)) {
		script_push_helper(L, "error_number");
		lua_insert(L, -2);
		if (lua_pcall(L, 1, 1, 0) == 0 && lua_isnumber(L, -1)) {
			errno = lua_tointeger(L, -1);
			lua_settop(L, STACK_BOTTOM);
			return -1;
		}
	}
	return odd_result(thread, hook, lua_typename(L, type));
}

ssize_t script_call_packet(struct script_thread *thread, enum hook hook, int fd,
			   struct msghdr *message, int flags)
{
	lua_State *L = thread->L;
	size_t most = room(message);
	int error;
	double bytes;

	push_hook(thread, hook, fd);
	if (push_message(thread, message))
		return raised(thread);
	lua_pushinteger(L, flags);
	errno = 0;
	if (lua_pcall(L, 3, 2, STACK_EXPLAIN))
		return raised(thread);
	error = errno;
	if (lua_type(L, -2) != LUA_TNUMBER)
		return no_number(thread, hook);
	bytes = lua_tonumber(L, -2);
	lua_settop(L, STACK_BOTTOM);
	/* The length of a truncated datagram is all that may be more than there is room for. */
	if (bytes >= 0 && (bytes <= most || (flags & MSG_TRUNC && bytes <= INT32_MAX)))
		return bytes;
	if (bytes == -1 && !error)
		return odd_result(thread, hook, "-1, although no system call has failed in it,");
	if (bytes < 0 && bytes > -4096) {
		errno = bytes == -1 ? error : -(int)bytes;
		return -1;
	}
	return odd_result(thread, hook, "a number that is neither what the buffer holds nor an error");
}

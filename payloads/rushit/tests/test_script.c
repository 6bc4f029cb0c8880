/* Scripts, played with an engine that calls the hooks of its threads and knows no network. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"

/* As a client and as a server, unless the text says which: all is well. */
static void well(int threads, const char *text)
{
	for (int client = 0; client < 2; client++) {
		struct engine engine = { .contract = { .client = client, .threads = threads } };

		if (play(&engine, text, strlen(text)) != 0 || engine.errors[0])
			fail_msg("%s\n%s", text, engine.errors);
		assert_int_equal(engine.runs, 1);
	}
}

/* As a client: status 1 and this on standard error. */
static void wrong(const char *text, const char *errors)
{
	struct engine engine = { .contract = { .client = true, .threads = 2 } };

	assert_int_equal(play(&engine, text, strlen(text)), 1);
	assert_string_equal(engine.errors, errors);
}

static void the_run_comes_by_itself_or_when_called(void **state)
{
	(void)state;
	well(1, "");
	well(1, "run()");
	well(1, "local before = is_client() run() assert(before == is_client())");
	well(2, "assert(is_client() == not is_server())");
}

static void hooks_of_the_own_side_are_called(void **state)
{
	(void)state;
	well(2,
	     "local calls = collect({}) "
	     "for _, role in ipairs{'client', 'server'} do "
	     "  for _, event in ipairs{'socket', 'sendmsg', 'recvmsg', 'recverr', 'close'} do "
	     "    _G[role .. '_' .. event](function() "
	     "      table.insert(calls, role .. ' ' .. event) return 0 end) "
	     "  end "
	     "end "
	     "run() "
	     "local me = is_client() and 'client' or 'server' "
	     "assert(#calls == 2) "
	     "for i in tid_iter() do assert(table.concat(calls[i], ',') == "
	     "  ('X socket,X sendmsg,X recvmsg,X recverr,X close'):gsub('X', me)) end");
}

static void hooks_see_the_socket_and_the_message(void **state)
{
	(void)state;
	well(1,
	     "local got = collect({}) "
	     "local function on_socket(fd, ai) "
	     "  got.fd, got.family, got.type = fd, ai.ai_family, ai.ai_socktype "
	     "  got.port = sockaddr_in_ptr(ai.ai_addr).port "
	     "  got.so_type = getsockopt(fd, SOL_SOCKET, SO_TYPE) end "
	     "local function on_send(fd, msg, flags) "
	     "  got.room = msg.msg_controllen "
	     "  local n, err = sendmsg(fd, msg, flags) return n, err end "
	     "local function on_receive(fd, msg, flags) "
	     "  local n, err = recvmsg(fd, msg, flags) "
	     "  got.text = require('ffi').string(msg.msg_iov[0].iov_base, n) "
	     "  got.flags, got.most = flags, tonumber(msg.msg_iov[0].iov_len) return n, err end "
	     "client_socket(on_socket) server_socket(on_socket) "
	     "client_sendmsg(on_send) server_sendmsg(on_send) "
	     "client_recvmsg(on_receive) server_recvmsg(on_receive) "
	     "run() got = got[1] "
	     "assert(type(got.fd) == 'number' and got.family == AF_INET and got.port == 12867) "
	     "assert(got.so_type == SOCK_STREAM and got.type == SOCK_STREAM) "
	     "assert(got.text == 'message' and got.flags == MSG_DONTWAIT) "
	     "assert(got.room == 0 and got.most == 64)");
}

static void values_are_collected_in_the_order_of_the_threads(void **state)
{
	(void)state;
	well(4,
	     "local n, t = collect(1), {m = collect('a')} g = collect({}) unused = collect(5) "
	     "local function on_socket(fd) n = n + fd t.m = t.m .. 'b' g[fd] = fd g.n = n end "
	     "client_socket(on_socket) server_socket(on_socket) run() "
	     "assert(#n == 4 and #t.m == 4 and #g == 4) "
	     "for i, tid in tid_iter() do "
	     "  assert(tid == i - 1 and t.m[i] == 'ab' and g[i].n == n[i]) "
	     "  assert(g[i][n[i] - 1] == n[i] - 1) end");
}

static void globals_reach_the_threads(void **state)
{
	(void)state;
	well(2,
	     "local out = collect(0) getmetatable('').__mod = string.format "
	     "local function on_socket() out = '<%s>' % 'x' end "
	     "client_socket(on_socket) server_socket(on_socket) run() "
	     "assert(out[1] == '<x>' and out[2] == '<x>')");
	well(2,
	     "limit = 7 local out = collect(0) function helper(x) return x * limit end "
	     "file = io.tmpfile() function string.twice(s) return s .. s end "
	     "local function on_socket() out = helper(2) .. ('x'):twice() end "
	     "client_socket(on_socket) server_socket(on_socket) run() "
	     "assert(out[1] == '14xx' and out[2] == '14xx')");
	wrong("log = io.tmpfile()\nclient_socket(function()\nlog:write('x') end)",
	      "x.lua:3: global 'log' is userdata (an open file?), which belongs to one thread\n"
	      "x.lua:3: global 'log' is userdata (an open file?), which belongs to one thread\n");
}

static void definitions_reach_the_threads(void **state)
{
	(void)state;
	well(2,
	     "local ffi, n = require('ffi'), collect(0) "
	     "ffi.cdef[[struct point { int x, y; };]] "
	     "ffi.metatype('struct point', {__index = {sum = function(p) return p.x + p.y end}}) "
	     "local p = ffi.new('struct point', 3, 4) "
	     "local function on_socket() n = p:sum() + ffi.new('struct point', 1, 1):sum() end "
	     "client_socket(on_socket) server_socket(on_socket) run() assert(n[1] == 9)");
	/* types of S used in a definition */
	well(1, "local ffi, n = require('ffi'), collect(0) local S = S "
	     "ffi.cdef[[struct mine { struct timespec at; };]] "
	     "local function on_socket() n = ffi.sizeof('struct mine') end "
	     "client_socket(on_socket) server_socket(on_socket) run() assert(n[1] == 16)");
}

static void names_as_in_c(void **state)
{
	(void)state;
	well(1,
	     "assert(select('#', 1, 2) == 2) "
	     "assert(S.select and S == require('syscall')) "
	     "assert(AF_INET == 2 and AF_VSOCK == 40 and EAGAIN == 11 and SIGINT == 2) "
	     "assert(EPOLLIN == 1 and SO_RXQ_OVFL == 40 and SOL_IP == 0 and IP_RECVERR == 11) "
	     "assert(SOF_TIMESTAMPING_TX_ACK == 512 and S.c.SOF.TIMESTAMPING_TX_ACK == 512) "
	     "assert(SCM_TIMESTAMPING == 37 and S.c.AF.VSOCK == 40 and VMADDR_CID_HOST == 2) "
	     "assert(tostring(sockaddr_vm(1, 2)) == 'vsock:2:1') "
	     "local fd = S.socket(AF_UNIX, SOCK_DGRAM) assert(fd:close()) "
	     "assert(tostring(in_addr('1.2.3.4')) == '1.2.3.4') "
	     "assert(uint32_ptr and scm_timestamping_ptr and sockaddr_storage and in6_addr) "
	     "local _, problem = S.open('/nowhere') assert(tostring(problem):find('No such file'))");
}

static void errors_name_file_and_line(void **state)
{
	(void)state;
	wrong("\n\nx = = 1", "test: script: x.lua:3: unexpected symbol near '='\n");
	wrong("local t\nt.x = 1",
	      "test: script: x.lua:2: attempt to index local 't' (a nil value)\n");
	wrong("run()\nerror('after')", "test: script: x.lua:2: after\n");
	wrong("\nclient_close(1)",
	      "test: script: x.lua:2: client_close() wants a function, not a number\n");
	wrong("client_close(print)\nclient_close(print)",
	      "test: script: x.lua:2: hook client_close already set\n");
	wrong("run()\nrun()", "test: script: x.lua:2: run() can be called once\n");
	wrong("local _, e = coroutine.resume(coroutine.create(function()\nrun() end)) error(e, 0)",
	      "test: script: x.lua:2: run() cannot be called inside of a coroutine\n");
	wrong("\nassert(S.open('/nowhere'))", "test: script: x.lua:2: No such file or directory\n");
	wrong("run()\ncollect(1)",
	      "test: script: x.lua:2: collect() comes too late: the test has run\n");
	wrong("error(setmetatable({}, {__tostring = function() return 'own' end}))",
	      "test: script: x.lua:1: own\n");
	wrong("error({})", "test: script: x.lua:1: an error that is a table\n");
	wrong("error(setmetatable({}, {__tostring = function() return nil end}))",
	      "test: script: x.lua:1: an error that is a table\n");
	wrong("error(nil)", "test: script: x.lua:1: an error that is a nil\n");
	wrong("local f = io.tmpfile()\nclient_socket(\nfunction() f:write() end)",
	      "test: script: x.lua:3: hook client_socket, upvalue 'f' is userdata "
	      "(an open file?), which belongs to one thread\n");
	wrong("local c = collect(0) local d = c client_socket(function() c, d = 1, 2 end)",
	      "test: script: a value of collect() has two names, which thread 1 left "
	      "with two different values\n");
	wrong("local c = collect(0)\nclient_socket(function() c = coroutine.create(print) end)",
	      "test: script: the value that collect() has to bring from thread 1 "
	      "is a coroutine, which belongs to one thread\n");
}

static void errors_in_hooks(void **state)
{
	(void)state;
	wrong("local n = collect(0) client_socket(function() error('no') end)",
	      "x.lua:1: no\nx.lua:1: no\n");
	wrong("client_socket(function() error({}) end)",
	      "x.lua:1: an error that is a table\nx.lua:1: an error that is a table\n");
	wrong("client_socket(function()\nassert(S.close(-1))\nend)",
	      "x.lua:2: Bad file descriptor\nx.lua:2: Bad file descriptor\n");
	wrong("client_close(function() run() end)",
	      "x.lua:1: run() is for the main part of the script, not for hooks\n"
	      "x.lua:1: run() is for the main part of the script, not for hooks\n");
}

static void a_failed_run_ends_the_script_silently(void **state)
{
	struct engine engine = { .contract = { .client = true, .threads = 1 }, .status = 99 };
	const char *text = "run() io.stderr:write('not reached')";

	(void)state;
	assert_int_equal(play(&engine, text, strlen(text)), 99);
	assert_string_equal(engine.errors, "");
	/* and a script cannot hide it */
	text = "pcall(run)";
	assert_int_equal(play(&engine, text, strlen(text)), 99);
}

static void packet(const char *body, ssize_t bytes, int error)
{
	struct engine engine = { .contract = { .client = true, .threads = 1 } };
	char text[256];

	snprintf(text, sizeof(text), "client_recverr(function(fd, msg, flags) %s end)", body);
	assert_int_equal(play(&engine, text, strlen(text)), bytes == HOOK_BROKEN ? 1 : 0);
	assert_int_equal(engine.packet, bytes);
	if (bytes == -1)
		assert_int_equal(engine.packet_errno, error);
	if (bytes == HOOK_BROKEN)
		assert_non_null(strstr(engine.errors, "x.lua:1: hook client_recverr returned"));
}

static void what_packet_hooks_return(void **state)
{
	(void)state;
	packet("return 0", 0, 0);
	packet("return 64", 64, 0);
	packet("return 65", HOOK_BROKEN, 0);
	packet("return 0/0", HOOK_BROKEN, 0);
	packet("return -1e300", HOOK_BROKEN, 0);
	packet("return -EAGAIN", -1, EAGAIN);
	packet("return recvmsg(fd, msg, flags)", -1, EAGAIN);
	packet("return nil, S.types.t.error(ECONNREFUSED)", -1, ECONNREFUSED);
	packet("S.read(-1) return -1", -1, EBADF);
	packet("return -1", HOOK_BROKEN, 0);
	packet("return nil", HOOK_BROKEN, 0);
	packet("return nil, 'text'", HOOK_BROKEN, 0);
	packet("", HOOK_BROKEN, 0);
	packet("return '5'", HOOK_BROKEN, 0);
	packet("return {}", HOOK_BROKEN, 0);
}

static void bytecode_is_refused(void **state)
{
	struct engine engine = { .contract = { .client = true, .threads = 1 } };

	(void)state;
	assert_int_equal(play(&engine, "\x1bLJ\x02\x00", 5), 1);
	assert_string_equal(engine.errors,
			    "test: script: x.lua: this is bytecode; give the script's text\n");
	assert_int_equal(engine.runs, 0);
	assert_int_equal(script_play("/nowhere/x.lua", &engine.contract), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_run_comes_by_itself_or_when_called),
		cmocka_unit_test(hooks_of_the_own_side_are_called),
		cmocka_unit_test(hooks_see_the_socket_and_the_message),
		cmocka_unit_test(values_are_collected_in_the_order_of_the_threads),
		cmocka_unit_test(globals_reach_the_threads),
		cmocka_unit_test(definitions_reach_the_threads),
		cmocka_unit_test(names_as_in_c),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(errors_in_hooks),
		cmocka_unit_test(a_failed_run_ends_the_script_silently),
		cmocka_unit_test(what_packet_hooks_return),
		cmocka_unit_test(bytecode_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

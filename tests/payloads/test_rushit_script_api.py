"""Scripts in rushit's programs: hooks of every workload, errors, what the other end says."""

import json
import subprocess

import pytest
from test_rushit_scripts import Round, play, programs  # noqa: F401 (a fixture)

NAMESPACE = ["unshare", "-rn", "true"]
needs_namespace = pytest.mark.skipif(
    subprocess.run(NAMESPACE, check=False, capture_output=True).returncode != 0,
    reason="this machine lets nobody make a network namespace (unshare -rn)",
)

# Counts each hook's calls; does what the engine would have done without it.
COUNT = """
local n = collect({ socket = 0, close = 0, sendmsg = 0, recvmsg = 0 })
local function nothing() end
local calls = { socket = nothing, close = nothing, sendmsg = sendmsg, recvmsg = recvmsg }
for name, call in pairs(calls) do
  local function hook(...)
    n[name] = n[name] + 1
    return call(...)
  end
  local client, server = _G["client_" .. name], _G["server_" .. name]
  client(hook)
  server(hook)
end
run()
for i in tid_iter() do
  print(string.format("hooks: %d %d %d %d", n[i].socket, n[i].close, n[i].sendmsg, n[i].recvmsg))
end
"""


def play_script(programs, folder, text, server, client):  # noqa: F811
    """Play a round in which SCRIPT stands for a file with the text."""
    script = folder / "x.lua"
    script.write_text(text)
    commands = {
        "server": server.replace("SCRIPT", f"--script {script}"),
        "client": client.replace("SCRIPT", f"--script {script}"),
    }
    return play(Round({k: v for k, v in commands.items() if v}), programs, folder)


def counts(output):
    """The four numbers of the `hooks:` line."""
    (line,) = [line for line in output.splitlines() if line.startswith("hooks: ")]
    return [int(word) for word in line.split()[1:]]


@needs_namespace
@pytest.mark.parametrize(
    "name", "tcp_rr tcp_crr tcp_stream udp_stream udp_rr unix_rr unix_crr unix_stream".split()
)
def test_hooks_of_every_workload(name, programs, tmp_path):  # noqa: F811
    """Sockets and messages of both ends go through their hooks; what is opened is closed."""
    host = "" if name.startswith("unix") else "-H 127.0.0.1"
    output, status = play_script(
        programs, tmp_path, COUNT, f"{name} SCRIPT", f"{name} -c {host} -l 1 -F 2 SCRIPT"
    )
    assert status == {"server": 0, "client": 0}, output
    client, server = counts(output["client"]), counts(output["server"])
    assert server[0] == server[1] == 1
    assert client[0] == client[1] >= 2
    one_way = name.endswith("stream")
    assert client[2] > 1 and server[3] > 1
    assert (client[3] == 0) == one_way and (server[2] == 0) == one_way


@needs_namespace
def test_edge_trigger(programs, tmp_path):  # noqa: F811
    """A hook that is called until EAGAIN passes on what recvmsg() returned then."""
    output, status = play_script(
        programs,
        tmp_path,
        COUNT,
        "tcp_stream -E SCRIPT",
        "tcp_stream -E -c -H 127.0.0.1 -l 1 SCRIPT",
    )
    assert status == {"server": 0, "client": 0}, output


@needs_namespace
@pytest.mark.parametrize("side", ["client", "server"])
def test_error_in_a_hook_ends_the_run(side, programs, tmp_path):  # noqa: F811
    """With 1, file and line; the other end is not left waiting."""
    text = f"{side}_sendmsg(function()\n  error('enough')\nend)"
    commands = {"server": "tcp_rr", "client": "tcp_rr -c -H 127.0.0.1 -l 9"}
    commands[side] += " SCRIPT"
    output, status = play_script(programs, tmp_path, text, **commands)
    assert status[side] == 1
    assert "/x.lua:2: enough" in output[side]
    other = {"client": "server", "server": "client"}[side]
    assert status[other] not in (0, 124)
    assert "closed" in output[other] or "gone" in output[other]


@needs_namespace
@pytest.mark.parametrize("text", ["x = = 1", "run() error('late')", "run() run()"])
def test_the_result_knows_that_the_script_failed(text, programs, tmp_path):  # noqa: F811
    """Also when the run itself went well."""
    commands = ("tcp_rr --patience 5", "tcp_rr -c -H 127.0.0.1 -l 1 --json SCRIPT")
    output, status = play_script(programs, tmp_path, text, *commands)
    assert status["client"] == 1, output
    lines = [json.loads(line) for line in output["client"].splitlines() if line[0] == "{"]
    result = [line for line in lines if line["type"] == "result"][0]
    assert result["status"] == 1 and "x.lua failed" in result["problem"], output
    assert not [line for line in lines if line["type"] == "figure"], output


@needs_namespace
def test_a_hook_that_closes_without_end_is_not_waited_for(programs, tmp_path):  # noqa: F811
    """What was measured is told all the same."""
    text = "client_close(function() while true do end end)"
    commands = ("tcp_rr", "tcp_rr -c -H 127.0.0.1 -l 1 SCRIPT")
    output, status = play_script(programs, tmp_path, text, *commands)
    assert status == {"server": 0, "client": 99}, output
    assert "a thread does not end" in output["client"]
    assert "num_transactions=" in output["client"]


@needs_namespace
@pytest.mark.parametrize(
    "text, status, message",
    [
        ("x = = 1", 1, "x.lua:1: unexpected symbol"),
        ("\nnosuch()", 1, "x.lua:2: attempt to call global 'nosuch'"),
        ("\x1bLJ", 1, "x.lua: this is bytecode; give the script's text"),
        ("os.exit(3)", 3, ""),
    ],
)
def test_a_script_that_cannot_begin(text, status, message, programs, tmp_path):  # noqa: F811
    """The program ends at once and waits for no client."""
    output, statuses = play_script(programs, tmp_path, text, "tcp_rr SCRIPT", "")
    assert statuses["server"] == status
    assert message in output["server"]


@needs_namespace
def test_a_hook_that_writes_nothing_is_asked_again(programs, tmp_path):  # noqa: F811
    """The run ends when its time is over, and says that nothing was done."""
    text = "client_sendmsg(function() return 0 end)"
    client = "tcp_rr -c -H 127.0.0.1 -l 1 SCRIPT"
    output, status = play_script(programs, tmp_path, text, server="tcp_rr", client=client)
    assert status == {"server": 1, "client": 1}, output
    assert "nothing was done while it was measured" in output["client"], output


@needs_namespace
def test_a_request_larger_than_the_buffer_comes_with_msg_more(programs, tmp_path):  # noqa: F811
    """All pieces but the last."""
    text = """
    local seen = collect({})
    client_sendmsg(function(fd, msg, flags)
      local more = bit.band(flags, MSG_MORE) ~= 0
      seen[more] = (seen[more] or 0) + 1
      return sendmsg(fd, msg, flags)
    end)
    run()
    print("pieces:", seen[1][true], seen[1][false])
    """
    sizes = "-Q 10000 -B 4096"
    output, status = play_script(
        programs, tmp_path, text, f"tcp_rr {sizes}", f"tcp_rr -c -H 127.0.0.1 -l 1 {sizes} SCRIPT"
    )
    assert status == {"server": 0, "client": 0}, output
    (line,) = [line for line in output["client"].splitlines() if line.startswith("pieces:")]
    more, last = map(int, line.split()[1:])
    assert last > 0 and 0 <= more - 2 * last <= 2, "three pieces each, but for what the end cuts"


@needs_namespace
def test_ffi_in_the_static_program(programs, tmp_path):  # noqa: F811
    """The C library's common functions are there; what is not there is said."""
    text = """
    local ffi = require("ffi")
    ffi.cdef("int getpid(void); int nosuch(void);")
    assert(ffi.C.getpid() == S.getpid())
    assert(require("ffi") == ffi)
    assert(gettid() == getpid())
    print(select(2, pcall(function() return ffi.C.nosuch end)))
    print(select(2, pcall(ffi.load, "m")))
    os.exit(0)
    """
    output, status = play_script(programs, tmp_path, text, "tcp_rr SCRIPT", "")
    assert status["server"] == 0, output
    assert "ffi.C.nosuch is not in this static program" in output["server"]
    assert "this program is static and loads no libraries" in output["server"]


@needs_namespace
def test_types_of_c_need_no_other_name_first(programs, tmp_path):  # noqa: F811
    """What hooks get can be named, whatever else a script uses of S."""
    text = """
    local ffi = require("ffi")
    local sizes = collect({ffi.sizeof("struct addrinfo"), ffi.sizeof("struct msghdr")})
    client_socket(function(fd, ai) sizes[1] = ffi.sizeof("struct addrinfo", ai) end)
    run()
    print("sizes", sizes[1][1], sizes[1][2])
    """
    output, status = play_script(
        programs, tmp_path, text, "tcp_rr", "tcp_rr -c -H 127.0.0.1 -l 1 SCRIPT"
    )
    assert status == {"server": 0, "client": 0}, output
    assert "sizes\t48\t56" in output["client"], output


@needs_namespace
def test_the_names_that_are_there(programs, tmp_path):  # noqa: F811
    """Functions and constants, listed for people."""
    text = "list_sys_funcs() print('--') list_sys_consts() os.exit(0)"
    output, status = play_script(programs, tmp_path, text, "tcp_rr SCRIPT", "")
    assert status["server"] == 0, output
    functions, constants = output["server"].split("\n--\n")
    assert {"recvmsg", "setsockopt", "clock_gettime", "gettid"} <= set(functions.splitlines())
    assert "select" not in functions.splitlines()
    assert {"AF_VSOCK", "SO_TIMESTAMPING", "EAGAIN", "SEEK_DATA"} <= set(constants.splitlines())
    assert len(functions.splitlines()) > 280 and len(constants.splitlines()) > 2800


@needs_namespace
def test_a_hook_is_called_when_there_is_something_to_read(programs, tmp_path):  # noqa: F811
    """It could not wait: its thread has other flows, and an end to see."""
    text = """
    local calls, vain = collect(0), collect(0)
    server_recvmsg(function(fd, msg, flags)
      local n, err = recvmsg(fd, msg, bit.bor(flags, MSG_DONTWAIT))
      calls = calls + 1
      if n then return n end
      vain = vain + 1
      return nil, err
    end)
    run()
    print("calls", calls[1] > 100 and "many" or calls[1], "in vain", vain[1])
    """
    output, status = play_script(
        programs, tmp_path, text, "tcp_stream SCRIPT", "tcp_stream -c -H 127.0.0.1 -l 2"
    )
    assert status == {"server": 0, "client": 0}, output
    assert "calls\tmany\tin vain\t0" in output["server"], output

"""rushit's options from outside: each of these tests fails when its option does nothing."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from rushit_box import Ended, Pair, build


@pytest.fixture(scope="session")
def folder() -> Path:
    return build()


@pytest.fixture
def pair(folder, tmp_path):
    return lambda name: Pair(folder, name, tmp_path)


def together(runs: list[tuple[Pair, str, str]]) -> list[tuple[Ended, Ended]]:
    """Pairs with the options of server and client, all at once; how they ended."""
    started = [
        (both.server(*server.split()), both.client(*client.split()))
        for both, server, client in runs
    ]
    ended = [(Ended(one), Ended(other)) for one, other in started]
    for one, other in ended:
        assert (one.status, other.status) == (0, 0), (one, other)
    return ended


# One workload each, with options of the client.
AT_ONCE = {
    "pacing": ("tcp_stream", "-m 1MiB"),
    "zerocopy": ("tcp_stream", "-Z"),
    "delay": ("tcp_stream", "-D 100000000 -B 1000"),
    "rate": ("udp_stream", "--rate 100 -B 64"),
    "hgrm": ("unix_rr", "--hgrm it.hgrm"),
}


@pytest.fixture(scope="session")
def quick(folder, tmp_path_factory):
    """What both ends of each said, and the folder where they ran."""
    place = tmp_path_factory.mktemp("quick")
    pairs = [(Pair(folder, name, place), "", options) for name, options in AT_ONCE.values()]
    return dict(zip(AT_ONCE, together(pairs))), place


def processor_seconds(end: Ended) -> float:
    return sum(
        end.number(f"{kind}_end") - end.number(f"{kind}_start") for kind in "utime stime".split()
    )


def test_busy_poll_takes_the_processor_at_both_ends(pair):
    """Twenty requests a second keep nobody busy who sleeps in between."""
    slept = pair("tcp_rr").run("", "--rate 20")
    looked = pair("tcp_rr").run("--busy-poll 1000000", "--busy-poll 1000000 --rate 20")
    for before, after in zip(slept, looked):
        assert (before.status, after.status) == (0, 0), (before, after)
        assert processor_seconds(after) > 5 * processor_seconds(before), (before, after)


# Where each thread may run, as its own hook sees it.
WHERE = """
local places = collect({})
client_socket(function()
  local file = io.open("/proc/thread-self/status")
  places[1] = file:read("*a"):match("Cpus_allowed_list:%s*(%S+)")
  file:close()
end)
run()
for i in tid_iter() do print("place" .. i .. "=" .. places[i][1]) end
"""


def cpus(text: str) -> set[int]:
    """What a list as 0-2,5 names."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_pin_cpu(pair, tmp_path):
    (tmp_path / "where.lua").write_text(WHERE)
    allowed = os.sched_getaffinity(0)
    cores: list[set[int]] = []
    for cpu in sorted(allowed):
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = cpus(path.read_text()) & allowed
        if core not in cores:
            cores.append(core)
    _, other = pair("tcp_rr").run("", "-U -T2 -F2 --script where.lua")
    assert other.status == 0, other
    for thread in range(2):
        assert cpus(other.keys[f"place{thread + 1}"]) == cores[thread % len(cores)], other


PIN_NUMA = """
mount --bind nodes /sys/devices/system/node || exit 97
ip link set lo up || exit 98
PROGRAMS/tcp_rr -s 300 > server.out 2>&1 &
PROGRAMS/tcp_rr -c -H 127.0.0.1 -l 1 -N -T2 -F2 --script where.lua
"""


def test_pin_numa(folder, tmp_path):
    """On a machine that shows two nodes of one processor each."""
    both = sorted(os.sched_getaffinity(0))[:2]
    if len(both) < 2:
        pytest.skip("one processor: there is nothing to choose")
    for number, cpu in enumerate(both):
        (tmp_path / f"nodes/node{number}").mkdir(parents=True)
        (tmp_path / f"nodes/node{number}/cpulist").write_text(f"{cpu}\n")
    (tmp_path / "where.lua").write_text(WHERE)
    script = PIN_NUMA.replace("PROGRAMS", str(folder))
    ended = Ended(
        subprocess.Popen(
            ["unshare", "-rmn", "sh", "-c", script],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
    )
    if "unshare failed" in ended.err:
        pytest.skip(f"this machine lets nobody mount: {ended.err}")
    assert ended.status == 0, ended
    assert [cpus(ended.keys[f"place{n}"]) for n in (1, 2)] == [{cpu} for cpu in both], ended


def test_pacing_holds_the_sender_back(quick):
    """A loopback carries a hundred times this, and more."""
    one, _ = quick[0]["pacing"]
    assert 0 < one.number("throughput_Mbps") < 100, one


# Of the client's socket, before it is closed.
SOCKET = """
local ffi = require("ffi")
ffi.cdef("int getsockopt(int, int, int, void *, uint32_t *);")
local seen = collect({})
client_close(function(fd)
  local name, size = ffi.new("char[32]"), ffi.new("uint32_t[1]", 32)
  assert(ffi.C.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, size) == 0)
  seen.congestion = ffi.string(name)
  seen.nonblocking = bit.band(fcntl(fd, F_GETFL), O_NONBLOCK) ~= 0
end)
run()
for key, value in pairs(seen[1]) do print(key .. "=" .. tostring(value)) end
"""


def test_congestion_control_and_nonblocking_reach_the_socket(pair, tmp_path):
    (tmp_path / "socket.lua").write_text(SOCKET)
    places = Path("/proc/sys/net/ipv4")
    usual = (places / "tcp_congestion_control").read_text().strip()
    names = (places / "tcp_available_congestion_control").read_text().split()
    other_name = next((name for name in names if name != usual), usual)
    options = f"--script socket.lua --congestion-control {other_name} --nonblocking"
    (_, plain), (_, chosen) = together(
        [
            (pair("tcp_stream"), "", "--script socket.lua"),
            (pair("tcp_stream"), "", options),
        ]
    )
    assert plain.keys["congestion"] == usual and plain.keys["nonblocking"] == "false", plain
    assert chosen.keys["congestion"] == other_name, chosen
    assert chosen.keys["nonblocking"] == "true", chosen


def test_congestion_control_that_is_not_there(pair):
    one, other = pair("tcp_stream").run("-s 200", "--congestion-control nosuch")
    assert other.status == 99 and "--congestion-control nosuch" in other.err, other
    assert "tcp_available_congestion_control" in other.err and one.status == 99, (one, other)


def test_zerocopy_tells_what_was_copied(quick):
    """Over the loopback that is all of it."""
    _, other = quick[0]["zerocopy"]
    assert other.number("zerocopy_copied") > 0, other


FLAGS = """
local seen = collect({flags = 0, edges = 0})
server_recvmsg(function(fd, msg, flags)
  seen.flags = flags
  for n = 3, 60 do
    local file = io.open("/proc/self/fdinfo/" .. n)
    local text = file and file:read("*a") or ""
    if file then file:close() end
    -- EPOLLET is the highest bit of what an epoll descriptor waits for
    if text:match("tfd:%s*" .. fd .. " events:%s*8%x%x%x%x%x%x%x") then seen.edges = 1 end
  end
  return recvmsg(fd, msg, flags)
end)
run()
print("truncates=" .. (bit.band(seen[1].flags, MSG_TRUNC) ~= 0 and 1 or 0))
print("edges=" .. seen[1].edges)
"""


def test_receive_flags_and_edges(pair, tmp_path):
    (tmp_path / "flags.lua").write_text(FLAGS)
    options = ("--script flags.lua", "--script flags.lua --skip-rx-copy -E")
    ended = together([(pair("tcp_stream"), words, "") for words in options])
    for (one, _), wanted in zip(ended, "01"):
        assert one.keys["truncates"] == one.keys["edges"] == wanted, one


def test_delay_is_a_rest_after_each_write(quick):
    _, other = quick[0]["delay"]
    # Ten rests of 0.1 s: at most eleven writes, whatever the machine's speed; two digits are told.
    assert 0 < other.number("throughput_Mbps") <= round(11 * 8000 / 1e6, 2), other


def test_warmup_comes_before_measuring(pair):
    begun = time.monotonic()
    _, other = pair("tcp_rr").run("", "--warmup 1")
    assert other.keys["total_run_time"] == "2", other
    assert float(other.keys["time_start"]) - begun >= 1, other


def test_rate_is_not_exceeded(quick):
    """Without it tens of thousands are sent."""
    _, other = quick[0]["rate"]
    assert 0 < other.number("throughput") < 300, other


def test_hgrm_holds_every_latency(quick):
    found, place = quick
    _, other = found["hgrm"]
    text = (place / "it.hgrm").read_text()
    counted = re.search(r"Total count\s*=\s*(\d+)", text)
    assert counted and int(counted[1]) == other.number("latency_samples") > 0, text
    levels = [float(line.split()[1]) for line in text.splitlines() if re.match(r"\s+\d", line)]
    assert levels == sorted(levels) and levels[-1] == 1, text


LINE = r" +\d\.\d s +\d+ transactions/s +\d+\.\d\d Mbit/s"


def test_progress_is_a_line_each_interval(pair):
    _, other = pair("tcp_rr").run("", "--progress -I 0.25")
    assert re.fullmatch(rf"(?:{LINE}\n)+", other.err), other


def test_progress_on_a_terminal_is_one_moving_line(pair):
    both = pair("tcp_rr")
    server = both.server()
    ours, theirs = pty.openpty()
    words = [both.folder / "tcp_rr", "-C", both.control, "-P", both.data, "-c", "-l1", "-I0.25"]
    client = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 1000):
            said += chunk
    except OSError:  # the terminal's other side is closed
        pass
    os.close(ours)
    assert (client.wait(300), Ended(server).status) == (0, 0), said
    assert re.fullmatch(rf"(?:\r{LINE}  )+\r\n", said.decode()), said


def sockets_on(port: str) -> int:
    """UDP sockets that are bound to the port."""
    lines = [
        line.split()[1] for name in ("udp", "udp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]  # fmt: skip
    return sum(int(place.split(":")[1], 16) == int(port) for place in lines)


@pytest.mark.parametrize("options, wanted", [(["-T3"], 1), (["-T3", "--reuseport"], 3)])
def test_reuseport(pair, options, wanted):
    both = pair("udp_stream")
    server = both.server(*options)
    try:
        deadline = time.monotonic() + 120
        while sockets_on(both.data) != wanted:
            assert time.monotonic() < deadline, sockets_on(both.data)
            time.sleep(0.02)
    finally:
        server.kill()
        server.communicate()


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def connects(host: str, port: str) -> bool:
    try:
        socket.create_connection((host, int(port)), timeout=120).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("options, wanted", [(["-4"], (True, False)), (["-6"], (True, True))])
def test_ipv4_only(pair, options, wanted):
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 on its loopback")
    both = pair("tcp_rr")
    server = both.server(*options)
    try:
        deadline = time.monotonic() + 120
        while not connects("127.0.0.1", both.control):
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.02)
        assert (True, connects("::1", both.control)) == wanted
    finally:
        server.kill()
        server.communicate()


class Relay(threading.Thread):
    """Carries datagrams of one client to the server and back; loses and delays some."""

    def __init__(self, server_port: str, lose: int = 0, delay: float = 0) -> None:
        super().__init__(daemon=True)
        self.inner, self.outer = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        self.outer.bind(("127.0.0.1", 0))
        self.inner.connect(("127.0.0.1", int(server_port)))
        self.port = str(self.outer.getsockname()[1])
        self.left_to_lose, self.delay = lose, delay
        self.client: tuple[str, int] | None = None
        threading.Thread(target=self.carry_back, daemon=True).start()
        self.start()

    def run(self) -> None:
        while True:
            datagram, self.client = self.outer.recvfrom(100)
            if self.left_to_lose:
                self.left_to_lose -= 1
            else:
                self.inner.send(datagram)

    def carry_back(self) -> None:
        while True:
            try:
                answer = self.inner.recv(100)
            except ConnectionRefusedError:
                continue
            timer = threading.Timer(self.delay, self.outer.sendto, (answer, self.client))
            timer.daemon = True
            timer.start()


def test_lost_and_late_datagrams_do_not_end_a_flow(pair):
    """What is lost is asked again after a second; an answer later than that counts too."""
    lossy, slow = pair("udp_rr"), pair("udp_rr")
    servers = [lossy.server(), slow.server()]
    relays = [Relay(lossy.data, lose=1), Relay(slow.data, delay=1.3)]
    lossy.data, slow.data = relays[0].port, relays[1].port
    clients = [both.client("-H", "127.0.0.1", "-l", "4") for both in (lossy, slow)]
    ends = [Ended(process) for process in (*clients, *servers)]
    assert [end.status for end in ends] == [0, 0, 0, 0], ends
    assert ends[0].number("lost") >= 1 and ends[1].number("lost") >= 1, ends
    assert ends[0].number("num_transactions") > 10, ends[0]
    assert ends[1].number("num_transactions") >= 1, ends[1]


def test_stray_datagrams_are_no_requests(pair):
    """Neither an empty one nor one of another size ends the server's flow or is answered."""
    both = pair("udp_rr")
    server = both.server("-Q", "7", "-R", "7")
    stranger = socket.socket(type=socket.SOCK_DGRAM)
    stranger.settimeout(120)
    deadline = time.monotonic() + 120
    while sockets_on(both.data) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for datagram in (b"", b"x", b"y" * 8, b"z" * 7):
        stranger.sendto(datagram, ("127.0.0.1", int(both.data)))
    assert stranger.recv(100) == b"z" * 7, "only what looks like a request is answered"
    ended = Ended(both.client("-Q", "7", "-R", "7", "-H", "127.0.0.1"))
    assert (Ended(server).status, ended.status) == (0, 0), ended
    assert ended.number("num_transactions") > 10

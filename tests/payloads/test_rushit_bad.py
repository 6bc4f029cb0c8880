"""rushit when its user, its peer or a stranger on its port does something wrong."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time

import pytest
from ports import free_ports
from rushit_box import Ended, Pair, build

NUMBER = "write a number from "
PERCENTILES = "write up to 32 different numbers from 0 to 100, as 50,99,99.9"
UNITS = "b, B, kb, Kib, kB, KiB, Mb, Mib, MB, MiB, Gb, Gib, GB or GiB"

# Workload, options, and the whole message.  First what the ancestor checks, then what is ours.
BAD = [
    ("tcp_rr", "-l 0", f"--test-length cannot be 0; {NUMBER}1 to 100000000"),
    ("tcp_rr", "-l -1", f"--test-length cannot be -1; {NUMBER}1 to 100000000"),
    ("tcp_rr", "-l x", "--test-length needs a whole number, not 'x'; write it in digits"),
    ("tcp_rr", "--maxevents 0", f"--maxevents cannot be 0; {NUMBER}1 to 65536"),
    ("tcp_rr", "-F 0", f"--num-flows cannot be 0; {NUMBER}1 to 1000000"),
    ("tcp_rr", "-T 0", f"--num-threads cannot be 0; {NUMBER}1 to 4096"),
    ("tcp_rr", "--num-clients 0", f"--num-clients cannot be 0; {NUMBER}1 to 1000"),
    (
        "tcp_stream",
        "-c -F1 -T2",
        "1 flows are too few for 2 threads; give a client at least one flow a thread",
    ),
    ("tcp_rr", "-Q 0", f"--request-size cannot be 0; {NUMBER}1 to 1073741824"),
    ("tcp_rr", "-R 0", f"--response-size cannot be 0; {NUMBER}1 to 1073741824"),
    ("udp_stream", "-B 0", f"--buffer-size cannot be 0; {NUMBER}1 to 1073741824"),
    ("tcp_stream", "-B -1", "--buffer-size cannot be negative; write a size"),
    ("tcp_rr", "-I 0", f"--interval cannot be 0; {NUMBER}0.001 to 1000000"),
    ("tcp_rr", "-I nan", f"--interval cannot be nan; {NUMBER}0.001 to 1000000"),
    ("tcp_rr", "--min-rto -1", f"--min-rto cannot be -1; {NUMBER}0 to 65535"),
    ("tcp_stream", "--min-rto 70000", f"--min-rto cannot be 70000; {NUMBER}0 to 65535"),
    ("tcp_rr", "-m 5KB", f"--max-pacing-rate 5KB: the unit is not known; write {UNITS}"),
    (
        "tcp_rr",
        "-m -1",
        "--max-pacing-rate -1: write a number, and a unit as kb, KiB or MB if it is not bytes",
    ),
    (
        "tcp_stream",
        "-m 8GiB",
        "--max-pacing-rate 8GiB: that is above what the kernel takes; write at most 4294967295 "
        "bytes",
    ),
    ("tcp_rr", "-L ::1", "--local-host is for the client; a server binds to --host"),
    ("tcp_crr", "--listen-backlog 0", f"--listen-backlog cannot be 0; {NUMBER}1 to 2147483647"),
    (
        "tcp_rr",
        "--listen-backlog 2147483647",
        "--listen-backlog cannot be 2147483647; the kernel (net.core.somaxconn) allows <n>",
    ),
    (
        "tcp_rr",
        "-p 101",
        f"--percentiles cannot be '101'; {PERCENTILES}",
    ),
    (
        "udp_rr",
        "-p -1",
        f"--percentiles cannot be '-1'; {PERCENTILES}",
    ),
    ("tcp_stream", "-D -1", f"--delay cannot be -1; {NUMBER}0 to 1e+18"),
    ("tcp_rr", "-s -1", f"--suicide-length cannot be -1; {NUMBER}0 to 100000000"),
    ("tcp_rr", "--magic x", "--magic needs a whole number, not 'x'; write it in digits"),
    ("tcp_rr", "--num-flow 3", "there is no option --num-flow; write --num-flows"),
    ("tcp_rr", "-z", "there is no option -z; 'tcp_rr --help' lists them all"),
    ("tcp_stream", "-Q 5", "there is no option -Q; 'tcp_stream --help' lists them all"),
    ("udp_stream", "-m 5", "there is no option -m; 'udp_stream --help' lists them all"),
    ("tcp_rr", "word", "'word' is no option; 'tcp_rr --help' lists them all"),
    ("tcp_rr", "--script", "--script needs a value; write --script=FILE"),
    (
        "tcp_rr",
        "-C 70000",
        "--control-port cannot be '70000'; write a number from 1 to 65535, or a service's name",
    ),
    (
        "udp_rr",
        "-C nosuchservice",
        "--control-port cannot be 'nosuchservice'; write a number from 1 to 65535, or a service's "
        "name",
    ),
    ("tcp_rr", "-P 0", "--port cannot be '0'; write a number from 1 to 65535, or a service's name"),
    (
        "tcp_rr",
        "-A/nonexistent/x",
        "--all-samples cannot be '/nonexistent/x': No such file or directory; name a file that can "
        "be written",
    ),
    (
        "tcp_rr",
        "-c --hgrm /",
        "--hgrm cannot be '/': Is a directory; name a file that can be written",
    ),
    ("unix_rr", "-P x", f"--port cannot be 'x'; {NUMBER}1 to 4294967294"),
    ("tcp_rr", "--until 0", "--until cannot be '0'; write a percentage as 1%"),
    ("tcp_rr", "-c --until 101%", "--until cannot be '101%'; write a percentage as 1%"),
    (
        "tcp_rr",
        "--rate 5",
        "--rate, --until and --warmup are for the client; the server follows it",
    ),
    ("tcp_rr", "--hgrm x", "--hgrm is for the client; a server measures no latency"),
    ("tcp_rr", "--busy-poll -1", f"--busy-poll cannot be -1; {NUMBER}0 to 1000000"),
    ("tcp_rr", "--transport tcp", "--transport cannot be 'tcp'; write one of inet, unix, vsock"),
    ("udp_rr", "-4 --transport unix", "--ipv4 and --ipv6 mean nothing over unix; leave them out"),
    (
        "tcp_stream",
        "-m 5 --transport vsock",
        "--congestion-control, --max-pacing-rate and --min-rto belong to TCP, not to vsock; "
        "leave them out",
    ),
    ("tcp_rr", "-U -N", "--pin-cpu and --pin-numa exclude each other; give one"),
    (
        "udp_stream",
        "-B 65508",
        "--buffer-size cannot be 65508; a UDP datagram holds at most 65507 bytes",
    ),
    (
        "udp_rr",
        "-Q 70000",
        "a datagram is one write: --request-size and --response-size must not be above "
        "--buffer-size (65536)",
    ),
]


@pytest.fixture(scope="session")
def folder():
    return build()


@pytest.fixture
def pair(folder, tmp_path):
    return lambda name="tcp_rr": Pair(folder, name, tmp_path)


@pytest.mark.parametrize("name, options, message", BAD)
def test_bad_option(pair, name, options, message):
    ended = Ended(pair(name).start(*options.split()))
    assert ended.status == 2 and not ended.out, ended
    pattern = re.escape(f"{name}: {message}\n").replace("<n>", r"\d+")
    assert re.fullmatch(pattern, ended.err), ended


def test_nobody_listens(pair):
    names = ["tcp_rr", "tcp_stream", "udp_rr", "udp_stream", "unix_rr"]
    clients = {name: pair(name) for name in names}
    started = [both.client("--patience", "1") for both in clients.values()]
    for (name, both), process in zip(clients.items(), started):
        ended = Ended(process)
        assert ended.status == 99, ended
        assert re.fullmatch(
            rf"{name}: cannot connect to \S+{both.control}: Connection refused; "
            r"is the server running, on this address and port\?\n",
            ended.err,
        ), ended


def test_nobody_comes(pair):
    ended = Ended(pair().start("--patience", "1"))
    assert ended.status == 99 and "0 of 1 clients" in ended.err, ended


def test_life_has_a_limit(pair):
    ended = Ended(pair().start("-s", "1"))
    assert ended.status == 99 and "timeout handler" in ended.err, ended


def until_it_listens(port: str) -> socket.socket:
    deadline = time.monotonic() + 120
    while True:
        try:
            return socket.create_connection(("127.0.0.1", int(port)), timeout=120)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.02)


def test_ports_in_use_are_not_shared(pair):
    both = pair()
    server = both.server()
    until_it_listens(both.control).close()
    until_it_listens(both.data).close()  # it takes that one later
    second = Ended(both.server())
    assert second.status == 99 and "Address already in use" in second.err, second
    both.control, first_control = free_ports(1)[0], both.control
    third = Ended(both.server())
    assert third.status == 99 and "in use; is another server running?" in third.err, third
    both.control = first_control
    assert Ended(both.client()).status == 0
    assert Ended(server).status == 0


def test_strangers_do_not_keep_clients_out(pair):
    both = pair()
    server = both.server()
    silent = until_it_listens(both.control)
    with until_it_listens(both.control) as loud:
        loud.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"x" * 300)
        try:
            assert loud.recv(1000) == b""
        except ConnectionResetError:
            pass
    crowd = [until_it_listens(both.control) for _ in range(100)]
    client = Ended(both.client())
    ended = Ended(server)
    silent.close()
    assert (client.status, ended.status) == (0, 0), (client, ended)
    assert ended.number("invalid_secret_count") >= 1, ended
    assert len(crowd) == 100


SECRET = b"rushit control port secret".ljust(32, b"\0")
# version, magic, HELLO, kind, socket type, threads, flows, request, response, seconds
HELLO = struct.pack(">10I", 1, 42, 1, 0, 1, 1, 1, 1, 1, 11)


def converse(port: str, said: bytes) -> bytes:
    """What the control port answers before it closes."""
    with until_it_listens(port) as connection:
        try:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1000)
        except OSError:
            return b""


def test_ports_are_bound_where_told(pair):
    both = pair()
    server = both.server("-H", "127.0.0.1")
    until_it_listens(both.control).close()
    for port in (both.control, both.data):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", int(port)), timeout=120)
    assert Ended(both.client("-H", "127.0.0.1")).status == 0
    assert Ended(server).status == 0


def test_another_version_is_told(pair):
    both = pair()
    server = both.server()
    other = SECRET + struct.pack(">I", 9) + HELLO[4:]
    assert b"another version" in converse(both.control, other.ljust(256, b"\0"))
    assert Ended(both.client()).status == 0
    assert "another version" in Ended(server).err


def test_server_survives_damaged_messages(pair):
    """Each of a sound message's bytes changed, cut and doubled, by a fixed seed."""
    both = pair()
    server = both.server()
    dice = random.Random(4)
    sound = (SECRET + HELLO).ljust(256, b"\0")
    for _ in range(300):
        damaged = bytearray(sound[: dice.choice([256, 256, 256, dice.randrange(256)])])
        for _ in range(dice.randrange(1, 4)):
            if damaged:
                # Not the type: a sound HELLO would be welcomed.
                damaged[dice.randrange(min(44, len(damaged)))] = dice.randrange(256)
        converse(both.control, bytes(damaged) * dice.choice([1, 1, 2]))
        assert server.poll() is None, server.stderr.read()
    assert Ended(both.client()).status == 0
    assert Ended(server).status == 0


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("tcp_rr", ["--magic", "43"], "--magic"),
        ("tcp_stream", [], "another workload"),
        ("tcp_rr", ["-Q", "2"], "--request-size"),
    ],
)
def test_peer_that_does_not_fit_is_told(pair, folder, tmp_path, name, options, words):
    both = pair()
    server = both.server()
    other = Pair(folder, name, tmp_path)
    other.control, other.data = both.control, both.data
    ended = Ended(other.client(*options))
    assert ended.status == 99 and words in ended.err, ended
    assert Ended(both.client()).status == 0, "the server still waits for the right one"
    assert Ended(server).status == 0


def test_server_that_is_no_rushit(pair):
    both = pair()
    with socket.create_server(("127.0.0.1", int(both.control))) as listener:
        client = both.client("-H", "127.0.0.1")
        connection = listener.accept()[0]
        connection.sendall(b"220 mail.example ESMTP\r\n" * 30)
        ended = Ended(client)
        connection.close()
    assert ended.status == 99 and "secret" in ended.err, ended


def test_server_that_says_nothing(pair):
    both = pair()
    with socket.create_server(("127.0.0.1", int(both.control))):
        ended = Ended(both.client("-H", "127.0.0.1", "--patience", "1"))
    assert ended.status == 99 and "time limit" in ended.err, ended


def measuring(process):
    """Wait for an interval in which data moved, so that there is something to keep."""
    moved = 0.0
    while not moved:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        if '"type":"interval"' in line:
            interval = json.loads(line)
            moved = interval.get("per_second", 0) + interval["Mbps"]


@pytest.mark.parametrize("victim", ["server", "client"])
def test_peer_that_vanishes(pair, victim):
    both = pair()
    options = ["--json", "-I", "0.05"]
    server = both.server(*options)
    client = both.client(*options, "-l", "30")
    killed, left = (server, client) if victim == "server" else (client, server)
    measuring(left)
    os.kill(killed.pid, signal.SIGKILL)
    ended = Ended(left)
    killed.communicate()
    assert ended.status == 99 and "mid-run" in ended.err, ended
    result = ended.lines("result")[0]
    assert result["status"] == 99 and result["local"]["transactions"] > 0
    assert not ended.lines("figure"), "half a run is no point of a history"


@pytest.mark.parametrize("victim", ["server", "client"])
def test_interrupt_keeps_results(pair, victim):
    both = pair("tcp_stream")
    options = ["--json", "-I", "0.05"]
    server = both.server(*options)
    client = both.client(*options, "-l", "30")
    measuring(client)
    measuring(server)
    (server if victim == "server" else client).send_signal(signal.SIGINT)
    ends = [Ended(client), Ended(server)]
    assert [end.status for end in ends] == [0, 0], ends
    for end in ends:
        result = end.lines("result")[0]
        assert result["local"]["bytes_read"] + result["local"]["bytes_written"] > 0
        # Both know it: half a run is no point of a history.
        assert result["interrupted"] and not end.lines("figure"), end


def test_results_that_nobody_gets_are_an_error(pair):
    both = pair()
    server = both.server()
    words = [both.folder / "tcp_rr", "-C", both.control, "-P", both.data, "-c", "-l", "1"]
    with open("/dev/full", "w") as full:
        said = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert said.returncode == 99 and "the output could not be written" in said.stderr, said
    assert Ended(server).status == 0


@pytest.mark.parametrize("name", ["udp_stream", "udp_rr"])
def test_datagrams_that_are_refused_are_a_failure(pair, name):
    """The server's data port is another than the client's."""
    both = pair(name)
    server = both.server("-H", "127.0.0.1")
    both.data = free_ports(1)[0]
    ended = Ended(both.client("-H", "127.0.0.1"))
    assert ended.status == 1, ended
    assert ended.err == (
        f"{name}: nobody listens at 127.0.0.1:{both.data}: Connection refused\n"
        f"{name}: no datagram reached the server: its machine refuses them, nobody listens on "
        f"port {both.data}\n"
    )
    assert Ended(server).status == 1


@pytest.mark.parametrize("name, words", [("udp_stream", "in the way"), ("udp_rr", "no trans")])
def test_datagrams_that_vanish_are_a_failure(pair, name, words):
    """The client's data port is a socket's that reads nothing."""
    both = pair(name)
    with socket.socket(type=socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        server = both.server("-H", "127.0.0.1")
        both.data = str(hole.getsockname()[1])
        ended = Ended(both.client("-H", "127.0.0.1"))
    assert ended.status == 1 and words in ended.err, ended
    assert Ended(server).status == 1

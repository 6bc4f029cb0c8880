"""rushit when its user, its peer or a stranger on its port does something wrong."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import time

import pytest
from rushit_box import Ended, Pair, build, free_ports

# options, a word of the message
BAD = [
    ("-l 0", "test-length"),
    ("-l x", "test-length"),
    ("--maxevents 0", "maxevents"),
    ("-F 0", "num-flows"),
    ("-T 0", "num-threads"),
    ("--num-clients 0", "num-clients"),
    ("-c -F1 -T2", "threads"),
    ("-Q 0", "request-size"),
    ("-R 0", "response-size"),
    ("-B 0", "buffer-size"),
    ("-I 0", "interval"),
    ("--min-rto -1", "min-rto"),
    ("--min-rto 70000", "min-rto"),
    ("-m 5KB", "max-pacing-rate"),
    ("-m 8GiB", "max-pacing-rate"),
    ("-L 127.0.0.1", "local-host"),
    ("--listen-backlog 2147483647", "somaxconn"),
    ("-p 101", "percentiles"),
    ("--until 0", "until"),
    ("--rate 5", "client"),
    ("--transport tcp", "transport"),
    ("-4 --transport unix", "ipv4"),
    ("--num-flow 3", "num-flows"),
    ("word", "word"),
    ("-U -N", "pin"),
]


@pytest.fixture(scope="session")
def folder():
    return build()


@pytest.fixture
def pair(folder, tmp_path):
    return lambda name="tcp_rr": Pair(folder, name, tmp_path)


@pytest.mark.parametrize("options, word", BAD)
def test_bad_option(pair, options, word):
    ended = Ended(pair().start(*options.split()))
    assert ended.status == 2 and not ended.out, ended
    assert word in ended.err and ended.err.count("\n") == 1, ended


def test_nobody_listens(pair):
    begun = time.monotonic()
    ended = Ended(pair().client("--patience", "1", "-H", "127.0.0.1"))
    assert ended.status == 99 and "refused" in ended.err, ended
    assert time.monotonic() - begun < 10


def test_nobody_comes(pair):
    ended = Ended(pair().start("--patience", "1"))
    assert ended.status == 99 and "0 of 1 clients" in ended.err, ended


def test_life_has_a_limit(pair):
    ended = Ended(pair().start("-s", "1"))
    assert ended.status == 99 and "timeout handler" in ended.err, ended


def until_it_listens(port: str) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", int(port)), timeout=20)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.02)


def test_ports_in_use_are_not_shared(pair):
    both = pair()
    server = both.server()
    until_it_listens(both.control).close()
    second = Ended(both.server())
    assert second.status == 99 and "Address already in use" in second.err, second
    both.control, first_control = free_ports(1)[0], both.control
    third = Ended(both.server())
    assert third.status == 99 and "Address already in use" in third.err, third
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
            socket.create_connection(("127.0.0.2", int(port)), timeout=20)
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
    """Wait for the second interval, so that there is something to keep."""
    for _ in range(2):
        while '"interval"' not in (line := process.stdout.readline()):
            assert line, process.stderr.read()


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
    (server if victim == "server" else client).send_signal(signal.SIGINT)
    ends = [Ended(client), Ended(server)]
    assert [end.status for end in ends] == [0, 0], ends
    for end in ends:
        result = end.lines("result")[0]
        assert result["local"]["bytes_read"] + result["local"]["bytes_written"] > 0
    assert ends[0].lines("result")[0]["interrupted"]


@pytest.mark.parametrize(
    "name, words", [("udp_stream", "no datagram"), ("udp_rr", "no transactions")]
)
def test_no_datagram_arrives_is_a_failure(pair, name, words):
    """The server's data port is another than the client's."""
    both = pair(name)
    server = both.server()
    both.data = free_ports(1)[0]
    ended = Ended(both.client())
    assert ended.status == 1 and words in ended.err, ended
    assert Ended(server).status == 1

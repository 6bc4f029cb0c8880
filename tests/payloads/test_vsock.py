"""The vsock payloads over loopback addresses: against each other, strangers, and rude peers."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Iterator

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/vsock"
LIMIT = 60
SMALL = ("--bytes", "256K", "--repeats", "2", "--multi-repeats", "2")
BYTES = 256 << 10
BLOCK = 60000
RESET = struct.pack("ii", 1, 0)
numbers = itertools.count(os.getpid() % 200 * 64)


@pytest.fixture(scope="session")
def programs() -> Path:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return SOURCE / "build"


@pytest.fixture
def host() -> Iterator[str]:
    """A loopback address that no other test uses: ports are fixed, and linger after use.
    One test at a time: the guests' ports are those of all addresses.
    """
    number = next(numbers)
    with open(Path(tempfile.gettempdir()) / "xentest-vsock-ports.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield f"127.1.{number // 250}.{number % 250 + 1}"


class Half:
    """A program that runs until it is asked how it ended."""

    def __init__(self, program: Path, *words: object) -> None:
        self.process = subprocess.Popen(
            [program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> subprocess.CompletedProcess[str]:
        out, err = self.process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)


def connect(host: str, port: int, own: int = 0) -> socket.socket:
    """To somebody who is just starting; leaves nothing behind that lingers."""
    for _ in range(LIMIT * 100):
        connection = socket.socket()
        connection.settimeout(LIMIT)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            connection.bind(("", own))
            connection.connect((host, port))
            return connection
        except ConnectionRefusedError:
            connection.close()
            threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens on {host}:{port}")


def listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.settimeout(LIMIT)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(16)
    return listener


def read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


# The integration test


def test_both_halves(programs, host):
    checked = Half(programs / "vsock-integration", "--listen", host, "--ktap")
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host).end()
    said = checked.end()
    assert (guest.returncode, guest.stdout) == (0, "PASS\n"), guest
    assert said.returncode == 0 and "\n1..6\n" in said.stdout, said
    assert said.stdout.count("\nok ") == 6 and "not ok" not in said.stdout


def test_host_against_a_strangers_guest(programs, host):
    checked = Half(programs / "vsock-integration", "--listen", host, "--json")
    with listen("", 8001) as one, listen("", 8002) as two, listen("", 8003) as three:
        client = connect(host, 8000, 49152)
        exchange(client)
        client.close()
        served, _ = one.accept()
        exchange(served)
        served.close()
        served, _ = two.accept()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                served.sendall(b"*" * BLOCK)
        served.close()
        served, _ = three.accept()
        assert read(served, 1) == b"\0"
        served.close()
        said = checked.end()
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0, said
    assert [line["status"] for line in lines if line["type"] == "result"] == ["pass"] * 6


def exchange(connection: socket.socket) -> None:
    connection.sendall(b"*" * 4 * BLOCK)
    assert read(connection, 1) == b"*"


def test_guest_against_a_strangers_host(programs, host):
    with listen(host, 8000) as listener:
        guest = Half(programs / "vsock-util", "integration_test", "--peer", host)
        client, (_, port) = listener.accept()
        assert port == 49152
        answer(client)
        assert client.recv(1) == b""  # the guest closes
        client.close()
        connection = connect("127.0.0.1", 8001)
        answer(connection)
        connection.close()
        connection = connect("127.0.0.1", 8002)
        assert read(connection, 10) == b"*" * 10
        connection.close()
        connection = connect("127.0.0.1", 8003)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                connection.sendall(bytes(1000))
        connection.close()
        said = guest.end()
    assert (said.returncode, said.stdout) == (0, "PASS\n"), said


def answer(connection: socket.socket, byte: bytes = b"*") -> None:
    assert read(connection, 4 * BLOCK) == b"*" * 4 * BLOCK
    connection.sendall(byte)


@pytest.mark.parametrize(
    "own, data, words",
    [
        (49153, b"", "the connection is from port 49153"),
        (49152, b"x" * 10, "the peer closed the connection after 10 of 60000 bytes"),
        (49152, b"*" * 70000 + b"+" + b"*" * 169999, "byte 70000 is 43 instead of 42"),
    ],
    ids=["wrong port", "too little", "wrong byte"],
)
def test_host_tells_what_a_rude_guest_did(programs, host, own, data, words):
    checked = Half(programs / "vsock-integration", "--listen", host, "--ktap", "--timeout", 3)
    with connect(host, 8000, own) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
    said = checked.end()
    assert said.returncode == 1 and words in said.stdout, said
    assert "# SKIP not reached" in said.stdout


@pytest.mark.parametrize(
    "how, words",
    [
        ("wrong", "exchange with the host's port 8000: the host answered 43 instead of 42"),
        ("close", "exchange with the host's port 8000: "),
        ("silent", "exchange with the host's port 8000: only 0 of 1 bytes came within"),
        ("vanish", "exchange on port 8001: nobody connected within the time limit"),
    ],
)
def test_guest_names_the_step_that_failed(programs, host, how, words):
    with listen(host, 8000) as listener:
        guest = Half(programs / "vsock-util", "integration_test", "-p", host, "--timeout", 1)
        client, _ = listener.accept()
        if how in ("wrong", "vanish"):
            answer(client, b"+" if how == "wrong" else b"*")
        elif how == "close":
            client.close()
        said = guest.end()
        client.close()
    assert said.returncode == 1 and words in said.stderr and "PASS" not in said.stdout, said


def test_no_peer(programs, host):
    said = Half(programs / "vsock-integration", "--listen", host, "--timeout", 1).end()
    assert said.returncode == 99 and "running in the guest?" in said.stdout, said
    said = Half(programs / "vsock-util", "integration_test", "-p", host, "--timeout", 1).end()
    assert said.returncode == 1 and "Connection refused" in said.stderr, said
    said = Half(programs / "vsock-perf", "--listen", host, "--timeout", 1).end()
    assert said.returncode == 99 and "0 of the guest's 9 connections came" in said.stderr, said


def test_guest_is_started_through_its_console(programs, host):
    ours, terminal = pty.openpty()
    os.set_blocking(ours, True)
    words = ("--listen", host, "--console", os.ttyname(terminal), "--command", "begin now")
    checked = Half(programs / "vsock-integration", *words)
    typed = b""
    while not typed.endswith(b"\n"):
        typed += os.read(ours, 100)
    assert typed == b"begin now\n"
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host).end()
    os.write(ours, b"$ begin now\r\n" + guest.stdout.encode())
    said = checked.end()
    assert said.returncode == 0 and "the guest says PASS: passed" in said.stdout, said
    os.close(ours)
    os.close(terminal)


# The micro benchmark


def test_benchmark(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--packets", 300, *SMALL)
    guest = Half(programs / "vsock-util", "micro_benchmark", "--peer", host, *SMALL).end()
    said = measured.end()
    assert (guest.returncode, guest.stdout) == (0, ""), guest
    assert said.returncode == 0, said
    lines = said.stdout.splitlines()
    assert lines[:3] == [
        "Microbenchmark Results", "* Data corruption check: PASSED",
        "* Round trip latency of 4096 bytes:",
    ]  # fmt: skip
    assert re.fullmatch(r"\tMin: \d+ns \(\d+\.\d{3}ms\)", lines[3])
    assert sum(line.startswith("* ") for line in lines) == 10 and "NOT RUN" not in said.stdout


def test_benchmark_as_json(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--json", "--packets", 300, *SMALL)
    Half(programs / "vsock-util", "micro_benchmark", "--peer", host, *SMALL).end()
    lines = [json.loads(line) for line in measured.end().stdout.splitlines()]
    assert [line["type"] for line in lines] == ["environment", "vsock-perf"] + ["figure"] * 6
    record = lines[1]
    assert record["data_corruption"] == "PASSED" and record["transfer_bytes"] == BYTES
    assert record["multi_stream_unidirectional"]["count"] == 10
    assert record["multi_stream_sum"]["count"] == 2
    assert record["multi_stream_sum"]["p_50th"] > record["multi_stream_unidirectional"]["min"]


def guest_sockets(host: str) -> list[socket.socket]:
    """A stranger's nine connections, in their order."""
    return [connect(host, 8500, port) for port in range(8501, 8510)]


def close_all(connections: list[socket.socket]) -> None:
    for connection in connections:
        if connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()


def echo(connection: socket.socket, change: bool = False) -> None:
    while page := read(connection, 4096):
        connection.sendall(b"#" + page[1:] if change and page[:5] == b"DAVID" else page)


def test_host_measures_a_strangers_guest(programs, host):
    words = ("--listen", host, "--packets", 10, "--bytes", BYTES, "--repeats", 1)
    measured = Half(programs / "vsock-perf", *words, "--multi-repeats", 1)
    connections = guest_sockets(host)
    control, latency, single, *multi, both = connections
    echo(latency)
    control.sendall(bytes([129]))
    writer = threading.Thread(target=both.sendall, args=(bytes(BYTES),))
    writer.start()
    read(both, BYTES)
    writer.join()
    control.sendall(bytes([123]))
    read(single, BYTES)
    single.sendall(bytes(BYTES))
    control.sendall(bytes([128, 124, 126, 125, 127]))  # in any order
    threads = [threading.Thread(target=there_and_back, args=(stream,)) for stream in multi]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = measured.end()
    close_all(connections)
    assert said.returncode == 0 and "NOT RUN" not in said.stdout, said


def there_and_back(stream: socket.socket) -> None:
    read(stream, BYTES)
    stream.sendall(bytes(BYTES))


def test_data_that_comes_back_changed_is_a_failure(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--packets", 10, *SMALL)
    connections = guest_sockets(host)
    echo(connections[1], change=True)
    connections[0].sendall(bytes([129]))
    close_all(connections)
    said = measured.end()
    assert said.returncode == 1, said
    assert "* Data corruption check: FAILED" in said.stdout and "changed" in said.stderr


@pytest.mark.parametrize(
    "how, words",
    [
        ("stranger", "unexpected connection from guest port: 8510"),
        ("no echo", "data corruption check, packet 1: only 0 of 4096 bytes came"),
        ("no magic", "wait for the guest's magic 129"),
        ("wrong magic", "the guest said 123 on the control socket, expected 129 to 129"),
        ("no data", "bidirectional transfer 1: "),
        ("reset", "bidirectional transfer 1: "),
    ],
)
def test_host_names_the_step_that_failed(programs, host, how, words):
    limits = ("--magic-timeout", 1, "--transfer-timeout", 1, "--packet-timeout", 1000)
    measured = Half(programs / "vsock-perf", "--listen", host, "--packets", 5, *SMALL, *limits)
    if how == "stranger":
        connections = [connect(host, 8500, 8510)]
    else:
        connections = guest_sockets(host)
    control = connections[0]
    if how not in ("stranger", "no echo"):
        echo(connections[1])
    if how in ("no data", "reset", "wrong magic"):
        control.sendall(bytes([123 if how == "wrong magic" else 129]))
    if how == "reset":
        close_all(connections)
    said = measured.end()
    close_all(connections)
    assert said.returncode == 99 and words in said.stderr, said
    if how not in ("stranger", "no echo"):
        assert "* Data corruption check: PASSED" in said.stdout  # what was measured is told
        assert "unreliable) throughput of 262144 bytes: NOT RUN" in said.stdout


def test_guest_tells_when_the_host_leaves(programs, host):
    with listen(host, 8500) as listener:
        guest = Half(programs / "vsock-util", "micro_benchmark", "-p", host, *SMALL)
        connections = [listener.accept() for _ in range(9)]
        assert [port for _, (_, port) in connections] == list(range(8501, 8510))
        latency = connections[1][0]
        latency.sendall(b"x" * 4096)
        assert read(latency, 4096) == b"x" * 4096
        latency.close()
        assert read(connections[0][0], 1) == bytes([129])
        close_all([connection for connection, _ in connections])
        said = guest.end()
    assert said.returncode == 1 and "bidirectional transfer 1: " in said.stderr, said


# The suite


def test_suite_as_both_sides(programs, host):
    said = Half(programs / "vsock-test", "--both", "--peer", host, "--ktap", "--seed", 5).end()
    assert said.returncode == 0, said
    assert "# seed 5" in said.stdout and "ok 1 connect and exchange a byte" in said.stdout
    assert "not ok" not in said.stdout and "# SKIP this is about vsock only" in said.stdout


def test_suite_as_two_programs(programs, host):
    server = Half(programs / "vsock-test", "--serve", "--peer", host)
    said = Half(programs / "vsock-test", "--peer", host, "--json").end()
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    results = [line["status"] for line in lines if line["type"] == "result"]
    assert (said.returncode, server.end().returncode) == (0, 0), said
    assert results.count("pass") > 10 and set(results) == {"pass", "skip"}


def test_suite_without_its_other_side(programs, host):
    said = Half(programs / "vsock-test", "--peer", host, "--timeout", 1).end()
    assert said.returncode == 99 and f"cannot connect to {host}:20000" in said.stderr, said


def test_no_loopback_is_a_skip_that_says_why(programs):
    said = Half(programs / "vsock-test", "--only", "SHUT_WR", "--ktap").end()
    assert said.returncode in (0, 77), said
    if said.returncode == 77:
        assert "ok 1 vsock transport # SKIP " in said.stdout and "modprobe" in said.stdout


@pytest.mark.parametrize(
    "program, words, what",
    [
        ("vsock-util", [], "write one of integration_test and micro_benchmark"),
        ("vsock-util", ["integration-test"], "write integration_test"),
        ("vsock-util", ["micro_benchmark", "--peer", "x"], "'x' is nobody"),
        ("vsock-perf", ["--scale", "0"], "--scale cannot be 0"),
        ("vsock-perf", ["--bytes", "1X"], "K, M, G"),
        ("vsock-perf", ["debian"], "it takes no words"),
        ("vsock-integration", ["--timeout", "0"], "--timeout cannot be 0"),
        ("vsock-test", ["--only", "nothing like it"], "--list shows them"),
    ],
)
def test_wrong_command_lines(programs, program, words, what):
    said = Half(programs / program, *words).end()
    assert said.returncode == 2 and what in said.stderr, said

"""oneway against peers that stall, reset, leave or talk rubbish, and clocks that lie."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest
from ports import free_ports

SOURCE = Path(__file__).resolve().parents[2] / "payloads/oneway"
LIMIT = 300
CLOCK = ("--clock", "monotonic")
SHORT, LONG = 4, 120  # seconds that a program waits: for what does not come, for what does
RESET = struct.pack("ii", 1, 0)
MAGIC = 0x5941574E4F314B42
COUNT = 40
Connection = socket.socket


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/oneway")


def start(program: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(half: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = half.communicate(timeout=LIMIT)
    return subprocess.CompletedProcess([], half.returncode, out, err)


def now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def exactly(connection: Connection, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the program left")
        data += more
    return data


def stall(connection: Connection) -> None:
    """Until the program has given up."""
    while connection.recv(4096):
        pass


def reset(connection: Connection) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def rubbish(connection: Connection) -> None:
    connection.sendall(b"?" * 1000)
    stall(connection)


def little(connection: Connection) -> None:
    connection.sendall(b"abc")


def leave(connection: Connection) -> None:
    connection.close()


@contextlib.contextmanager
def stranger(serve: Callable[[Connection], None]) -> Iterator[int]:
    """A server for one connection over TCP; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)

        def one() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LIMIT)
                    serve(connection)

        thread = threading.Thread(target=one, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(LIMIT)


def wrong(rows: list[tuple[str, Callable[[], subprocess.CompletedProcess[str]], str]]) -> list[str]:
    """What is not as it should be, of rows that are tried all at once: most of them wait."""

    def judge(row) -> str:
        name, trial, words = row
        said = trial()
        fine = said.returncode == 99 and words in said.stderr and "median" not in said.stdout
        return "" if fine else f"{name}: {said}"

    with ThreadPoolExecutor(len(rows)) as all_at_once:
        return [fault for fault in all_at_once.map(judge, rows) if fault]


def limit_for(then: Callable[[Connection], None]) -> int:
    return SHORT if then is stall else LONG


def answering(messages: int, then: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """A server that answers so many messages, then does something else."""

    def serve(connection: Connection) -> None:
        for _ in range(messages):
            exactly(connection, 8)
            connection.sendall(b"s")
        if then is not rubbish:
            exactly(connection, 8)
        then(connection)

    return serve


CLIENT = [
    ("stall", 0, stall, "at message 1 of 40: nothing came, or only a part"),
    ("stall later", 7, stall, "at message 8 of 40: nothing came, or only a part"),
    ("reset", 0, reset, "at message 1 of 40: "),
    ("reset later", 7, reset, "at message 8 of 40: "),
    ("leave", 7, leave, "at message 8 of 40: the peer closed the connection"),
    ("rubbish", 0, rubbish, "at message 1 of 40: the peer answered with the byte 63"),
    ("rubbish later", 7, rubbish, "of 40: the peer answered with the byte 63"),
]


def test_client_of_a_rude_server(program):
    def trial(row):
        with stranger(answering(row[1], row[2])) as port:
            words = ("-m", "inet", "-c", "127.0.0.1", "-p", port, "-n", COUNT)
            return ended(start(program, *words, "--timeout", limit_for(row[2]), *CLOCK))

    assert not wrong([(row[0], lambda row=row: trial(row), row[3]) for row in CLIENT])


@pytest.mark.parametrize("more", [(), ("--rate", 1000)], ids=["closed", "open"])
def test_server_of_shorter_messages(program, tmp_path, more):
    """It answers each message of ours twice: the next would be answered before it is sent. With
    two or three messages in all no answer might be left over when the last one is sent."""
    common = ("-m", "unix", "-n", COUNT, "--timeout", LONG, *CLOCK)
    half = start(program, *common, "--path", tmp_path / "x", "-s", 0)
    said = ended(start(program, *common, "-c", tmp_path / "x", "--size", 16, *more))
    assert said.returncode == 99 and "median" not in said.stdout, said
    assert "need the same -n and --size" in said.stderr, said
    assert ended(half).returncode == 99


SERVER = [
    ("stall", 0, stall, "at message 1 of 40: nothing came, or only a part"),
    ("stall later", 7, stall, "at message 8 of 40: nothing came, or only a part"),
    ("reset", 0, reset, "at message 1 of 40: "),
    ("reset later", 7, reset, "at message 8 of 40: "),
    ("leave", 7, leave, "at message 8 of 40: the peer closed the connection"),
    ("little", 7, little, "at message 8 of 40: the peer closed the connection after 3 of 8 bytes"),
    ("rubbish", 7, lambda c: rubbish_stamps(c, COUNT - 7), "mid-run"),
]


def rubbish_stamps(connection: Connection, messages: int) -> None:
    for number in range(messages):
        connection.sendall(struct.pack("<Q", hash((number, 1)) * 0x9E3779B97F4A7C15 % 2**64))
        exactly(connection, 1)


def connect(path: Path) -> Connection:
    """To a server that is just starting."""
    end = time.monotonic() + LIMIT
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
            assert time.monotonic() < end, f"nobody listens on {path}"
            time.sleep(0.01)


def send_stamps(connection: Connection, messages: int, ahead: Callable[[int], int]) -> None:
    """As a client whose clock is so far ahead of ours at each message."""
    for number in range(messages):
        connection.sendall(struct.pack("<Q", (now() + ahead(number)) % 2**64))
        assert exactly(connection, 1) == b"s"


def serving(
    program: str, path: Path, offset: object, *words: object, limit: int = LONG
) -> subprocess.Popen[str]:
    common = ("-m", "unix", "--path", path, "-n", COUNT, "--timeout", limit, *CLOCK)
    return start(program, *common, "-s", offset, *words)


def test_server_of_a_rude_client(program, tmp_path):
    def trial(row):
        name, polite, then, _ = row
        half = serving(program, tmp_path / name, 0, limit=limit_for(then))
        with connect(tmp_path / name) as connection, contextlib.suppress(OSError):
            send_stamps(connection, polite, lambda _: 0)
            then(connection)
        return ended(half)

    assert not wrong([(row[0], lambda row=row: trial(row), row[3]) for row in SERVER])


@pytest.mark.parametrize("offset", [-(10**15), -1, 1, 10**12, -(2**62), 2**62])
@pytest.mark.parametrize("told", [True, False], ids=["told", "estimated"])
def test_any_offset_is_a_legal_one(program, tmp_path, offset, told):
    half = serving(program, tmp_path / "x", offset if told else "estimate", "--json")
    with connect(tmp_path / "x") as connection:
        send_stamps(connection, COUNT, lambda _: offset)
    said = ended(half)
    lines = {line["type"]: line for line in map(json.loads, said.stdout.splitlines())}
    assert said.returncode == 0 and lines["latency"]["min"] >= 0, said
    found = lines["offset"]
    if told:
        assert found["ticks"] == offset
        # The stamps alone say the same, within their error.
        assert abs(found["estimate_differs_us"]) <= found["estimate_error_us"] + 1
    else:
        assert abs(found["ticks"] - offset) <= found["error_us"] * 1000 + 1


@pytest.mark.parametrize(
    "offset, ahead, words",
    [
        ("0", lambda number: 10**9, "the offset is wrong by at least"),
        ("0", lambda number: -(10**15), "the offset is wrong by at least"),
        (str(2**62), lambda number: 0, "the offset is wrong by at least"),
        ("0", lambda number: 10**9 * (number > 20), "in mid-run"),
        ("estimate", lambda number: 10**9 * (number > 20), "in mid-run"),
        ("estimate", lambda number: -(10**9) * (number > 20), "in mid-run"),
        ("estimate", lambda number: number * 10**8, "in mid-run"),
    ],
    ids=["ahead", "behind", "absurd", "steps", "steps unseen", "steps back unseen", "drifts"],
)
def test_clock_that_does_not_fit_is_no_result(program, tmp_path, offset, ahead, words):
    half = serving(program, tmp_path / "x", offset)
    with connect(tmp_path / "x") as connection:
        send_stamps(connection, COUNT, ahead)
    said = ended(half)
    assert said.returncode == 99 and words in said.stderr and "median" not in said.stdout, said


def test_open_loop_whose_messages_come_before_they_were_sent(program, tmp_path):
    half = serving(program, tmp_path / "x", 0, "--size", 16)
    with connect(tmp_path / "x") as connection:
        for _ in range(COUNT):
            stamp = now() + 10**9
            connection.sendall(struct.pack("<QQ", stamp, stamp))
            assert exactly(connection, 1) == b"s"
    said = ended(half)
    assert said.returncode == 99 and "before they were sent" in said.stderr, said
    assert "median" not in said.stdout


# Comparisons with another machine's server


def batch(count: int, then: str) -> Callable[[Connection], None]:
    """A server of comparisons that misbehaves where it is told."""

    def at(step: str, connection: Connection) -> None:
        name, _, how = then.partition(" ")
        if name == step:
            {"stall": stall, "reset": reset, "leave": leave, "rubbish": rubbish}[how](connection)
            raise ConnectionError("the end")

    def serve(connection: Connection) -> None:
        header = exactly(connection, 24)
        assert struct.unpack("<QI", header[:12]) == (MAGIC, count)
        at("header", connection)
        connection.sendall(header[:20] + struct.pack("<I", then != "refuse"))
        arrived = []
        for number in range(count):
            exactly(connection, 8)
            if number == 9:
                at("message", connection)
            arrived.append(now())
            connection.sendall(b"s")
        at("stamps", connection)
        if then == "lie":
            arrived = [stamp ^ (number << 40) for number, stamp in enumerate(arrived)]
        connection.sendall(struct.pack(f"<{count}Q", *arrived))
        stall(connection)

    return serve


COMPARE = [
    ("header stall", "only 0 of 24 bytes came within the time limit"),
    ("header reset", ""),
    ("header leave", "the peer closed the connection"),
    ("header rubbish", "the peer is no 'oneway serve' of our version"),
    ("refuse", "the server's time stamp counter is not invariant"),
    ("message stall", "nothing came, or only a part, within the time limit"),
    ("message reset", ""),
    ("message leave", "the peer closed the connection"),
    ("message rubbish", "the peer answered with the byte 63"),
    ("stamps stall", "only 0 of 168 bytes came within the time limit"),
    ("stamps reset", ""),
    ("stamps leave", "the peer closed the connection"),
    ("lie", "the two machines' clocks moved against each other"),
]


def test_comparison_with_a_rude_server(program):
    def trial(then: str):
        with stranger(batch(21, then)) as port:
            words = ("compare", "--remote", "127.0.0.1", "-p", port, "-n", 20, "--rounds", 1)
            limit = SHORT if "stall" in then else LONG
            return ended(start(program, *words, "--timeout", limit, *CLOCK))

    rows = [
        (then, lambda then=then: trial(then), f"inet remote, round 1: {words}")
        for then, words in COMPARE
    ]
    assert not wrong(rows)


def test_server_of_comparisons_outlives_rude_clients(program):
    (port,) = free_ports(1)
    half = start(program, "serve", "-m", "inet", "-p", port, "--idle", 600)
    words = ("compare", "--remote", "127.0.0.1", "-p", port, "-n", 20, "--rounds", 1, *CLOCK)
    said = ended(start(program, *words))
    assert said.returncode == 0, said
    header = struct.pack("<QIIII", MAGIC, 5, 8, 0, 0)
    for data in (b"", b"?" * 24, header, header + b"abc", struct.pack("<QIIII", MAGIC, 0, 8, 0, 0)):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    said = ended(start(program, *words))
    assert said.returncode == 0 and "| inet remote" in said.stdout, said
    half.terminate()
    assert "is no 'oneway compare' of our version" in ended(half).stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one CPU only")
def test_migrations_are_counted(program, tmp_path):
    cpus = sorted(os.sched_getaffinity(0))
    half = serving(program, tmp_path / "x", "estimate", "--json")
    with connect(tmp_path / "x") as connection:
        for number in range(COUNT):
            os.sched_setaffinity(half.pid, {cpus[number // 10 % 2]})
            send_stamps(connection, 1, lambda _: 0)
    lines = {line["type"]: line for line in map(json.loads, ended(half).stdout.splitlines())}
    assert lines["placement"]["migrations"] == 3

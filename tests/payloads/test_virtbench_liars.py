"""Machines that do not do as virtbench says: none spoils more than its own benchmark."""

from __future__ import annotations

import contextlib
import itertools
import select
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Iterator, Optional

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/virtbench"
LIMIT = 300.0
MAGIC, VERSION = 0x56624348, 1
HELLO, WELCOME, REFUSED, SETUP, READY, GO, DONE, STOP, SKIP, FAILED = range(1, 11)

# Starts nobody, but tells the test where its machines shall go.
START_MACHINE = """#!/bin/sh
echo "$2 $3" > {folder}/place.new && mv {folder}/place.new {folder}/place
echo "$1"
"""


def message(kind: int, body: bytes = b"", version: int = VERSION, magic: int = MAGIC) -> bytes:
    return struct.pack(">4I", magic, version, kind, len(body)) + body


def number(value: int) -> bytes:
    return struct.pack(">I", value)


class Machine:
    """A connection to virtbench, which may tell lies."""

    def __init__(self, place: tuple[str, int]) -> None:
        self.socket = socket.create_connection(place, timeout=LIMIT)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, words: bytes) -> None:
        self.socket.sendall(words)

    def hang_up(self) -> None:
        """No more words from here; virtbench may have hung up first."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def hear(self) -> tuple[int, bytes]:
        """A message; (0, b"") when the connection was closed."""
        header = self._take(16)
        if not header:
            return 0, b""
        magic, version, kind, size = struct.unpack(">4I", header)
        assert (magic, version) == (MAGIC, VERSION)
        return kind, self._take(size)

    def _take(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = self.socket.recv(size - len(got))
            if not piece:
                break
            got += piece
        return got

    def join(self) -> "Machine":
        self.say(message(HELLO, number(0)))
        assert self.hear()[0] == WELCOME
        return self


class Bench:
    """virtbench with machines 0, which is the test, and 1, a virtclient."""

    def __init__(self, folder: Path) -> None:
        subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
        self.folder = folder
        self.client: Optional[subprocess.Popen] = None
        backend = folder / "toy"
        backend.mkdir()
        scripts = {
            "start": "#!/bin/sh\n",
            "start_machine": START_MACHINE.format(folder=folder),
            "stop_machine": f"#!/bin/sh\necho stopped $1 >> {folder}/log\n",
            "stop": f"#!/bin/sh\necho stopped all >> {folder}/log\n",
        }
        for name, text in scripts.items():
            (backend / name).write_text(text)
            (backend / name).chmod(0o755)

    def start(self, *words: str) -> None:
        program = str(SOURCE / "build/virtbench")
        self.process = subprocess.Popen(
            [program, "--rough", "-n", "2", "-s", "7", "--csv=csv", "./toy", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def place(self) -> tuple[str, int]:
        """Where it waits for its machines."""
        path, end = self.folder / "place", time.monotonic() + LIMIT
        while not path.exists():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.01)
        host, port = path.read_text().split()
        return host, int(port)

    def start_machine_1(self, place: tuple[str, int]) -> None:
        client = str(SOURCE / "build/virtclient")
        self.client = subprocess.Popen([client, "1", place[0], str(place[1])])

    def ended(self) -> tuple[int, str, str]:
        said, complaints = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, said, complaints

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.process.poll() is None:
        bench.process.send_signal(signal.SIGTERM)
        bench.process.wait(LIMIT)
    if bench.client:
        # Nobody speaks to it any more.
        assert bench.client.wait(LIMIT) == 0


STRANGERS = {
    "GET / HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "does not speak virtbench's protocol"),
    "zeros": (bytes(16), "does not speak virtbench's protocol"),
    "little-endian": (
        struct.pack("<4I", MAGIC, VERSION, HELLO, 4) + bytes(4),
        "does not speak virtbench's protocol",
    ),
    "another version": (message(HELLO, number(0), version=2), "speaks version 2"),
    "a huge message": (struct.pack(">4I", MAGIC, VERSION, HELLO, 2**32 - 1), "more than any has"),
    "half a header": (b"VbCH", "closed"),
    "half a body": (struct.pack(">4I", MAGIC, VERSION, HELLO, 4) + b"x", "closed"),
    "nothing": (b"", "closed"),
    "another beginning": (message(DONE), "did not begin with its number"),
    "half a number": (message(HELLO, b"xx"), "did not begin with its number"),
    "number 2 of 2": (message(HELLO, number(2)), "it says it is machine 2"),
    "number -1": (message(HELLO, number(2**32 - 1)), "it says it is machine 4294967295"),
}


def test_strangers_are_refused_and_told_why(bench):
    """One after another, before the true machines; and machine 0 has a twin."""
    bench.start("libc-syscall")
    place = bench.place()
    for name, (words, reason) in STRANGERS.items():
        with Machine(place) as stranger:
            stranger.say(words)
            stranger.hang_up()
            kind, body = stranger.hear()
            assert kind == REFUSED and reason in body.decode(), (name, kind, body)
    with Machine(place).join() as machine, Machine(place) as twin:
        twin.say(message(HELLO, number(0)))
        kind, body = twin.hear()
        assert kind == REFUSED and b"machine 0 is connected already" in body
        bench.start_machine_1(place)
        while machine.hear()[0] == SETUP:
            machine.say(message(SKIP, b"never here"))
        status, said, complaints = bench.ended()
    assert status in (0, 77) and "1 failed" not in complaints, complaints
    assert complaints.count("was refused") == len(STRANGERS) + 1
    assert bench.log() == ["stopped 0", "stopped 1", "stopped all"]


# What strangers say who then neither go on nor leave.
SILENT = (b"", b"V", message(HELLO)[:10], message(HELLO, number(1))[:-1])


def test_silent_strangers_keep_nobody_waiting(bench):
    """More of them than may wait at once: the machines behind them are there before any time limit,
    and whoever is in their way is told so."""
    bench.start("libc-syscall")
    place = bench.place()
    with contextlib.ExitStack() as held:
        strangers = [held.enter_context(Machine(place)) for _ in range(80)]
        for stranger, words in zip(strangers, itertools.cycle(SILENT)):
            stranger.say(words)
        machine = held.enter_context(Machine(place).join())
        # The newest are still listened to: nobody's time is over.
        newest = [stranger.socket for stranger in strangers[-20:]]
        assert select.select(newest, [], [], 0)[0] == []
        kind, body = strangers[0].hear()
        assert kind == REFUSED and b"within the time limit" in body
        bench.start_machine_1(place)
        while machine.hear()[0] == SETUP:
            machine.say(message(SKIP, b"never here"))
        status, said, complaints = bench.ended()
        kind, body = strangers[-1].hear()
    assert status in (0, 77) and "1 failed" not in complaints, complaints
    assert kind == REFUSED and b"has not said who it is" in body
    assert complaints.count("was refused") == 80


# What machine 0 says to a set-up, then to the start, and why it is lost.
LIES = {
    "dies when it is asked": (None, b"", "closed"),
    "rubbish when it is asked": (b"rubbish, and more than a header of it", b"", "does not speak"),
    "another version in mid-run": (message(READY, number(0), version=3), b"", "speaks version 3"),
    "ready without a port": (message(READY, b"x"), b"", "does not say on which port"),
    "done when it is asked": (message(DONE), b"", "type 7 instead of 5"),
    "done before the start": (message(READY, number(0)) + message(DONE), b"", "before it was told"),
    "dies at work": (message(READY, number(0)), None, "closed"),
    "half a word at work": (message(READY, number(0)), b"VbCH", "closed"),
    "rubbish at work": (message(READY, number(0)), bytes(99), "does not speak"),
    "ready at work": (message(READY, number(0)), message(READY, number(0)), "5 instead of 7"),
    "a huge word at work": (
        message(READY, number(0)),
        struct.pack(">4I", MAGIC, VERSION, DONE, 1 << 30),
        "more than any has",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_liar_loses_its_benchmark_and_no_other(bench, name):
    to_setup, to_start, reason = LIES[name]
    bench.start(*["libc-syscall"] * 3)
    place = bench.place()
    with Machine(place).join() as machine:
        bench.start_machine_1(place)
        assert machine.hear()[0] == SETUP
        if to_setup:
            machine.say(to_setup)
        if to_start and machine.hear()[0] == GO:
            machine.say(to_start)
        elif to_start is None:
            assert machine.hear()[0] == GO
        machine.hang_up()
        status, said, complaints = bench.ended()
    assert status == 1, complaints
    lines = said.splitlines()[1:]
    lost = [line for line in lines if line.startswith("FAILED libc-syscall: machine 0 is lost: ")]
    assert len(lost) == 1 and reason in lost[0], said
    measured = [line for line in lines if line.startswith("Time for one syscall via libc: ")]
    assert len(measured) == 2 == len(lines) - 1, said
    assert len((bench.folder / "csv").read_text().splitlines()) == 2
    assert bench.log() == ["stopped 0", "stopped 1", "stopped all"]


def test_words_of_a_machine_cannot_look_like_results(bench):
    bench.start("fork", "fork", "fork", "fork")
    place = bench.place()
    with Machine(place).join() as machine:
        bench.start_machine_1(place)
        while machine.hear()[0] == SETUP:
            machine.say(message(FAILED, b"oh\nTime for one fork/exit/wait: 1 (1 - 1)\033[2J"))
        status, said, complaints = bench.ended()
    assert status == 1
    forged = "FAILED fork: on machine 0: oh?Time for one fork/exit/wait: 1 (1 - 1)?[2J"
    assert forged in said.splitlines() and "\033" not in said
    times = [line for line in said.splitlines() if line.startswith("Time")]
    assert all("wait: 1 (" not in line for line in times)
    assert len((bench.folder / "csv").read_text().splitlines()) == len(times)


def test_machine_that_comes_to_nothing_is_said(bench):
    """One joined, the other never: everything is stopped."""
    bench.start("--boot-limit=4", "fork")
    place = bench.place()
    with Machine(place).join():
        status, said, complaints = bench.ended()
    assert status == 99 and "machine 1 did not connect within 4 s (1 of 2 did)" in complaints
    assert bench.log() == ["stopped 0", "stopped 1", "stopped all"]


def set_up(name: bytes, runs: int = 1, peer: bytes = b"127.0.0.1", port: int = 1) -> bytes:
    body = struct.pack(">64s64s6I", name, peer, runs, 0, port, 0, 0, 0)
    return message(WELCOME) + message(SETUP, body)


# What a server says to a client that has said its number, and the client then.
WRONG_SERVERS = {
    "another protocol": (b"HTTP/1.0 400 Bad Request\r\n\r\n", "does not speak virtbench's"),
    "another version": (message(WELCOME, version=2), "speaks version 2"),
    "no": (message(REFUSED, b"go\033[2J\naway"), "refused this client: go?[2J?away"),
    "nothing": (b"", "closed"),
    "half a header": (b"VbCH", "closed"),
    "a huge message": (struct.pack(">4I", MAGIC, VERSION, WELCOME, 1 << 31), "more than any has"),
    "go before anything": (message(GO), "refused this client"),
    "done": (message(WELCOME) + message(DONE), "sent what is no set-up (type 7)"),
    "a short set-up": (message(WELCOME) + message(SETUP, b"fork"), "no set-up (type 4)"),
    "names without end": (set_up(b"x" * 64, peer=b"y" * 64), "no set-up (type 4)"),
    "half a set-up": (set_up(b"fork")[:-1], "closed"),
}


class Caller(Machine):
    """A client of ours."""

    def __init__(self, listener: socket.socket) -> None:
        self.socket = listener.accept()[0]
        self.socket.settimeout(LIMIT)


class Server:
    """Stands in for virtbench, and tells lies."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        client = str(SOURCE / "build/virtclient")
        self.client = subprocess.Popen(
            [client, "0", "127.0.0.1", str(self.listener.getsockname()[1])],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.listener.settimeout(LIMIT)

    def meet(self) -> Machine:
        """The client, which has said its number."""
        client = Caller(self.listener)
        assert client.hear() == (HELLO, number(0))
        return client

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.client.kill()
        self.client.wait(LIMIT)


@pytest.fixture(scope="module")
def built() -> None:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)


@pytest.mark.parametrize("name", WRONG_SERVERS)
def test_client_of_a_wrong_server(built, name):
    words, reason = WRONG_SERVERS[name]
    with Server() as server, server.meet() as client:
        client.say(words)
        client.hang_up()
        complaints = server.client.communicate(timeout=LIMIT)[1]
        assert server.client.returncode == 99 and reason in complaints, complaints


WRONG_SETUPS = {
    "another build's": (set_up(b"nothere"), b"does not know the benchmark nothere"),
    "no name": (set_up(b""), b"does not know the benchmark"),
    "no such port": (set_up(b"pingpong", port=70000), b"70000"),
    "no address": (set_up(b"pingpong", peer=b"nowhere; id"), b"nowhere; id"),
}


@pytest.mark.parametrize("name", WRONG_SETUPS)
def test_client_of_a_wrong_set_up(built, name):
    """The benchmark fails, and the client is there for the next."""
    words, reason = WRONG_SETUPS[name]
    with Server() as server, server.meet() as client:
        client.say(words)
        kind, body = client.hear()
        assert kind == FAILED and reason in body, body
        client.say(set_up(b"libc-syscall")[16:])
        assert client.hear() == (READY, number(0))
        client.say(message(GO))
        assert client.hear() == (DONE, b"")
        client.hang_up()
        assert server.client.wait(LIMIT) == 0

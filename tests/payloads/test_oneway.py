"""The oneway payload: both halves, comparisons, and peers that misbehave at every step."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Callable, Iterator

import pytest
from ports import free_ports

SOURCE = Path(__file__).resolve().parents[2] / "payloads/oneway"
LIMIT = 300
PATIENT = ("--timeout", 120)  # for what shall go well
CLOCK = ("--clock", "monotonic")  # the counter need not be invariant where tests run
ANCESTOR = r"""(?: *\d+: -?\d+\n){4}Initial connection/send: \d+
min: \d+
max: \d+
median: \d+
avg: \d+\.\d{6}
stddev: \d+\.\d{6}
"""


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/oneway")


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "socket")


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, timeout=LIMIT
    )


class Half:
    """A half that runs until it is asked how it ended."""

    def __init__(self, program: str, *words: object) -> None:
        self.process = subprocess.Popen(
            [program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> subprocess.CompletedProcess[str]:
        out, err = self.process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)


def both(program: str, path: str, offset: object, *words: object, client: tuple[object, ...] = ()):
    """A server with this offset and a client on one Unix socket."""
    common = ("-m", "unix", "-n", 2000, *PATIENT, *CLOCK, *words)
    server = Half(program, *common, "-s", offset, "--path", path)
    asked = run(program, *common, "-c", path, *client)
    return server.end(), asked


@contextlib.contextmanager
def listening(path: str, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A server of our own for one connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)

        def one() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=one, daemon=True)
        thread.start()
        yield
        thread.join(LIMIT)


def test_both_halves_print_the_ancestors_lines(program, path):
    server, client = both(program, path, 0)
    assert (server.returncode, client.returncode) == (0, 0), (server, client)
    # Nothing comes after them: the ancestor's users look at the end, through tail.
    assert re.search(ANCESTOR + r"\Z", server.stdout) and re.search(ANCESTOR + r"\Z", client.stdout)
    assert "one-way in microseconds: first" in server.stdout
    assert server.stderr == "Connection from ...\n"


def test_one_way_is_shorter_than_the_round_trip(program, path):
    medians = [
        float(next(x["value"] for x in records(half.stdout) if x["type"] == "figure"))
        for half in both(program, path, 0, "--json")
    ]
    assert 0 < medians[0] < medians[1]


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_has_environment_clock_percentiles_and_figures(program, path):
    server, _ = both(program, path, 0, "--json", "--percentiles", "50,99.99")
    lines = records(server.stdout)
    assert [line["type"] for line in lines] == [
        "environment", "clock", "offset", "placement", "latency", "figure", "figure",
    ]  # fmt: skip
    latency = lines[4]
    assert latency["count"] == 1999 and set(latency["percentiles"]) == {"50", "99.99"}
    assert sum(count for _, _, count in latency["buckets_ns"]) == 1999
    assert lines[5]["name"] == "unix-one-way-median" and lines[5]["better"] == "lower"


def test_counter_is_used_or_refused_with_a_reason(program, path):
    said = run(program, "-m", "unix", "-n", 2, "-c", path, "--timeout", 1)
    words = {77: "skipped: the time stamp counter is not invariant", 99: "cannot connect to"}
    assert words[said.returncode] in said.stderr, said


@pytest.mark.parametrize("offset", [-(10**12), 10**9, 2**62, -1000000])
def test_wrong_offset_is_no_result(program, path, offset):
    server, client = both(program, path, offset)
    assert server.returncode == 99 and client.returncode == 0
    assert "the offset is wrong by at least" in server.stderr
    assert "median" not in server.stdout


def test_estimate_finds_the_offset_of_one_clock(program, path):
    server, _ = both(program, path, "estimate", "--json")
    offset = next(x for x in records(server.stdout) if x["type"] == "offset")
    assert abs(offset["ticks"]) <= offset["error_us"] * 1000 + 1


def test_client_whose_clock_moves_is_noticed(program, path):
    server = Half(
        program, "-m", "unix", "-n", 600, *CLOCK, "-s", "estimate", "--path", path, *PATIENT
    )
    connection = connect(path)
    for number in range(600):
        shift = 10**9 if number >= 300 else 0
        connection.sendall(struct.pack("<Q", number * 10**6 + shift))
        assert connection.recv(1) == b"s"
    ended = server.end()
    assert ended.returncode == 99 and "moved against ours" in ended.stderr, ended


def connect(path: str) -> socket.socket:
    """To a server that is just starting."""
    for _ in range(LIMIT * 100):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens on {path}")


def kvm_folder(root: Path, offset: int) -> Path:
    folder = root / "kvm/77-9/vcpu0"
    folder.mkdir(parents=True)
    (folder / "tsc-offset").write_text(f"{offset}\n")
    return root / "kvm"


def test_offset_that_changes_in_mid_run_is_noticed(program, path, tmp_path):
    root = kvm_folder(tmp_path, 0)
    server = Half(
        program, "-m", "unix", "-n", 4, "-s", "auto", "--kvm-folder", root, "--path", path,
        "--trust-tsc",
    )  # fmt: skip
    connection = connect(path)
    for number in range(4):
        connection.sendall(struct.pack("<Q", number))
        assert connection.recv(1) == b"s"
        (root / "77-9/vcpu0/tsc-offset").write_text("-5\n") if number == 2 else None
    ended = server.end()
    assert ended.returncode == 99, ended
    assert "changed in mid-run, from 0 to -5" in ended.stderr


def test_open_loop_tells_response_times(program, path):
    server, client = both(program, path, 0, "--size", 16, client=("--rate", 5000))
    assert (server.returncode, client.returncode) == (0, 0), (server, client)
    assert "response in microseconds" in client.stdout
    assert "one-way response in microseconds" in server.stdout
    assert re.search(ANCESTOR + r"\Z", server.stdout) and re.search(ANCESTOR + r"\Z", client.stdout)


def test_distribution_file(program, path, tmp_path):
    both(program, path, 0, client=("--hgrm", tmp_path / "x.hgrm"))
    assert "Value" in (tmp_path / "x.hgrm").read_text().splitlines()[0]


def test_stale_socket_is_no_obstacle_but_a_live_one_is(program, path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    server, client = both(program, path, 0)
    assert (server.returncode, client.returncode) == (0, 0), (server, client)
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen(1)
        said = run(program, "-m", "unix", "-s", 0, "--path", path, *CLOCK)
    assert said.returncode == 99 and "Address already in use" in said.stderr


RUDE = {
    "rubbish": (lambda c: c.sendall(b"?" * len(c.recv(8))), "answered with the byte 63"),
    "silence": (lambda c: c.recv(100) and c.recv(100), "within the time limit"),
    "close": (lambda c: None, "at message 1 of 50"),
    "close later": (lambda c: [c.sendall(b"s" * bool(c.recv(8))) for _ in range(5)], "at message"),
}


@pytest.mark.parametrize("how", RUDE)
def test_client_tells_what_a_rude_server_did(program, path, how):
    serve, words = RUDE[how]
    limit = 1 if how == "silence" else 120
    with listening(path, serve):
        said = run(program, "-m", "unix", "-n", 50, "-c", path, "--timeout", limit, *CLOCK)
    assert said.returncode == 99 and words in said.stderr, said
    assert "median" not in said.stdout


@pytest.mark.parametrize("data, words", [(b"abc", "after 3 of 8 bytes"), (b"", "closed")])
def test_server_tells_what_a_rude_client_did(program, path, data, words):
    server = Half(program, "-m", "unix", "-n", 50, "-s", 0, "--path", path, *CLOCK)
    with connect(path) as connection:
        connection.sendall(data)
    ended = server.end()
    assert ended.returncode == 99 and words in ended.stderr, ended


def test_nobody_comes_nobody_is_there(program, path):
    said = run(program, "-m", "unix", "-s", 0, "--path", path, "--timeout", 1, *CLOCK)
    assert said.returncode == 99 and "nobody connected within the time limit" in said.stderr
    said = run(program, "-m", "unix", "-c", path, "--timeout", 1, *CLOCK)
    assert said.returncode == 99 and "is the server (-s) running there?" in said.stderr


@pytest.mark.parametrize(
    "words, what",
    [
        ([], "which transport?"),
        (["-m", "vsok", "-s", "0"], "write vsock"),
        (["-m", "unix"], "either -s OFFSET (server) or -c ADDRESS"),
        (["-m", "unix", "-s", "0", "-c", "x"], "either -s OFFSET"),
        (["-m", "unix", "-s", "zero"], "write a number of ticks, auto or estimate"),
        (["-m", "unix", "-s", "9" * 30], "write a number of ticks, auto or estimate"),
        (["-m", "inet", "-s", "127.0.0.1"], "a client names its server with -c"),
        (["-m", "inet", "-c", "somewhere"], "host names are not looked up"),
        (["-m", "vsock", "-c", "x"], "write vsock:CID:PORT"),
        (["-m", "unix", "-c", "x", "--rate", "5"], "--size=16"),
        (["-m", "unix", "-c", "x", "--cpu", "1023"], "cannot run on CPU 1023"),
        (["-m", "unix", "-s", "0", "extra"], "what is 'extra'?"),
        (["compare", "-n", "10", "--rounds", "9"], "too few"),
        (["serve", "-m", "unix"], "-m vsock or -m inet"),
        (["-m", "unix", "-c", "x", "--hgrm", "/nonexistent/x"], "name a file that can be written"),
        (["compare", "-n", "20", "--svg", "/nonexistent/x"], "name a file that can be written"),
    ],
)
def test_wrong_command_lines(program, words, what):
    said = run(program, *words)
    assert said.returncode == 2 and what in said.stderr, said


def test_comparison(program, tmp_path):
    picture = tmp_path / "x.svg"
    said = run(program, "compare", "-n", 600, "--rounds", 3, *CLOCK, "--svg", picture)
    assert said.returncode == 0, said
    assert re.search(
        r"^\| unix local +\|( +[\d.]+ \|){5} +[\d.]+ \([\d.]+%\) \|", said.stdout, re.M
    )
    assert re.search(r"^\| inet local +\|( +[\d.]+% \|){7}$", said.stdout, re.M)
    assert "vsock: skipped: " in said.stdout or "| vsock " in said.stdout
    assert "inet remote: skipped: no other machine" in said.stdout
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_comparison_with_another_machines_server(program):
    (port,) = free_ports(1)
    server = Half(program, "serve", "-m", "inet", "-p", port, "--idle", 600)
    words = ("--remote", "127.0.0.1", "-p", port, "--json")
    said = run(program, "compare", "-n", 600, "--rounds", 3, *CLOCK, *words)
    names = {line.get("name") for line in records(said.stdout)}
    assert said.returncode == 0, said
    assert {"inet-remote-one-way-median", "unix-local-round-trip-median"} <= names
    server.process.terminate()
    assert server.end().returncode == -signal.SIGTERM, "it still serves"


def test_server_of_comparisons_that_nobody_asks_ends(program):
    (port,) = free_ports(1)
    said = run(program, "serve", "-m", "inet", "-p", port, "--idle", 1)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", ""), said


def serve_with_a_clock_that_moves(listener: socket.socket) -> None:
    """The server's half of one batch, whose clock jumps by a second."""
    connection, _ = listener.accept()
    with connection:
        header = connection.recv(24)
        magic, count, *rest = struct.unpack("<QIIII", header)
        connection.sendall(struct.pack("<QIIII", magic, count, *rest[:2], 1))
        arrived = []
        for number in range(count):
            connection.recv(8)
            jump = 10**9 if number > count // 2 else 0
            arrived.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC) + jump)
            connection.sendall(b"s")
        connection.sendall(struct.pack(f"<{count}Q", *arrived))
        connection.recv(1)


def test_comparison_with_a_clock_that_moves(program):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        thread = threading.Thread(target=serve_with_a_clock_that_moves, args=(listener,))
        thread.start()
        words = ("--remote", "127.0.0.1", "-p", listener.getsockname()[1])
        said = run(program, "compare", "-n", 60, "--rounds", 1, *CLOCK, *words)
        thread.join(LIMIT)
    assert said.returncode == 99 and "clocks moved against each other" in said.stderr, said


def test_comparison_with_a_stranger(program):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(4)
        words = ("--remote", "127.0.0.1", "-p", stranger.getsockname()[1], "--timeout", 3)
        said = run(program, "compare", "-n", 6, "--rounds", 1, *CLOCK, *words)
    assert said.returncode == 99 and "inet remote, round 1" in said.stderr, said
    assert "| unix" not in said.stdout


def test_idle_states_are_held_off_or_that_is_said(program, path):
    server, _ = both(program, path, 0, "--no-idle")
    assert server.returncode in (0, 99), server
    assert server.returncode == 0 or "leave out --no-idle, or run as root" in server.stderr

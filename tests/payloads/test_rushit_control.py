"""rushit's control port: whoever stalls, lies or leaves there is got rid of in time."""

from __future__ import annotations

import contextlib
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest
from ports import free_ports
from rushit_box import Ended, Pair, build

SECRET = b"rushit control port secret".ljust(32, b"\0")
HELLO, WELCOME, REFUSED, START, STOP, RESULT = range(1, 7)
LIMIT = 300


def message(kind: int, text: bytes = b"", version: int = 1, threads: int = 1) -> bytes:
    """Of a tcp_rr with one flow, whose run takes a second."""
    fields = (version, 42, kind, 0, int(socket.SOCK_STREAM), threads, 1, 1, 1, 1)
    return (SECRET + struct.pack(">10I5Q", *fields, 0, 0, 0, 0, 0) + text).ljust(256, b"\0")


@pytest.fixture(scope="session")
def folder():
    return build()


@pytest.fixture
def pair(folder, tmp_path):
    return lambda: Pair(folder, "tcp_rr", tmp_path)


def until_it_listens(port: str) -> socket.socket:
    deadline = time.monotonic() + 120
    while True:
        try:
            return socket.create_connection(("127.0.0.1", int(port)), timeout=LIMIT)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.02)


# What a client says, whether it then hangs up, and what the server says of it.
CLIENTS = [
    ("welcomed, then silent", message(HELLO), False, "say within 5 s that it began to measure"),
    ("STOP before START", message(HELLO) + message(STOP), False, "within 5 s that it began"),
    ("half a START", message(HELLO) + message(START)[:99], False, "within 5 s that it began"),
    ("started, then silent", message(HELLO) + message(START), False, "within 5 s that it ended"),
    ("half a STOP", message(HELLO) + message(START) + message(STOP)[:1], False, "within 5 s that"),
    ("welcomed, then gone", message(HELLO), True, "mid-run"),
    ("started, then gone", message(HELLO) + message(START), True, "mid-run"),
    ("HELLO twice", message(HELLO) * 2, False, "message 1 at the wrong time"),
    ("a server's message", message(HELLO) + message(RESULT), False, "message 6 at the wrong time"),
    ("noise", message(HELLO) + b"x" * 300, False, "does not know the secret"),
    ("no such message", message(HELLO) + message(99), False, "makes no sense"),
    ("other version", message(HELLO) + message(START, version=2), False, "another version"),
    ("a shorter one", message(HELLO) + message(START, version=2)[:36], False, "another version"),
]


def test_clients_that_stall_or_lie(pair):
    """Each has a server of its own, which ends by itself and says why; the slow share one."""
    slow = SlowOnes(pair())
    runs = []
    for name, said, hangs_up, words in CLIENTS:
        both = pair()
        patience = "4" if "within 5 s" in words else "200"
        server = both.start("--patience", patience, "-H", "127.0.0.1", "-I", "0.1")
        connection = until_it_listens(both.control)
        connection.sendall(said)
        if hangs_up:
            connection.shutdown(socket.SHUT_WR)
        runs.append((name, words, server, connection))
    for name, words, server, connection in runs:
        ended = Ended(server)
        connection.close()
        assert ended.status == 99 and words in ended.err, (name, ended)
    slow.are_shown_out()


def drip(connection: socket.socket) -> None:
    """A sound message, one byte after the other, for ever too late."""
    try:
        for byte in message(HELLO):
            connection.sendall(bytes([byte]))
            time.sleep(0.3)
    except OSError:
        pass


def processor_ticks(pid: int) -> int:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def test_who_waits_for_clients_sleeps(pair):
    """Many of them: who is told of something, and does not listen, turns in circles."""
    servers = [pair().start("--patience", "60", "-T2") for _ in range(20)]
    try:
        deadline = time.monotonic() + 120
        quiet = dict.fromkeys(servers, 0)
        before = dict.fromkeys(servers, -1)
        while min(quiet.values()) < 20:
            for server in servers:
                now = processor_ticks(server.pid)
                quiet[server] = quiet[server] + 1 if now == before[server] else 0
                before[server] = now
            assert time.monotonic() < deadline, f"one never sleeps: {before.values()}"
            time.sleep(0.01)
    finally:
        for server in servers:
            server.kill()
            server.communicate()


class SlowOnes:
    """Silent, in the middle of a message, dripping."""

    def __init__(self, both: Pair) -> None:
        self.both, self.server = both, both.server()
        self.connections = [until_it_listens(both.control) for _ in range(3)]
        self.connections[1].sendall(message(HELLO)[:255])
        threading.Thread(target=drip, args=(self.connections[2],), daemon=True).start()

    def are_shown_out(self) -> None:
        """All are closed, and a client still comes."""
        for connection in self.connections:
            try:
                assert connection.recv(1000) == b"", "it was welcomed"
            except ConnectionResetError:
                pass
        ended = Ended(self.both.client())
        assert ended.status == 0, ended
        assert Ended(self.server).number("invalid_secret_count") == 3


def is_shown_out(connection: socket.socket) -> bool:
    connection.settimeout(LIMIT)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_of_too_many_strangers_those_silent_longest_make_room(pair):
    both = pair()
    server = both.server()
    with contextlib.ExitStack() as held:
        first = [held.enter_context(until_it_listens(both.control)) for _ in range(110)]
        began = time.monotonic()
        last = [held.enter_context(until_it_listens(both.control)) for _ in range(20)]
        assert all(map(is_shown_out, first[:66]))
        # The others have their five seconds, which a slow machine may have needed for the first.
        shown_out = select.select(last, [], [], 0)[0]
        assert shown_out == [] or time.monotonic() - began >= 5
        ended = Ended(both.client())
        assert ended.status == 0, ended
        assert Ended(server).number("invalid_secret_count") >= 66


def says(*parts: bytes) -> Callable[[socket.socket], None]:
    """A server that takes HELLO and answers this."""

    def serve(connection: socket.socket) -> None:
        connection.recv(256, socket.MSG_WAITALL)
        connection.sendall(b"".join(parts))

    return serve


def leaves(connection: socket.socket) -> None:
    says(message(WELCOME))(connection)
    connection.shutdown(socket.SHUT_WR)


def leaves_when_measuring(connection: socket.socket) -> None:
    says(message(WELCOME))(connection)
    assert connection.recv(256, socket.MSG_WAITALL)[40:44] == struct.pack(">I", START)
    connection.shutdown(socket.SHUT_WR)


# What a server does, whether somebody listens on its data port, and what the client says.
SERVERS: list[tuple[str, Callable[[socket.socket], None], bool, str]] = [
    ("silent", says(), True, "said nothing within the time limit"),
    ("half a WELCOME", says(message(WELCOME)[:200]), True, "said nothing within the time limit"),
    ("noise", says(b"220 mail.example ESMTP\r\n" * 30), True, "does not know the secret"),
    ("other version", says(message(WELCOME, version=2)), True, "another version"),
    ("a shorter version", says(SECRET + struct.pack(">I", 2)), True, "another version"),
    ("a short greeting", says(b"SSH-2.0-x\r\n"), True, "does not know the secret"),
    ("refuses", says(message(REFUSED, b"full house")), True, "the server refused: full house"),
    ("escapes", says(message(REFUSED, b"\x1b[2J")), True, "makes no sense"),
    ("threads", says(message(WELCOME, threads=5000)), True, "makes no sense"),
    ("out of turn", says(message(RESULT)), True, "message 6 where 2 was due"),
    ("twice", says(message(WELCOME) * 2), True, "message 2 at the wrong time"),
    ("no data port", says(message(WELCOME)), False, "cannot connect to 127.0.0.1:"),
    ("never a result", says(message(WELCOME)), True, "sent no result within 3 s"),
    ("leaves", leaves, True, "mid-run"),
    ("leaves later", leaves_when_measuring, True, "mid-run"),
]


def reads_nothing(control: socket.socket) -> None:
    """A server that welcomes, lets data come, and reports a result in good order."""
    says(message(WELCOME))(control)
    with contextlib.suppress(OSError):  # the client may have left
        while said := control.recv(256, socket.MSG_WAITALL):
            if said[40:44] == struct.pack(">I", STOP):
                control.sendall(message(RESULT))


def client_of(both: Pair, serve_data: Callable[[socket.socket], None]) -> Ended:
    """How a client ends whose server does this with its data connection."""
    with socket.create_server(("127.0.0.1", 0)) as control, socket.create_server(
        ("127.0.0.1", 0)
    ) as data:
        both.control, both.data = (str(one.getsockname()[1]) for one in (control, data))
        client = both.client("-H", "127.0.0.1", "--json")
        connection = control.accept()[0]
        connection.settimeout(LIMIT)
        answer = threading.Thread(target=reads_nothing, args=(connection,))
        answer.start()
        threading.Thread(target=serve_data, args=(data.accept()[0],), daemon=True).start()
        ended = Ended(client)
        # Its end ends the thread too.  A descriptor must not be closed under a thread: its number
        # is somebody else's soon.
        answer.join(LIMIT)
        connection.close()
    assert not ended.lines("figure"), ended
    return ended


def test_what_nobody_reads_has_not_arrived(folder, tmp_path):
    """A sender's socket takes some megabytes; that is no throughput."""
    leave = threading.Event()
    ended = client_of(Pair(folder, "tcp_stream", tmp_path), lambda _: leave.wait(LIMIT))
    leave.set()
    # What the socket took may have gone before the measuring began, or while it went on.
    assert ended.status == 1, ended
    assert re.search("nothing arrived|no data moved", ended.err), ended


def test_answers_that_are_too_long_are_not_the_next_ones(pair):
    """Else each request would be answered before it was sent, and fast."""

    def answer_twice(data: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data.recv(100):
                data.sendall(b"yy")

    ended = client_of(pair(), answer_twice)
    assert ended.status == 99 and "more came than a response of 1 bytes" in ended.err, ended


def test_requests_that_are_too_long_are_not_two(pair):
    both = pair()
    server = both.server("-H", "127.0.0.1", "--json")
    with until_it_listens(both.control) as control:
        control.sendall(message(HELLO))
        control.recv(256, socket.MSG_WAITALL)
        with socket.create_connection(("127.0.0.1", int(both.data)), timeout=LIMIT) as data:
            control.sendall(message(START))
            data.sendall(b"xx")
            ended = Ended(server)
    assert ended.status == 99 and "more came than a request of 1 bytes" in ended.err, ended


def test_servers_that_stall_or_lie(pair):
    """Each has a client of its own, which ends by itself and says why."""
    runs: list[tuple[str, str, subprocess.Popen[str]]] = []
    open_ones = []
    for name, serve, has_data_port, words in SERVERS:
        both = pair()
        control = socket.create_server(("127.0.0.1", 0))
        both.control = str(control.getsockname()[1])
        data = socket.create_server(("127.0.0.1", 0)) if has_data_port else None
        both.data = str(data.getsockname()[1]) if data else free_ports(1)[0]
        patience = "3" if "within" in words or not has_data_port else "200"
        client = both.client("-H", "127.0.0.1", "--patience", patience, "-I", "0.1")
        connection = control.accept()[0]
        connection.settimeout(LIMIT)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
        open_ones.append((control, data, connection))
        runs.append((name, words, client))
    for name, words, client in runs:
        ended = Ended(client)
        assert ended.status == 99 and words in ended.err, (name, ended)
    for sockets in open_ones:
        for each in sockets:
            if each:
                each.close()


# What the server takes, what the client sends, and whether packets would be cut.
PACKETS = [("1000", "1001", True), ("1000", "1000", False), ("1000", "100", False)]


@pytest.mark.parametrize("buffer, size, cut", PACKETS)
def test_packets_that_would_be_cut_are_not_measured(folder, tmp_path, buffer, size, cut):
    """A datagram loses what does not fit, and nobody would hear of it."""
    both = Pair(folder, "udp_stream", tmp_path)
    server = both.server("-H", "127.0.0.1", "-B", buffer)
    ended = Ended(both.client("-H", "127.0.0.1", "-B", size))
    if cut:
        assert ended.status == 99 and "another --buffer-size" in ended.err, ended
        ended = Ended(both.client("-H", "127.0.0.1", "-B", buffer))
    assert (ended.status, Ended(server).status) == (0, 0), ended


@pytest.mark.parametrize("victim", ["server", "client"])
def test_a_peer_that_stands_still_is_not_waited_for_without_end(folder, tmp_path, victim):
    """Stopped in mid-run for longer than the patience, and continued when all is over."""
    both = Pair(folder, "tcp_rr", tmp_path)
    words = ["-H", "127.0.0.1", "-I", "0.05", "--json", "--patience", "4"]
    ends = {"server": both.start(*words), "client": both.start("-c", "-l", "2", *words)}
    stopped, other = ends.pop(victim), list(ends.values())[0]
    try:
        while (line := stopped.stdout.readline()) and '"type":"interval"' not in line:
            pass
        assert line, stopped.stderr.read()
        stopped.send_signal(signal.SIGSTOP)
        ended = Ended(other)
        assert ended.status == 99 and not ended.lines("figure"), ended
        said = "did not say within|sent no result within|cannot speak"
        assert re.search(said, ended.err), ended
    finally:
        stopped.send_signal(signal.SIGCONT)
    last = Ended(stopped)
    assert last.status == (99 if victim == "client" else 0) and last.lines("result"), last


@pytest.mark.parametrize("files", [3, 4, 5, 6])
def test_too_few_open_files_are_said(pair, files):
    """And not that another server is in the way."""
    both = pair()
    words = f"{both.folder}/tcp_rr -C {both.control} -P {both.data} --patience 200"
    said = subprocess.run(
        ["sh", "-c", f"ulimit -n {files}; exec {words}"],
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert said.returncode == 99 and "open files" in said.stderr, said
    assert "another server" not in said.stderr

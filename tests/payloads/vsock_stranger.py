#!/usr/bin/python3
"""A stranger's halves of the integration test and of the micro benchmark.

Written from the description of the original's protocol: each of our halves must work with the
stranger's other half. It also misbehaves when told to, at the step it is told. It needs nothing
but Python, so that the lab's machine can run it too:

    vsock_stranger.py ROLE inet|vsock MACHINE
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Union

LIMIT = 300.0
BLOCK = 60000
PAGE = 4096
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
LATENCY, UNIDIRECTIONAL, MULTI, BIDIRECTIONAL = 8502, 8503, range(8504, 8509), 8509
Machine = Union[str, int]


class Rude(Exception):
    """The stranger has misbehaved as it was told to; its part is over."""


@dataclass
class Volume:
    """How much the micro benchmark moves."""

    bytes: int = 256 << 10
    repeats: int = 2
    multi_repeats: int = 2


@dataclass
class Stranger:
    """Somebody with sockets of one family, polite but for one step."""

    family: str
    peer: Machine
    own: Machine = ""
    rude: tuple[str, str] = ("", "")  # the step, and what to do there
    volume: Volume = field(default_factory=Volume)
    kept: list[socket.socket] = field(default_factory=list)
    given_up: bool = False

    def _new(self, machine: Machine, port: int) -> socket.socket:
        if self.given_up:
            raise ConnectionError("nobody is there any more")
        made = socket.socket(getattr(socket, f"AF_{self.family.upper()}"), socket.SOCK_STREAM)
        self.kept.append(made)
        made.settimeout(LIMIT)
        if self.family == "inet":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            machine = socket.VMADDR_CID_ANY if machine == "" else machine
            port = port or socket.VMADDR_PORT_ANY
        made.bind((machine, port))
        return made

    def listen(self, port: int) -> socket.socket:
        listener = self._new(self.own, port)
        listener.listen(16)
        return listener

    def accept(self, listener: socket.socket) -> tuple[socket.socket, int]:
        """The connection and the port it comes from."""
        connection, (_, port) = listener.accept()
        self.kept.append(connection)
        connection.settimeout(LIMIT)
        return connection, port

    def connect(self, port: int, own: int = 0) -> socket.socket:
        """To somebody who may be just starting."""
        end = time.monotonic() + LIMIT
        while True:
            connection = self._new(self.own, own)
            try:
                connection.connect((self.peer, port))
                return connection
            except (ConnectionRefusedError, ConnectionResetError):
                connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def is_absent(self, step: str) -> bool:
        return self.rude == (step, "absent")

    def at(self, step: str, connection: socket.socket) -> None:
        """A step of the protocol on this connection: go on, or misbehave."""
        if self.rude[0] != step:
            return
        how = self.rude[1]
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "rubbish":
            connection.sendall(b"?" * BLOCK)
        elif how == "little":
            connection.sendall(b"*" * 10)
        elif how == "second":
            self.connect(8000)
        if how in ("more", "wrong"):
            return  # politely, but see filled() and says_more()
        if how in ("reset", "close", "little", "second"):
            connection.close()
        raise Rude(how)  # else it stalls

    def filled(self, step: str, size: int) -> bytes:
        """What belongs there in a step, perhaps with a last byte that is wrong."""
        return b"*" * (size - 1) + (b"?" if self.rude == (step, "wrong") else b"*")

    def says_more(self, step: str, connection: socket.socket) -> None:
        """At the end of a step of the protocol, perhaps a byte too many."""
        if self.rude == (step, "more"):
            connection.sendall(b"*")

    def give_up(self) -> None:
        """What its thread waits for does not come any more.  Nothing is closed under the thread:
        the descriptors' numbers are others' soon, and then it would hold what is theirs.
        """
        self.given_up = True
        for made in list(self.kept):
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close what is open, as the end of a process does."""
        for made in self.kept:
            made.close()


def exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer when the peer closes."""
    data = bytearray()
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return bytes(data)


def write_until_closed(connection: socket.socket, block: bytes) -> None:
    try:
        while True:
            connection.sendall(block)
    except OSError as error:
        assert error.errno in (errno.EPIPE, errno.ECONNRESET), error


# The integration test


def guest_integration(s: Stranger) -> None:
    """What runs in the guest: `virtio_vsock_test_util integration_test`."""
    servers = {
        port: s.listen(port) for port in (8001, 8002, 8003) if not s.is_absent(f"listen {port}")
    }
    client = s.connect(8000, 49152)
    s.at("8000", client)
    client.sendall(s.filled("8000", 4 * BLOCK))
    assert exactly(client, 1) == b"*"
    s.at("close 8000", client)
    client.close()
    served, _ = s.accept(servers[8001])
    s.at("8001", served)
    served.sendall(s.filled("8001", 4 * BLOCK))
    assert exactly(served, 1) == b"*"
    servers[8001].close()
    served, _ = s.accept(servers[8002])
    s.at("8002", served)
    write_until_closed(served, b"*" * BLOCK)
    served, _ = s.accept(servers[8003])
    s.at("8003", served)
    assert exactly(served, 1) == b"\0"
    servers[8003].close()  # and the connection when the process ends


def host_integration(s: Stranger) -> None:
    """What tests a guest from its host."""
    client, port = s.accept(s.listen(8000))
    assert port == 49152, port
    s.at("8000", client)
    assert exactly(client, 4 * BLOCK) == b"*" * 4 * BLOCK
    s.at("answer 8000", client)
    client.sendall(b"*")
    assert client.recv(1) == b"", "the guest did not close"
    client.close()
    for port in (8001, 8002, 8003):
        s.at(f"connect {port}", client)
        connection = s.connect(port)
        s.at(str(port), connection)
        if port == 8001:
            assert exactly(connection, 4 * BLOCK) == b"*" * 4 * BLOCK
            connection.sendall(b"*")
        elif port == 8002:
            assert exactly(connection, 10) == b"*" * 10
        else:
            write_until_closed(connection, bytes(1000))
        connection.close()


# The micro benchmark


def write_pages(connection: socket.socket, size: int) -> None:
    while size > 0:
        connection.sendall(b"*" * min(size, PAGE))
        size -= PAGE


def both_ways(connection: socket.socket, size: int) -> None:
    writer = threading.Thread(target=write_pages, args=(connection, size), daemon=True)
    writer.start()
    assert len(exactly(connection, size)) == size
    writer.join()


def at_once(jobs: list[Callable[[], None]]) -> None:
    """All of these; what one raised is raised."""
    failed: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def guest_benchmark(s: Stranger) -> None:
    """What runs in the guest: `virtio_vsock_test_util micro_benchmark`."""
    v = s.volume
    connections = {}
    for port in range(8501, 8510):
        if not s.is_absent(f"connect {port}"):
            connections[port] = s.connect(8500, port)
    control = connections[8501]
    echo(s, connections[LATENCY])
    s.at("magic 129", control)
    control.sendall(b"\x81")
    for _ in range(v.repeats):
        s.at("bidirectional", connections[BIDIRECTIONAL])
        both_ways(connections[BIDIRECTIONAL], v.bytes)
    s.says_more("bidirectional", connections[BIDIRECTIONAL])
    s.at("magic 123", control)
    control.sendall(b"\x7b")
    there_and_back(s, "unidirectional", connections[UNIDIRECTIONAL], v.repeats)

    def multi(port: int) -> None:
        s.at(f"magic {port - 8380}", control)
        control.sendall(bytes([port - 8380]))
        there_and_back(s, f"stream {port}", connections[port], v.multi_repeats)

    at_once([lambda port=port: multi(port) for port in MULTI])
    s.says_more("magic 128", control)


def echo(s: Stranger, latency: socket.socket) -> None:
    number = 0
    while page := exactly(latency, PAGE):
        number += 1
        s.at(f"packet {number}", latency)
        if s.rude == (f"packet {number}", "wrong"):
            page = page[:-1] + b"#"
        latency.sendall(page)
    s.says_more("packets", latency)


def there_and_back(s: Stranger, name: str, stream: socket.socket, repeats: int) -> None:
    for _ in range(repeats):
        s.at(name, stream)
        assert len(exactly(stream, s.volume.bytes)) == s.volume.bytes
        s.at(f"{name} back", stream)
        write_pages(stream, s.volume.bytes)
    s.says_more(name, stream)


def host_benchmark(s: Stranger) -> None:
    """What measures a guest from its host."""
    listener = s.listen(8500)
    accepted = [s.accept(listener) for _ in range(9)]
    assert [port for _, port in accepted] == list(range(8501, 8510)), accepted
    connections = {port: connection for connection, port in accepted}
    control = connections[8501]
    measure_latency(s, connections[LATENCY])
    assert exactly(control, 1) == b"\x81"
    for _ in range(s.volume.repeats):
        s.at("bidirectional", connections[BIDIRECTIONAL])
        both_ways(connections[BIDIRECTIONAL], s.volume.bytes)
    assert exactly(control, 1) == b"\x7b"
    back_and_there(s, "unidirectional", connections[UNIDIRECTIONAL], s.volume.repeats)
    assert sorted(exactly(control, 5)) == list(range(124, 129))

    def multi(port: int) -> None:
        back_and_there(s, f"stream {port}", connections[port], s.volume.multi_repeats)

    at_once([lambda port=port: multi(port) for port in MULTI])


def measure_latency(s: Stranger, latency: socket.socket) -> None:
    for number in range(100):
        s.at(f"packet {number + 1}", latency)
        page = b"DAVID%03d" % number * 512
        latency.sendall(page)
        assert exactly(latency, PAGE) == page
    for _ in range(20):
        latency.sendall(b"*" * PAGE)
        assert exactly(latency, PAGE) == b"*" * PAGE
    latency.close()


def back_and_there(s: Stranger, name: str, stream: socket.socket, repeats: int) -> None:
    for _ in range(repeats):
        s.at(name, stream)
        write_pages(stream, s.volume.bytes)
        s.says_more(name, stream)
        s.at(f"{name} back", stream)
        assert len(exactly(stream, s.volume.bytes)) == s.volume.bytes


ROLES = {
    role.__name__: role
    for role in (guest_integration, host_integration, guest_benchmark, host_benchmark)
}

if __name__ == "__main__":
    machine: Machine = int(sys.argv[3]) if sys.argv[2] == "vsock" else sys.argv[3]
    ROLES[sys.argv[1]](Stranger(sys.argv[2], machine))
    print(f"stranger's {sys.argv[1]}: content")

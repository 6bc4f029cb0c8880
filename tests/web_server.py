"""A server that answers as a test wants it to."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Behaviour = Callable[[socket.socket], None]


def redirect(target: str) -> Behaviour:
    head = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n"
    return lambda link: link.sendall(head.encode() + b"Connection: close\r\n\r\n")


class Server:
    """Speaks to each connection as the next behaviour says; the last one stays."""

    def __init__(self, behaviours: list[Behaviour]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._behaviours = behaviours
        self.asked = 0
        self.heard: list[bytes] = []  # what each was asked for
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/a/file.tgz"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def was_asked(self, times: int) -> None:
        """So often, no more: who gives up early may have gone before we came to answer."""
        end = time.monotonic() + 120
        while self.asked < times:
            assert time.monotonic() < end, f"asked {self.asked} times instead of {times}"
            time.sleep(0.005)
        assert self.asked == times

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            behaviour = self._behaviours[min(self.asked, len(self._behaviours) - 1)]
            self.asked += 1
            threading.Thread(target=self._answer, args=(link, behaviour), daemon=True).start()

    def _answer(self, link: socket.socket, behaviour: Behaviour) -> None:
        with link:
            try:
                self.heard.append(link.recv(65536))
                behaviour(link)
            except OSError:
                pass


@contextmanager
def nobody_listening() -> Iterator[str]:
    """A host and port that refuse connections, and that nobody else can take meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[Server]:
    server = Server(list(behaviours))
    try:
        yield server
    finally:
        server.close()

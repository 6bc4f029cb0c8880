"""The host's end of the port over which `xenlab exec` talks to the machine: see files/agent."""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass

from xentest.errors import BrokenError
from xentest.lab import machine

LIMIT = 240.0  # a boot takes so long at most; whoever is up takes what it is sent sooner


@dataclass
class Agent:
    """A connection to a machine's agent; frames go both ways."""

    running: machine.Running
    port: socket.socket

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def send(self, kind: bytes, payload: bytes) -> None:
        """One frame."""
        self.port.settimeout(LIMIT)
        self.port.sendall(kind + struct.pack(">I", len(payload)) + payload)

    def receive(self, limit: float) -> tuple[bytes, bytes]:
        """The next frame's kind and payload.  OSError when none comes in time, or ever."""
        end = time.monotonic() + limit
        header = self._exactly(5, end)
        return header[:1], self._exactly(struct.unpack(">I", header[1:])[0], end)

    def _exactly(self, count: int, end: float) -> bytes:
        content = b""
        while len(content) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("it has said nothing for too long")
            self.port.settimeout(min(left, machine.NUDGE_SECONDS))
            try:
                chunk = self.port.recv(min(count - len(content), 1 << 16))
            except TimeoutError:
                self.running.nudge()
                continue
            if not chunk:
                raise OSError("the machine ended")
            content += chunk
        return content

    def wait_until_up(self) -> None:
        """Until it answers with our own word: what an older session left is passed over."""
        word = os.urandom(8)
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.send(b"N", word)
            try:
                while self.receive(end - time.monotonic()) != (b"N", word):
                    pass
                return
            except TimeoutError:
                break
            except OSError:
                if not self.running.alive():
                    break
        raise BrokenError(
            f"the machine did not come up within {LIMIT:g} s {self.running.last_words()}"
        )


def connect(running: machine.Running) -> Agent:
    """To the agent of a machine that was switched on; it need not be up yet."""
    return Agent(running, machine.connect(running.machine.folder / "agent", running.process))

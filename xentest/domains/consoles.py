"""Follow the consoles of domains into files, until each domain's last word.

One thread reads all terminals, so that a toolstack command that takes its time
never lets a console overflow.  A log is capped; its last part is always kept.
"""

from __future__ import annotations

import os
import re
import select
import termios
import threading
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

LOG_LIMIT = 16 << 20
TAIL = 64 << 10
TURN = 0.2
READS = 256  # of one console in a turn: one that is flooded keeps nobody from the others
TERMINAL = re.compile(r"/dev/pts/\d+")  # a guest may write any name into the store


@dataclass
class Console:
    """One console: where it is read from and written to."""

    descriptor: int
    log: FileIO
    written: int
    recent: bytes = b""
    cut: int = 0
    ended: bool = False

    def keep(self, said: bytes) -> None:
        """Write what fits, and remember the last part of what does not."""
        self.recent = (self.recent + said)[-TAIL:]
        fits = said[: max(0, LOG_LIMIT - self.written)]
        kept = self._store(fits)
        self.written += kept
        self.cut += len(said) - kept

    def _store(self, said: bytes) -> int:
        """How much the log took: on a full disk nothing, and the night is worth more than it."""
        try:
            return self.log.write(said)
        except OSError:
            return 0

    def close(self) -> None:
        """End the log with the part that was cut off, if any."""
        self.ended = True
        os.close(self.descriptor)
        if self.cut:
            self._store(b"\n[console cut here; these are its last lines]\n" + self.recent)
        self.log.close()


class Consoles:
    """All consoles that are followed."""

    def __init__(self) -> None:
        self._consoles: dict[str, Console] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="consoles", daemon=True)
        self._thread.start()

    def ended(self) -> int:
        """How many of the consoles have said their last word."""
        with self._lock:
            return sum(console.ended for console in self._consoles.values())

    def follow(self, domain: str, terminal: str, log: Path) -> bool:
        """Follow a console from now on, instead of what was followed for this domain before."""
        if not TERMINAL.fullmatch(terminal):
            return False
        try:
            descriptor = os.open(terminal, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # the domain has died meanwhile
            return False
        _make_raw(descriptor)
        stream = open(log, "ab", buffering=0)
        console = Console(descriptor, stream, stream.tell())
        with self._lock:
            before = self._consoles.get(domain)
            self._consoles[domain] = console
            if before is not None and not before.ended:
                before.close()
        return True

    def recent(self, domain: str) -> str:
        """The last part of what the domain said since it was last followed."""
        with self._lock:
            console = self._consoles.get(domain)
            return console.recent.decode("utf-8", "replace") if console else ""

    def wait_end(self, domain: str, limit: float) -> bool:
        """Wait until a dead domain's console is read to its end."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            with self._lock:
                console = self._consoles.get(domain)
                if console is None or console.ended:
                    return True
            self._stopped.wait(TURN / 4)
        return False

    def stop(self) -> None:
        """Read what is left and close all logs."""
        self._stopped.set()
        self._thread.join()
        with self._lock:
            for console in self._consoles.values():
                if not console.ended:
                    self._read(console)
                if not console.ended:
                    console.close()

    def _pump(self) -> None:
        while not self._stopped.is_set():
            poll = select.poll()
            with self._lock:
                open_ones = {
                    item.descriptor: item for item in self._consoles.values() if not item.ended
                }
            for descriptor in open_ones:
                poll.register(descriptor, select.POLLIN)
            if not open_ones:
                self._stopped.wait(TURN)
                continue
            told = poll.poll(TURN * 1000)
            with self._lock:
                for descriptor, _ in told:
                    if not open_ones[descriptor].ended:
                        self._read(open_ones[descriptor])

    def _read(self, console: Console) -> None:
        for _ in range(READS):
            if console.ended:
                return
            try:
                said = os.read(console.descriptor, 1 << 16)
            except BlockingIOError:
                return
            except OSError:  # the other end is closed: the domain is gone
                said = b""
            console.keep(said)
            if not said:
                console.close()


def _make_raw(descriptor: int) -> None:
    """Without this the terminal would echo what a guest says back to it as input."""
    mode = termios.tcgetattr(descriptor)
    mode[0] = mode[1] = mode[3] = 0
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)

"""What long work says of itself.

On a terminal one moving line; in a log one line a step.  A Progress also keeps
how long each phase took, which a run prints as its table of phases.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator, TextIO

from xentest.errors import printable


@dataclass
class Progress:
    """Prints steps as they begin and end, and remembers their durations."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    phases: list[tuple[str, float]] = field(default_factory=list)
    _moving: bool = False

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Time `what` and say how it went."""
        begun = time.monotonic()
        self.moving(f"{what} ...")
        try:
            yield
        except BaseException:
            self.say(f"{what}: failed after {time.monotonic() - begun:.1f} s")
            raise
        seconds = time.monotonic() - begun
        self.phases.append((what, seconds))
        self.say(f"{what}: {seconds:.1f} s")

    def say(self, line: str) -> None:
        """A line that stays; nothing in it, whoever said it, commands the terminal."""
        self._clear()
        print(printable(line), file=self.stream, flush=True)

    def moving(self, line: str) -> None:
        """A line that the next one replaces; nothing in a log."""
        if not self.stream.isatty():
            return
        self._clear()
        self.stream.write(printable(line)[:120])
        self.stream.flush()
        self._moving = True

    def _clear(self) -> None:
        if self._moving:
            self.stream.write("\r\x1b[K")
            self._moving = False


def table(phases: list[tuple[str, float]], title: str = "phase") -> str:
    """Phases and their seconds, as a small table."""
    width = max([len(title)] + [len(name) for name, _ in phases])
    lines = [f"{title:<{width}}  seconds"]
    lines += [f"{name:<{width}}  {seconds:7.1f}" for name, seconds in phases]
    return "\n".join(lines)

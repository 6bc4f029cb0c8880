"""Standard streams that no command ends by: closed, full, left by their reader, or of few letters.

A run takes hours; who listens to it may go away at any time, and the disk of its log may be full.
The work goes on and its exit status stays its own: nothing that is printed ever raises.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import contextmanager
from typing import Iterator, Optional, TextIO


class Outlet(io.RawIOBase):
    """A descriptor that is written to for as long as that is possible; `failure` says why not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.failure: Optional[OSError] = None

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        size = len(view)
        while view and self.failure is None:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # whoever shares it made it so
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = error
        return size

    @property
    def lost(self) -> str:
        """Why output was lost, if anybody wanted it; a reader that left did not."""
        if self.failure is None or self.failure.errno == errno.EPIPE:
            return ""
        return self.failure.strerror or str(self.failure)


@contextmanager
def patient() -> Iterator[Outlet]:
    """Standard output and error that never raise, for as long as this holds; gives the output's.

    Streams that somebody else has put in the place of the process's own stay as they are.
    """
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    output = Outlet(1)
    if sys.stdout in (None, sys.__stdout__):
        sys.stdout = _text(output, before[0])
    if sys.stderr in (None, sys.__stderr__):
        sys.stderr = _text(Outlet(2), before[1])
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    """No file or pipe of ours may get the number of a standard stream that is closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _text(outlet: Outlet, model: Optional[TextIO]) -> TextIO:
    """A text stream like `model`; letters that it does not know become escapes."""
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),
        encoding=model.encoding if model is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )

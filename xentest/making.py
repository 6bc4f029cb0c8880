"""Whether a guest is being made, as another process can tell.

A guest's note is there from before its toolstack command begins until that has made it whole.
The command holds a lock on it, by way of its standard output: so whoever goes on after this
process was killed (kill -9) knows that the command still works, and may wait for its end.  What
it leaves running for as long as the guest lives writes to a log of its own, and holds no lock.
"""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator

from xentest import strays

NOTE = "making"
LIMIT = 180.0
LOOK = 0.05


@contextmanager
def noted(folder: Path) -> Iterator[IO[bytes]]:
    """A guest is made meanwhile, by a command with this standard output."""
    note = folder / NOTE
    note.unlink(missing_ok=True)
    with open(note, "x+b") as output, strays.marked(strays.GUEST, str(note)):
        fcntl.flock(output, fcntl.LOCK_EX)
        yield output
    note.unlink()


def settled(folder: Path) -> bool:
    """Whether the guest is whole, when nobody makes it any more.

    A command that still does is waited for; one that does not end within LIMIT is ended.
    """
    try:
        note = open(folder / NOTE, "rb")
    except FileNotFoundError:
        return True
    with note:
        deadline = time.monotonic() + LIMIT
        while not _is_free(note):
            if time.monotonic() > deadline:
                strays.end(strays.GUEST, str(folder / NOTE))
                break
            time.sleep(LOOK)
    return False


def _is_free(note: IO[bytes]) -> bool:
    try:
        fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

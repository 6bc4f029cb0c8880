"""Meeting points of tests that span domains.

SHARED/barriers/NAME/DOMAIN says how often a domain has come to the barrier.  A domain
passes when enough of them have come as often as it has, so a barrier can be used
again and again, and a slow domain is never overtaken.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping, Optional

from xentest import durable, untrusted
from xentest.errors import BrokenError, UsageError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
MARKER_LIMIT = 200
MAX_DOMAINS = 1000
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25
# Markers are read only when the folder has changed: over NFS they cost a request or three each, and
# who waits must not hold up who comes.  Two changes may bear one time, for a file system's clock
# is coarse; and no file system is trusted to tell every change.
UNSETTLED, LOOK_ANYWAY = 2.0, 10.0


@dataclass(frozen=True)
class Arrival:
    """What a domain's marker says."""

    times: int  # how often it came
    waiting: bool  # it has not passed yet


@dataclass(frozen=True)
class Meeting:
    """How waiting at a barrier ended."""

    passed: bool
    here: tuple[str, ...]  # the domains that had come, in order of name


def wait(shared: Path, name: str, domain: str, count: int, timeout: float) -> Meeting:
    """Arrive at the barrier and wait until `count` domains, this one included, have come.

    When they do not come in time, or the wait is broken off, this domain's arrival is
    taken back: who comes later must not believe that it is there.
    """
    for word in (name, domain):
        if not NAME.fullmatch(word):
            raise UsageError(
                f"{word!r} is no name for a barrier or domain", "Use letters, digits, _ - and ."
            )
    folder = _folder(shared, name)
    before = _arrivals(folder).get(domain, Arrival(0, False)).times
    mine = before + 1
    passed = False
    try:
        _write(folder, domain, Arrival(mine, True))
        here = _wait(folder, mine, count, timeout)
        passed = len(here) >= count
    finally:
        _write(folder, domain, Arrival(mine if passed else before, False))
    return Meeting(passed, tuple(sorted(here)))


def withdraw_all(shared: Path, domain: str) -> None:
    """Take back arrivals of a domain whose test was ended while it waited."""
    top = shared / "barriers"
    for entry in os.listdir(top):
        try:
            folder = top / entry
            mine = _arrivals(folder).get(domain)
            if mine is not None and mine.waiting:
                _write(folder, domain, Arrival(mine.times - 1, False))
        except (OSError, untrusted.Refused):
            continue  # no folder of ours


def _folder(shared: Path, name: str) -> Path:
    folder = shared / "barriers" / name
    try:
        _make_open(folder.parent)
        _make_open(folder)
    except OSError as error:
        raise BrokenError(
            f"the barrier folder {folder} cannot be made: {error}",
            "Look whether the shared folder is mounted and writable.",
        ) from None
    return folder


def _make_open(folder: Path) -> None:
    """Make a folder that is open to all from its first moment: the domains may be different
    users to the server. Not by way of the umask, which other threads would feel."""
    import tempfile

    if folder.is_dir():
        return
    made = tempfile.mkdtemp(prefix=".making-", dir=folder.parent)
    with _opened(Path(made)) as descriptor:  # a guest may have put a link there since
        os.fchmod(descriptor, 0o777)
    try:
        os.rename(made, folder)
    except OSError:
        os.rmdir(made)
        if not folder.is_dir():  # else another domain was here first
            raise


def _wait(folder: Path, mine: int, count: int, timeout: float) -> list[str]:
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    state: Optional[tuple[int, ...]] = None
    settled = look_anyway = 0.0
    here: list[str] = []
    while True:
        now = time.monotonic()
        last_look = now >= deadline
        found = _state(folder)
        if found != state:
            state, settled = found, now + UNSETTLED
        if last_look or now < settled or now >= look_anyway:
            here = [name for name, arrival in _arrivals(folder).items() if arrival.times >= mine]
            look_anyway = now + LOOK_ANYWAY
        if len(here) >= count or last_look:
            return here
        time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(pause * 2, LONGEST_PAUSE)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of the folder; opened afresh, it is as the server has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise BrokenError(
            f"the barrier folder {folder} cannot be read: {error}",
            "Look whether the shared folder is mounted.",
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _state(folder: Path) -> tuple[int, ...]:
    """Another value whenever a marker came or was replaced (but see UNSETTLED)."""
    with _opened(folder) as descriptor:
        status = os.fstat(descriptor)
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _arrivals(folder: Path) -> Mapping[str, Arrival]:
    """What every domain's marker says now; read afresh, as NFS needs it."""
    with _opened(folder) as descriptor:
        names = [name for name in sorted(os.listdir(descriptor)) if NAME.fullmatch(name)]
        return {name: _arrival(descriptor, name) for name in names[:MAX_DOMAINS]}


def _arrival(folder: int, name: str) -> Arrival:
    try:
        value = json.loads(untrusted.read_file(folder, name, MARKER_LIMIT))
        times, waiting = value["times"], value["waiting"]
    except (OSError, untrusted.Refused, ValueError, KeyError, TypeError, RecursionError):
        return Arrival(0, False)
    good = type(times) is int and 0 <= times < 1 << 40
    return Arrival(times, waiting is True) if good else Arrival(0, False)


def _write(folder: Path, domain: str, arrival: Arrival) -> None:
    text = json.dumps({"times": arrival.times, "waiting": arrival.waiting})
    try:
        try:
            _write_into(folder, domain, text)
        except FileNotFoundError:  # who made the barrier in the same moment put its folder there
            _write_into(folder, domain, text)
    except OSError as error:
        raise BrokenError(
            f"cannot write to the barrier folder {folder}: {error}",
            "Look whether the shared folder is mounted, writable and not full.",
        ) from None


def _write_into(folder: Path, name: str, text: str) -> None:
    """By way of a descriptor: a guest may put a link in the folder's place at any time."""
    with _opened(folder) as descriptor:
        durable.write_text(Path(f"/proc/self/fd/{descriptor}") / name, text)

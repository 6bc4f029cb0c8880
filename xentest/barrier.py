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
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from xentest import durable, untrusted
from xentest.errors import BrokenError, UsageError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
MARKER_LIMIT = 200
MAX_DOMAINS = 1000
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25


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
    os.chmod(made, 0o777)
    try:
        os.rename(made, folder)
    except OSError:
        os.rmdir(made)
        if not folder.is_dir():  # else another domain was here first
            raise


def _wait(folder: Path, mine: int, count: int, timeout: float) -> list[str]:
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        last_look = time.monotonic() >= deadline
        here = [name for name, arrival in _arrivals(folder).items() if arrival.times >= mine]
        if len(here) >= count or last_look:
            return here
        time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(pause * 2, LONGEST_PAUSE)


def _arrivals(folder: Path) -> Mapping[str, Arrival]:
    """What every domain's marker says now; read afresh, as NFS needs it."""
    found = {}
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise BrokenError(
            f"the barrier folder {folder} cannot be read: {error}",
            "Look whether the shared folder is mounted.",
        ) from None
    try:
        for name in sorted(os.listdir(descriptor))[:MAX_DOMAINS]:
            if NAME.fullmatch(name):
                found[name] = _arrival(descriptor, name)
    finally:
        os.close(descriptor)
    return found


def _arrival(folder: int, name: str) -> Arrival:
    try:
        value = json.loads(untrusted.read_file(folder, name, MARKER_LIMIT))
        times, waiting = value["times"], value["waiting"]
    except (OSError, untrusted.Refused, ValueError, KeyError, TypeError, RecursionError):
        return Arrival(0, False)
    good = type(times) is int and 0 <= times < 1 << 40
    return Arrival(times, waiting is True) if good else Arrival(0, False)


def _write(folder: Path, domain: str, arrival: Arrival) -> None:
    try:
        text = json.dumps({"times": arrival.times, "waiting": arrival.waiting})
        durable.write_text(folder / domain, text)
    except OSError as error:
        raise BrokenError(
            f"cannot write to the barrier folder {folder}: {error}",
            "Look whether the shared folder is mounted, writable and not full.",
        ) from None

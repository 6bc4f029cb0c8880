"""The guests of a run: made, followed, and ended; never anybody else's domain.

Each guest gets a uuid of our choice that is on the disk before the guest is
made, so that a run that was killed at any moment still knows what is its own.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from xentest import durable, runs
from xentest.domains import DomainInfo, Toolstack
from xentest.domains.consoles import Consoles
from xentest.errors import XentestError

if TYPE_CHECKING:
    from xentest.control import Domain

CREATED = "created.json"
SHUTDOWN_LIMIT = 20.0
CONSOLE_LIMIT = 5.0
POLL = 0.5
UNKNOWN = "------"  # a state as nobody has asked since


class Guests:
    """What this run made, by name."""

    def __init__(self, run: runs.Run, toolstack: Toolstack, consoles: Consoles) -> None:
        self._run = run
        self._toolstack = toolstack
        self._consoles = consoles
        self._uuids = _read(run.folder / CREATED)
        self._followed: dict[str, int] = {}

    def start(self, domain: Domain) -> Optional[DomainInfo]:
        """Make the guest, or go on with the one that this run has made before; shows it."""
        current = self.ours().get(domain.name) if domain.name in self._uuids else None
        if domain.config is None or (current is not None and not current.paused):
            return current
        if current is not None:  # the run was killed before it could let the guest go
            self._toolstack.unpause(current)
            return replace(current, state=UNKNOWN)
        self._uuids[domain.name] = str(uuid.uuid4())
        durable.write_json(self._run.folder / CREATED, self._uuids)
        created = self._toolstack.create(domain.config, domain.name, self._uuids[domain.name])
        self._wait_console(created)
        self._toolstack.unpause(created)
        return replace(created, state=UNKNOWN)

    def _wait_console(self, domain: DomainInfo) -> None:
        deadline = time.monotonic() + CONSOLE_LIMIT
        while not self._follow(domain) and time.monotonic() < deadline:
            time.sleep(POLL / 5)

    def _follow(self, domain: DomainInfo) -> bool:
        log = self._run.domain_folder(domain.name) / "console.log"
        if not self._consoles.follow(domain.name, self._toolstack.console(domain), log):
            return False
        self._followed[domain.name] = domain.domid
        return True

    def all(self) -> dict[str, DomainInfo]:
        """Every domain there is, by name; a guest that rebooted is followed anew."""
        found = {domain.name: domain for domain in self._toolstack.domains()}
        for name in self._uuids:
            info = found.get(name)
            if info is not None and self._is_ours(info) and self._followed.get(name) != info.domid:
                self._follow(info)
        return found

    def ours(self) -> dict[str, DomainInfo]:
        """The guests of this run that exist now."""
        return {name: info for name, info in self.all().items() if self._is_ours(info)}

    def _is_ours(self, info: DomainInfo) -> bool:
        return bool(info.uuid) and self._uuids.get(info.name) == info.uuid

    def end_all(self, limit: float = SHUTDOWN_LIMIT) -> None:
        """Shut the guests of this run down; destroy those that do not go."""
        asked = self.ours()
        for info in asked.values():
            if not info.down and not info.paused:
                _attempt(self._toolstack.shutdown, info)
        deadline = time.monotonic() + limit
        left = asked
        while left and time.monotonic() < deadline:
            left = self.ours()
            if all(info.paused or info.down for info in left.values()):
                break  # such a guest does not go by itself
            time.sleep(POLL)
        for info in self.ours().values():
            self._toolstack.destroy(info)
        for name in asked:
            self._consoles.wait_end(name, CONSOLE_LIMIT)


def _attempt(action: Callable[[DomainInfo], None], info: DomainInfo) -> None:
    """A guest that cannot be asked is destroyed later anyway."""
    try:
        action(info)
    except XentestError:
        pass


def end_leftovers(results_dir: Path, current: runs.Run, toolstack: Toolstack) -> list[str]:
    """Destroy guests that earlier, unfinished runs made and left; returns their names."""
    made = {
        (name, known)
        for folder in runs.kept(results_dir)
        if folder != current.folder
        for name, known in _read(folder / CREATED).items()
    }
    ended = []
    for info in toolstack.domains():
        if info.uuid and (info.name, info.uuid) in made:
            toolstack.destroy(info)
            ended.append(info.name)
    return ended


def _read(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(name): str(known) for name, known in value.items()}

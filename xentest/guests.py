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
from typing import TYPE_CHECKING, Callable, Mapping, Optional

from xentest import durable, making, moment, runs
from xentest.domains import NAMELESS, DomainInfo, Toolstack
from xentest.domains.consoles import Consoles
from xentest.errors import XentestError

if TYPE_CHECKING:
    from xentest.control import Domain

CREATED = "created.json"
DOMIDS = "domids.json"
SHUTDOWN_LIMIT = 20.0
CONSOLE_LIMIT = 5.0
POLL = 0.5
CRASHED = ("crashed", "watchdog")
UNKNOWN = "------"  # a state as nobody has asked since


class Guests:
    """What this run made, by name."""

    def __init__(self, run: runs.Run, toolstack: Toolstack, consoles: Consoles) -> None:
        self._run = run
        self._toolstack = toolstack
        self._consoles = consoles
        self._uuids = _read(run.folder / CREATED)
        self._followed: dict[str, int] = {}
        # Whose each domid was that a guest has had in this boot.
        self.numbers = _read_domids(run.folder / DOMIDS)
        self.crashed: set[str] = set()  # that were seen so at any time

    def start(self, domain: Domain) -> Optional[DomainInfo]:
        """Make the guest, or go on with the one that this run has made before; shows it."""
        current = self._made_before(domain.name) if domain.name in self._uuids else None
        if domain.config is None or (current is not None and not current.paused):
            return current
        if current is not None:  # the run was killed before it could let the guest go
            self._toolstack.unpause(current)
            return replace(current, state=UNKNOWN)
        created = self._make(domain.name, domain.config)
        self._wait_console(created)
        self._toolstack.unpause(created)
        return replace(created, state=UNKNOWN)

    def _made_before(self, name: str) -> Optional[DomainInfo]:
        """The guest, if it lives and is whole; what was left half-made is destroyed."""
        whole = making.settled(self._run.folder / runs.DOMAINS / name)
        current = self.ours().get(name)
        if current is None or whole or not current.paused:
            return current
        self._toolstack.destroy(current)
        return None

    def _make(self, name: str, config: str) -> DomainInfo:
        known = self._uuids[name] = str(uuid.uuid4())
        durable.write_json(self._run.folder / CREATED, self._uuids)
        try:
            with making.noted(self._run.domain_folder(name)) as printed:
                return self._toolstack.create(config, name, known, printed)
        except XentestError:
            if (half := self.ours().get(name)) is not None:
                _attempt(self._toolstack.destroy, half)
            raise

    def _wait_console(self, domain: DomainInfo) -> None:
        deadline = time.monotonic() + CONSOLE_LIMIT
        while not self._follow(domain) and time.monotonic() < deadline:
            time.sleep(POLL / 5)

    def _follow(self, domain: DomainInfo) -> bool:
        log = self._run.domain_folder(domain.name) / "console.log"
        self._note_domid(domain)
        if not self._consoles.follow(domain.name, self._toolstack.console(domain), log):
            return False
        self._followed[domain.name] = domain.domid
        return True

    def _note_domid(self, domain: DomainInfo) -> None:
        """By its number alone the hypervisor tells of a guest, which may be gone by then."""
        if self.numbers.get(domain.domid) == domain.name:
            return
        self.numbers[domain.domid] = domain.name
        value = {"boot": moment.boot_id(), "domids": self.numbers}
        durable.write_json(self._run.folder / DOMIDS, value)

    def all(self) -> dict[str, DomainInfo]:
        """Every domain there is, by name; a guest that rebooted is followed anew."""
        return {info.name: info for info in self._look()}

    def _look(self) -> list[DomainInfo]:
        found = self._toolstack.domains()
        for info in found:
            known = self._uuids.get(info.name)
            if known == info.uuid and info.down in CRASHED:
                self.crashed.add(info.name)
            if known == info.uuid and self._followed.get(info.name) != info.domid:
                self._follow(info)
        return found

    def ours(self) -> dict[str, DomainInfo]:
        """The guests of this run that exist now, by the name that they have or will have."""
        names = {known: name for name, known in self._uuids.items()}
        return {names[info.uuid]: info for info in self._look() if self._is_ours(info)}

    def _is_ours(self, info: DomainInfo) -> bool:
        return _is_known(info, self._uuids)

    def end_all(self, limit: float = SHUTDOWN_LIMIT) -> None:
        """Shut the guests of this run down; destroy those that do not go."""
        for name in self._uuids:
            making.settled(self._run.folder / runs.DOMAINS / name)
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
    made = []
    for folder in runs.kept(results_dir):
        if folder != current.folder:
            made.append(_read(folder / CREATED))
            for name in made[-1]:
                making.settled(folder / runs.DOMAINS / name)
    ended = []
    for info in toolstack.domains():
        if any(_is_known(info, of_run) for of_run in made):
            toolstack.destroy(info)
            ended.append(info.name)
    return ended


def _is_known(info: DomainInfo, made: Mapping[str, str]) -> bool:
    """Whether it was made under this name; one that is half-made may have none yet."""
    if info.name == NAMELESS:  # one that ends has none any more, and does so by itself
        return bool(info.uuid) and info.uuid in made.values() and "d" not in info.state
    return bool(info.uuid) and made.get(info.name) == info.uuid


def _read_domids(path: Path) -> dict[int, str]:
    """What an xenstartdoms that was killed in this boot has noted."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["boot"] != moment.boot_id():
            return {}
        return {int(domid): str(name) for domid, name in value["domids"].items()}
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _read(path: Path) -> dict[str, str]:
    """Which guests a run made; of a note that is damaged none: what is not surely ours is left."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(known) for name, known in value.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}

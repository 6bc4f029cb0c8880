"""One run and its trusted folder; the lock that keeps runs apart.

RESULTS/RUN/ holds control.cfg, run.json and what was collected.  A folder
appears there whole or not at all, and run.json is replaced durably.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional

from xentest import durable, moment, strays
from xentest.errors import BrokenError, UsageError, printable

if TYPE_CHECKING:
    from xentest.control import Control

RUN_ID = re.compile(r"\d{8}-\d{6}(-\d{1,4})?")
DOMAINS = "domains"  # in a run's folder: a folder for each
REMOVED = ".removed-"
UNFINISHED = ".begun-"
ENDED = ("finished", "broken")
# Kept free in a run's folder while it goes on, so that its end can be told on a full disk.
RESERVE = ".reserve"
RESERVED_FILE = ".reserve-file"  # a disk may have room, and no number for one more file
RESERVED = 128 << 10


@dataclass
class Run:
    """A run: its folder and the facts that run.json keeps."""

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    # Which results (domain, number, test) are in the folder, as far as that was asked.
    stored: dict[tuple[str, int, str], bool] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def control_file(self) -> Path:
        return self.folder / "control.cfg"

    def domain_folder(self, domain: str) -> Path:
        """The folder of what was collected of a domain; made when absent."""
        folder = self.folder / DOMAINS / domain
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def update(self, **facts: Any) -> None:
        """Keep facts durably; texts as they may be shown, for a file's name may be no text."""
        self.facts.update({key: _shown(value) for key, value in facts.items()})
        durable.write_json(self.folder / "run.json", self.facts)

    @property
    def is_over(self) -> bool:
        """Whether it has its verdict."""
        return self.facts.get("state") in ENDED

    def make_room(self) -> None:
        """Let go of what was kept free: what is written from here on is the end of the run."""
        for name in (RESERVE, RESERVED_FILE):
            (self.folder / name).unlink(missing_ok=True)

    def add_phase(self, name: str, seconds: float) -> None:
        """Keep how long a phase took."""
        phases = [*self.facts.get("phases", []), {"name": name, "seconds": round(seconds, 2)}]
        self.update(phases=phases)


def _shown(fact: Any) -> Any:
    return printable(fact) if isinstance(fact, str) else fact


def begin(
    results_dir: Path, control: Control, run_id: Optional[str] = None, state: str = "building"
) -> Run:
    """Make the folder of a new run and point `latest` at it; old runs beyond keep_runs go."""
    results_dir.mkdir(parents=True, exist_ok=True)
    unfinished = results_dir / f"{UNFINISHED}{os.getpid()}"
    _remove_tree(unfinished)
    unfinished.mkdir()
    durable.write_text(unfinished / "control.cfg", control.text)
    facts = {
        "id": "",
        "state": state,
        "control": printable(control.path),
        "control_digest": control.digest,
        "tree": control.preferences.xen_tree,
        "started": moment.now(),
        "phases": [],
        "boots": 0,
        "order": 1 + max(map(_order, kept(results_dir)), default=0),
    }
    folder = results_dir / (run_id or free_id(results_dir))
    facts["id"] = folder.name
    durable.write_json(unfinished / "run.json", facts)
    durable.write_bytes(unfinished / RESERVED_FILE, b"")
    durable.write_bytes(unfinished / RESERVE, os.urandom(RESERVED))  # zeros might take no room
    os.rename(unfinished, folder)
    _point_latest(results_dir, folder.name)
    prune(results_dir, control.preferences.keep_runs, folder.name)
    return Run(folder, facts)


def free_id(results_dir: Path) -> str:
    """An id for a run that begins now."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    candidates = [stamp] + [f"{stamp}-{number}" for number in range(2, 1000)]
    return next(name for name in candidates if not (results_dir / name).exists())


def _point_latest(results_dir: Path, run_id: str) -> None:
    temporary = results_dir / f".latest-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    os.symlink(run_id, temporary)
    os.rename(temporary, results_dir / "latest")
    durable.sync_folder(results_dir)


def open_run(results_dir: Path, run_id: str = "latest") -> Run:
    """The run of that id, or the latest one."""
    folder = results_dir / run_id
    if run_id == "latest" and folder.is_symlink():
        folder = results_dir / os.readlink(folder)
    try:
        if not RUN_ID.fullmatch(folder.name):
            raise FileNotFoundError(folder)
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError("not a JSON object")
    except FileNotFoundError:
        advice = f"See `ls {results_dir}` for the runs that are kept."
        raise UsageError(f"there is no run {run_id} in {results_dir}", advice) from None
    except ValueError as error:
        raise BrokenError(
            f"{folder / 'run.json'} is damaged: {error}", "The disk may be; start a new run."
        ) from None
    return Run(folder, facts)


def kept(results_dir: Path) -> list[Path]:
    """The folders that are runs of ours, in order of their names."""
    return sorted(
        entry
        for entry in results_dir.iterdir()
        if RUN_ID.fullmatch(entry.name) and not entry.is_symlink() and _is_run(entry)
    )


def _order(folder: Path) -> int:
    """When the run was begun among those that are kept, whatever the clock said; 0: not known."""
    try:
        order = json.loads((folder / "run.json").read_text(encoding="utf-8"))["order"]
    except (OSError, ValueError, LookupError, TypeError):
        return 0
    return order if type(order) is int else 0


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").is_file() and (folder / "control.cfg").is_file()


def prune(results_dir: Path, keep: int, current: str) -> None:
    """Remove the oldest runs beyond `keep`; never the current one, nor what is not a run."""
    for leftover in (*results_dir.glob(f"{REMOVED}*"), *results_dir.glob(f"{UNFINISHED}*")):
        _remove_tree(leftover)
    # By names among themselves those of equal order, as runs before there was one.
    folders = sorted(kept(results_dir), key=_order)
    for folder in folders[: max(0, len(folders) - max(keep, 1))]:
        if folder.name == current:
            continue
        removed = results_dir / f"{REMOVED}{folder.name}"
        os.rename(folder, removed)  # first, so that no half-removed run is ever seen
        _remove_tree(removed)


def _remove_tree(folder: Path) -> None:
    import shutil

    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


class Lock:
    """Held while a command works on the machine; a second one is told who holds it.

    Who gets it works alone: what a killed holder built with is ended first (`ended` names it).
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        self.ended: list[str] = []
        self._descriptor = -1

    def __enter__(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            os.close(self._descriptor)
            raise BrokenError(
                f"another command works on this machine: {holder}",
                f"Wait until it has ended, or end it; the lock is {self.path}.",
            ) from None
        record = {"pid": os.getpid(), "command": self.command, "started": moment.now()}
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(record).encode() + b"\n", 0)
        try:
            self.ended = strays.end(strays.BUILD, str(self.path))
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _holder(self) -> str:
        try:
            record = json.loads(os.pread(self._descriptor, 4096, 0))
            return f"{record['command']} (process {record['pid']}, since {record['started']})"
        except (ValueError, KeyError, TypeError):
            return "one that has just begun"

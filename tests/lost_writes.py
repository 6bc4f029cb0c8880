"""What a power cut takes besides the moment: whatever was written and not synced yet.

A process notes its changes to the disk in a journal, and each fsync.  `Disk` follows it: what is
there, what is surely there after a cut, and the changes between both.  It promises no more than
the file systems of Linux do:

- fsync of a file keeps what it holds, and the names by which it is reached;
- fsync of a folder keeps its entries, and the names by which it is reached;
- a rename happens whole or not at all;
- of all else any part may be lost; bytes that were not synced may be zeros.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Optional, Union

# What becomes of names and bytes that were not synced.  `all`: neither is there; else the names
# are, and of the bytes none, zeros, half of them; `mixed`: of each by chance.
LOSSES = ("all", "bytes", "zeros", "half", "mixed")
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ALL = 1 << 24  # more bytes than any file of the tests has


class Journal:
    """Notes what this process does to files; ends it before the change `cut`, as SIGKILL does."""

    def __init__(self, path: Path, cut: int) -> None:
        self._notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        self._cut, self.changes = cut, 0
        self._open, self._below = os.open, -1
        os.open = self._open_below
        os.fsync = self._fsync  # type: ignore[assignment]
        sys.addaudithook(self._heed)

    def _heed(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & WRITES and not isinstance(arguments[0], int):
            kept = arguments[2] & os.O_CREAT
            self._change("create" if kept else "write", _full(arguments[0], self._below))
        elif event in ("os.remove", "os.rmdir", "os.mkdir"):
            self._change(event.removeprefix("os."), _full(arguments[0], arguments[-1]))
        elif event == "os.rename":
            source, target, source_below, target_below = arguments
            self._change("rename", _full(source, source_below), _full(target, target_below))
        elif event == "os.symlink":
            target, path, below = arguments
            self._change("symlink", _full(path, below), os.fspath(target))

    def _change(self, *what: object) -> None:
        self.changes += 1
        if self.changes == self._cut:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(self._notes, pickle.dumps(what))

    def _open_below(
        self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None
    ) -> int:
        """The audit event does not tell the folder."""
        self._below = -1 if dir_fd is None else dir_fd
        try:
            return self._open(path, flags, mode, dir_fd=dir_fd)
        finally:
            self._below = -1

    def _fsync(self, descriptor: int) -> None:
        """Waits for no disk: that of these tests is a model."""
        own, content = f"/proc/self/fd/{descriptor}", b""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            reader = self._open(own, os.O_RDONLY)
            content = os.pread(reader, ALL, 0)
            os.close(reader)
        self._change("sync", os.readlink(own), content)


def _full(path: Any, below: int) -> str:
    folder = os.getcwd() if below < 0 else os.readlink(f"/proc/self/fd/{below}")
    return os.path.join(folder, os.fspath(path))


@dataclass(eq=False)
class File:
    """A file, and what it held when it was last synced."""

    kept: bytes = b""


@dataclass(eq=False)
class Link:
    """A symbolic link."""

    target: str


@dataclass(eq=False)
class Folder:
    """A folder: its entries, and those that are surely on the disk."""

    now: dict[str, Node] = field(default_factory=dict)
    kept: dict[str, Node] = field(default_factory=dict)

    def set(self, view: str, name: str, node: Optional[Node]) -> None:
        """Have this entry, or none of that name."""
        entries: dict[str, Node] = getattr(self, view)
        entries.pop(name, None)
        if node is not None:
            entries[name] = node


Node = Union[File, Link, Folder]
Change = list[tuple[Folder, str, Optional[Node]]]  # entries that come or go, all or none


class Disk:
    """The disk below `root`, where all is synced when this is made; `volatile` is not on it."""

    def __init__(self, root: Path, volatile: tuple[str, ...]) -> None:
        self._root, self._volatile = root, volatile
        self._top = Folder()
        self._pending: list[Change] = []  # what was not synced, oldest first
        for path in self._paths():
            if path.is_symlink():
                self._symlink(path, os.readlink(path))
            elif path.is_dir():
                self._mkdir(path)
            else:
                self._create(path)
                self._sync(path, path.read_bytes())
        for change in list(self._pending):
            self._keep(change)

    def follow(self, journal: Path) -> None:
        """Do what the journal says."""
        with journal.open("rb") as notes:
            while notes.peek(1):
                kind, path, *more = pickle.load(notes)
                if self._is_ours(path):
                    getattr(self, f"_{kind}")(Path(path), *more)
        escaped = set(self._paths()) ^ set(self._tree("now"))
        assert not escaped, f"not in the journal: {escaped}"

    def lose(self, loss: str, chance: random.Random) -> None:
        """Leave below `root` what a power cut leaves."""
        there = {node: path for path, node in self._tree("now").items()}
        for change in list(self._pending):
            if chance.random() < 0.5 if loss == "mixed" else loss != "all":
                self._keep(change)
        left = {}
        for path, node in self._tree("kept").items():
            was = there.get(node)
            mode = was.lstat().st_mode if was else 0o755 if isinstance(node, Folder) else 0o644
            content = node.kept if isinstance(node, File) else b""
            if was and isinstance(node, File):
                content = was.read_bytes()
            left[path] = node, stat.S_IMODE(mode), content
        for path in reversed(list(self._paths())):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for path, (node, mode, content) in left.items():
            if isinstance(node, Link):
                path.symlink_to(node.target)
                continue
            if isinstance(node, Folder):
                path.mkdir()
            else:
                path.write_bytes(_left_of(content, node.kept, loss, chance))
            path.chmod(mode)

    def _is_ours(self, path: str) -> bool:
        name = os.path.relpath(path, self._root).split("/")[0]
        return name != ".." and name not in self._volatile

    def _paths(self) -> Iterator[Path]:
        """What lies there, folders before what is in them."""
        for folder, folders, files in os.walk(self._root):
            if folder == str(self._root):
                folders[:] = [name for name in folders if name not in self._volatile]
            yield from (Path(folder, name) for name in (*folders, *files))

    def _tree(self, view: str) -> dict[Path, Node]:
        """What there is, folders before what is in them."""
        found, folders = {}, [(self._root, self._top)]
        for at, folder in folders:
            for name, node in getattr(folder, view).items():
                found[at / name] = node
                if isinstance(node, Folder):
                    folders.append((at / name, node))
        return found

    def _way_to(self, path: Path) -> list[tuple[Folder, str, Node]]:
        """The entries by which it is reached; none when it is not there."""
        way: list[tuple[Folder, str, Node]] = []
        at: Node = self._top
        for name in path.relative_to(self._root).parts:
            node = at.now.get(name) if isinstance(at, Folder) else None
            if node is None or not isinstance(at, Folder):
                return []
            way.append((at, name, node))
            at = node
        return way

    def _find(self, path: Path) -> Optional[Node]:
        way = self._way_to(path)
        return way[-1][2] if way else self._top if path == self._root else None

    def _folder_of(self, path: Path) -> Optional[Folder]:
        folder = self._find(path.parent)
        return folder if isinstance(folder, Folder) else None

    def _change(self, *entries: tuple[Folder, str, Optional[Node]]) -> None:
        for folder, name, node in entries:
            folder.set("now", name, node)
        self._pending.append(list(entries))

    def _keep(self, change: Change) -> None:
        """It is on the disk: what was done to the same entries before it is not, any more."""
        for folder, name, node in change:
            folder.set("kept", name, node)
        at = next(at for at, other in enumerate(self._pending) if other is change)
        for earlier in self._pending[:at]:
            earlier[:] = [one for one in earlier if one[:2] not in [two[:2] for two in change]]
        del self._pending[at]

    # What the journal tells may have failed: then there was no folder, or the name was taken.

    def _make(self, path: Path, node: Node) -> None:
        folder = self._folder_of(path)
        if folder is not None and path.name not in folder.now:
            self._change((folder, path.name, node))

    def _create(self, path: Path) -> None:
        self._make(path, File())

    def _mkdir(self, path: Path) -> None:
        self._make(path, Folder())

    def _symlink(self, path: Path, target: str) -> None:
        self._make(path, Link(target))

    def _write(self, path: Path) -> None:
        """What it holds is asked when it is lost."""

    def _remove(self, path: Path) -> None:
        folder, node = self._folder_of(path), self._find(path)
        if folder is not None and node is not None and not (isinstance(node, Folder) and node.now):
            self._change((folder, path.name, None))

    _rmdir = _remove

    def _rename(self, path: Path, target: str) -> None:
        node, new = self._find(path), Path(target)
        folder, new_folder, there = self._folder_of(path), self._folder_of(new), self._find(new)
        if node and folder and new_folder and not (isinstance(there, Folder) and there.now):
            self._change((folder, path.name, None), (new_folder, new.name, node))

    def _sync(self, path: Path, content: bytes) -> None:
        way, node = self._way_to(path), self._find(path)
        if isinstance(node, File):
            node.kept = content
        for change in list(self._pending):
            if any(entry in way or entry[0] is node for entry in change):
                self._keep(change)


def _left_of(content: bytes, kept: bytes, loss: str, chance: random.Random) -> bytes:
    """What is in a file that held `kept` when it was synced, and `content` at the cut."""
    if loss == "mixed":
        loss = chance.choice(("none", "bytes", "zeros", "half"))
    safe = len(kept) if content.startswith(kept) else 0
    rest = len(content) - safe
    if loss == "zeros":
        return content[:safe] + bytes(rest)
    return content[: safe + {"none": rest, "half": rest // 2}.get(loss, 0)]

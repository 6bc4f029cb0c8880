"""Files that a stranger wrote, and may still be writing.

Nothing here follows a link or opens a device, FIFO or socket.  A file is first
held by O_PATH (which opens nothing), looked at, and only then opened through
that very handle, so that no swap between looking and opening helps anyone.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from xentest.errors import printable

CHUNK = 1 << 20
MAX_DEPTH = 32
MAX_NOTES = 100


class Refused(Exception):
    """An entry that is not what it should be; the text says what it is."""


@dataclass
class Budget:
    """How much may still be copied; `refused` collects what was left out and why."""

    bytes: int
    files: int
    refused: list[str] = field(default_factory=list)
    left_out: int = 0

    def refuse(self, path: str, why: str) -> None:
        """Note an entry that is not copied."""
        self.left_out += 1
        if len(self.refused) < MAX_NOTES:
            self.refused.append(f"{path}: {why}")


def kind(mode: int) -> str:
    """What a file is, in words."""
    names = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a file",
    }
    return names.get(stat.S_IFMT(mode), "a strange thing")


def open_folder(parent: int, name: str) -> int:
    """A descriptor of the folder `name` in `parent`; Refused when it is anything else."""
    try:
        return os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent
        )
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        raise Refused(f"it is {kind(mode)}, not a folder") from None


def open_file(parent: int, name: str) -> int:
    """A descriptor of the regular file `name` in `parent`; Refused when it is anything else."""
    held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = os.fstat(held).st_mode
        if not stat.S_ISREG(mode):
            raise Refused(f"it is {kind(mode)}, not a file")
        return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(held)


def read_file(parent: int, name: str, limit: int) -> bytes:
    """What the file holds; Refused when it is no file or larger than `limit`."""
    descriptor = open_file(parent, name)
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Refused(f"it is larger than {limit} bytes")
    return content


def exists(parent: int, name: str) -> bool:
    """Whether there is an entry of that name, whatever it is."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def copy_file(parent: int, name: str, target: int, copy: str, budget: Budget, path: str) -> None:
    """Copy one file within the budget; what does not fit is cut off and noted."""
    try:
        source = open_file(parent, name)
    except (Refused, OSError) as error:
        budget.refuse(path, _why(error))
        return
    try:
        writer = os.open(
            copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=target
        )
        try:
            _pump(source, writer, budget, path)
            os.fsync(writer)
        finally:
            os.close(writer)
    finally:
        os.close(source)


def _pump(source: int, writer: int, budget: Budget, path: str) -> None:
    while True:
        # One byte more than allowed, to tell "just full" from "cut".
        try:
            chunk = os.read(source, min(CHUNK, budget.bytes + 1))
        except OSError as error:
            budget.refuse(path, f"the rest cannot be read: {error}")
            return
        if not chunk:
            return
        fits = chunk[: budget.bytes]
        view = memoryview(fits)
        while view:
            view = view[os.write(writer, view) :]
        budget.bytes -= len(fits)
        if len(fits) < len(chunk):
            budget.refuse(path, "the rest is cut: too large")
            return


def copy_folder(source: int, target: int, budget: Budget, path: str, depth: int = 0) -> None:
    """Copy what the folder `source` holds into `target`, within the budget."""
    taken: set[str] = set()
    with os.scandir(source) as entries:
        for entry in entries:
            shown = f"{path}/{file_name(entry.name)}"
            if budget.files <= 0:
                budget.refuse(path, "more files than allowed; the rest is left out")
                return
            budget.files -= 1
            copy = unused(file_name(entry.name), taken)
            if entry.is_dir(follow_symlinks=False):
                copy_subfolder(source, entry.name, target, copy, budget, shown, depth + 1)
            else:
                copy_file(source, entry.name, target, copy, budget, shown)
    os.fsync(target)


def copy_subfolder(
    parent: int, name: str, target: int, copy: str, budget: Budget, path: str, depth: int
) -> None:
    """Copy the folder `name` of `parent` as `copy` into `target`, within the budget."""
    if depth > MAX_DEPTH:
        budget.refuse(path, f"more than {MAX_DEPTH} folders deep")
        return
    try:
        source = open_folder(parent, name)
    except (Refused, OSError) as error:
        budget.refuse(path, _why(error))
        return
    try:
        os.mkdir(copy, 0o755, dir_fd=target)
        inner = open_folder(target, copy)
        try:
            copy_folder(source, inner, budget, path, depth)
        finally:
            os.close(inner)
    finally:
        os.close(source)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, Refused) else f"cannot be read: {error}"


def file_name(name: str) -> str:
    """A file name that plays no tricks: one printable line without undecodable bytes."""
    return printable(name).replace("\n", "?").replace("\t", "?")


def unused(name: str, taken: set[str]) -> str:
    """The name, or one like it that is not taken yet; it is from now on."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name[:60]}~{number}", number + 1
    taken.add(candidate)
    return candidate


def remove(parent: int, name: str) -> None:
    """Remove the entry `name`, a whole tree if it is a folder; absent is fine.

    Works on trees of any depth: folders inside are first moved up to the top,
    so neither recursion nor open descriptors grow with the depth.
    """
    try:
        top = open_folder(parent, name)
    except FileNotFoundError:
        return
    except Refused:
        os.unlink(name, dir_fd=parent)
        return
    try:
        moved = 0
        while True:
            folders = _unlink_files(top)
            if not folders:
                break
            for folder in folders:
                moved = _empty(top, folder, moved)
                os.rmdir(folder, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _unlink_files(folder: int) -> list[str]:
    """Unlink what is no folder; the names of the folders that remain."""
    folders = []
    for name in os.listdir(folder):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            folders.append(name)
        else:
            os.unlink(name, dir_fd=folder)
    return folders


def _empty(top: int, name: str, moved: int) -> int:
    inner = open_folder(top, name)
    try:
        for folder in _unlink_files(inner):
            while exists(top, f".moved-{moved}"):
                moved += 1
            os.rename(folder, f".moved-{moved}", src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    return moved

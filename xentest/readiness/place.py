"""Is this the user, are these the folders, and are the tools there that xenbuild works with?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterator
from urllib.parse import unquote

from xentest.control import Location
from xentest.readiness import Ask, Finding
from xentest.tool import PACKAGES

MIB = 1 << 20
IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
# Free MiB without which it surely fails, and with which it rather does not.
BOOT_ROOM = 1, 8
READY_ROOM = 8, 64  # to unpack what is built already
BUILD_ROOM = 64, 1024
TOOLS_ROOM = 256, 4096
RESULTS_ROOM = 1, 64


def look(ask: Ask) -> Iterator[Finding]:
    """What xenbuild itself needs, up to the restart."""
    if ask.user != 0:
        yield Finding(
            "xenbuild is not run by root",
            "It writes to /etc and /boot. Run it as root; what root may write was not looked at.",
        )
    yield from _folders(ask)
    yield from _kept_over_the_restart(ask)
    if ask.reboot and not _is_command("reboot"):
        yield Finding("there is no command reboot in PATH", "Mend PATH, or use --no-reboot.")
    if ask.hypervisor == "xen":
        yield from _tools(ask.control.tree())
        yield from _own_files(ask.control.tree())


def _folders(ask: Ask) -> Iterator[Finding]:
    preferences = ask.control.preferences
    results, shared = Path(preferences.results_dir), Path(preferences.shared_dir)
    rooms = {
        ask.paths.control.parent: (0, 0),
        ask.paths.flag.parent: (0, 0),
        ask.paths.state.parent: (0, 0),
        results: RESULTS_ROOM,
        shared: RESULTS_ROOM,
    }
    if ask.hypervisor == "xen":
        rooms[ask.paths.boot] = BOOT_ROOM
        rooms[ask.paths.work] = _room_to_build(ask.control.tree())
    told: set[Path] = set()
    for folder, (least, usual) in rooms.items():
        found = _nearest(folder)
        if (finding := _not_writable(ask, folder, found)) is not None:
            if found not in told:
                yield finding
            told.add(found)
        elif (finding := _no_room(folder, found, least, usual)) is not None:
            yield finding


def _room_to_build(tree: Location) -> tuple[int, int]:
    if tree.tools:
        return TOOLS_ROOM
    return READY_ROOM if tree.build_command == "" else BUILD_ROOM


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path))


def _not_writable(ask: Ask, folder: Path, found: Path) -> Finding | None:
    if not found.is_dir():
        what = f"{found} is no folder" + (f", so {folder} can be none" if found != folder else "")
        return Finding(what, "Move it away: the run keeps its files there.")
    if ask.user != 0 or os.access(found, os.W_OK | os.X_OK):
        return None
    return Finding(
        f"{found} cannot be written to",
        f"The run writes to {folder}. Is it mounted read-only? (mount -o remount,rw)",
    )


def _no_room(folder: Path, found: Path, least: int, usual: int) -> Finding | None:
    system = os.statvfs(found)
    free = system.f_bavail * system.f_frsize // MIB
    if not system.f_blocks or free >= usual:  # some file systems do not tell
        return None
    # What a killed xenbuild left in its work folder is removed before it is filled anew.
    certain = free < least and not (folder == found and folder.name == "build")
    advice = (
        f"The run needs {least} MiB there at the least, and is at ease with {usual}: make room."
    )
    return Finding(f"{folder}: {free} MiB are free on its file system", advice, certain)


def _kept_over_the_restart(ask: Ask) -> Iterator[Finding]:
    """The run begins before the restart, and is gone on with after it."""
    results = Path(ask.control.preferences.results_dir)
    for folder in (results, ask.paths.state.parent):
        kind = _file_system(_nearest(folder))
        if kind in IN_MEMORY:
            what = f"{folder} is in memory ({kind}), and the restart empties it"
            yield Finding(what, "The run would be lost: keep it on a disk.")
        elif folder.is_relative_to(ask.paths.root / "tmp"):
            what = f"{folder} is in /tmp, which most systems empty when they start"
            yield Finding(what, "The run would be lost: keep it elsewhere.", certain=False)
    yield from _kept_over_a_crash(ask, Path(ask.control.preferences.shared_dir))


def _kept_over_a_crash(ask: Ask, shared: Path) -> Iterator[Finding]:
    """What a test was at when the machine died is read from the shared folder."""
    in_memory = _file_system(_nearest(shared)) in IN_MEMORY
    if in_memory or shared.is_relative_to(ask.paths.root / "tmp"):
        what = f"{shared} is {'in memory' if in_memory else 'in /tmp'}, and a restart empties it"
        advice = "If the machine crashes, no test is known to have been at it: keep it on a disk."
        yield Finding(what, advice, certain=False)


def _file_system(path: Path) -> str:
    """The kind of file system; empty when that cannot be told."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            mount, _, source = line.partition(" - ")
            if mount.split()[2] == number:
                return source.split()[0]
    return ""


def _own_files(tree: Location) -> Iterator[Finding]:
    """Files of this machine that the tree is made of."""
    for address in (tree.address, *tree.patches):
        if address.startswith(("/", "file://")):
            path = Path(unquote(address.removeprefix("file://")) if ":" in address else address)
            if not path.is_file():
                what = "is no file" if path.exists() else "is not there"
                yield Finding(f"{path} {what}", f"{tree.name} is to be made of it.")


def _tools(tree: Location) -> Iterator[Finding]:
    wanted = []
    if tree.address.startswith("git+"):
        wanted.append("git")
    if tree.address.startswith("deb-src:"):
        wanted += ["apt-get", "dpkg-source"]
    if tree.patches:
        wanted.append("patch")
    if tree.build_command is None or tree.config:
        wanted.append("make")
    missing = [name for name in wanted if not _is_command(name)]
    if tree.build_command is None and not any(map(_is_command, ("gcc", "cc", "clang"))):
        missing.append("gcc")
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES.get(name, name) for name in missing))
        yield Finding(
            f"no {' and no '.join(missing)} in PATH, to fetch and build the tree with",
            f"apt-get install {packages}, or `make deps` in xentest's own folder.",
        )
    if tree.build_command is None:
        kconfig = [name for name in ("bison", "flex") if not _is_command(name)]
        if kconfig:
            what = f"no {' and no '.join(kconfig)} in PATH; most trees need them for Kconfig"
            yield Finding(what, f"apt-get install {' '.join(kconfig)}", certain=False)


def _is_command(name: str) -> bool:
    return shutil.which(name) is not None

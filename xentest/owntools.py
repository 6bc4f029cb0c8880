"""A toolstack that was built beforehand: taken out of its tree, brought into a machine.

It stands in dist/install of a tree, laid out as below the machine's root.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Iterator

from xentest import tool
from xentest.errors import BrokenError

STAGE = Path("dist/install")
PARTS = ("etc", "usr", "var")
SCRIPTS = Path("etc/xen/scripts")
STRIP_LIMIT = 60.0
# What only a compiler, a debugger or Xen's own developers want.
UNWANTED = re.compile(r".*\.a|(.*/)?(include|pkgconfig|debug|__pycache__|xen/tests)(/.*)?")


def are_brought(tree: Path) -> bool:
    """Whether this is a tarball of xentest.prebuilt that brings the tree's toolstack."""
    return (tree / "REVISION").is_file() and (tree / STAGE / "usr").is_dir()


def collect(tree: Path, target: Path) -> None:
    """Copy what a running machine needs of the tree's stage to `target`'s, without symbols."""
    for path in _entries(tree / STAGE):
        copy = target / STAGE / path.relative_to(tree / STAGE)
        if path.is_dir() and not path.is_symlink():
            copy.mkdir(parents=True, exist_ok=True)
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(_inside(os.readlink(path), path.relative_to(tree / STAGE)))
            continue
        shutil.copy2(path, copy)
        if _is_elf(copy):
            tool.run(["strip", "--strip-unneeded", str(copy)], timeout=STRIP_LIMIT)


def _inside(target: str, place: Path) -> str:
    """A link's target without the machine's root in it: no archive may have such a link."""
    return os.path.relpath(target, f"/{place.parent}") if target.startswith("/") else target


def _entries(stage: Path) -> Iterator[Path]:
    """All that is to be installed, folders before what is in them."""
    for part in PARTS:
        for path in sorted((stage / part).rglob("*")):
            if not UNWANTED.fullmatch(path.relative_to(stage).as_posix()):
                yield path


def _is_elf(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(4) == b"\x7fELF"


def install(tree: Path, root: Path, log: Path) -> None:
    """Bring the tree's stage into the machine, file by file whole or not; `log` names each.

    Settings that stand in /etc stay as they are. Xen's scripts there are a part of the tools.
    """
    stage = tree / STAGE
    if not any(stage.glob("usr/**/sbin/xl")):
        raise BrokenError(
            f"the tree's own tools are asked for, and it brings none (no {STAGE}/usr/.../sbin/xl)",
            "Make it by `python3 -m xentest.prebuilt --tools`, or take NAME.tools=yes out.",
        )
    with open(log, "w", encoding="utf-8", errors="surrogateescape") as words:
        for path in _entries(stage):
            place = path.relative_to(stage)
            target = root / place
            if path.is_dir() and not path.is_symlink():
                target.mkdir(parents=True, exist_ok=True)
            elif (
                place.parts[0] == "etc" and SCRIPTS not in place.parents and os.path.lexists(target)
            ):
                print(f"kept {target}", file=words)
            else:
                _replace(path, target)
                print(f"installed {target}", file=words)
    os.sync()


def _replace(source: Path, target: Path) -> None:
    """By a new file under the old name: a program that runs cannot be written to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.xentest")
    fresh.unlink(missing_ok=True)
    try:
        shutil.copy2(source, fresh, follow_symlinks=False)
        os.rename(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)

"""The machine's initial RAM disk: busybox, a few kernel modules, one script."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from xentest.errors import BrokenError


# How a signed module ends: the signature, what it is (its length comes last), and this.
SIGNED = b"~Module signature appended~\n"
SIGNATURE_FACTS = struct.Struct(">8xI")


def prune_modules(root: Path, release: str, wanted: list[str]) -> None:
    """Keep only the wanted kernel modules, unsigned, and what they depend on.

    An emulated processor takes long to check a signature, and nobody asks for one.
    """
    modules = root / "lib/modules" / release
    keep = _closure(modules, [line.split()[0] for line in wanted])
    for path in (modules / "kernel").rglob("*.ko*"):
        if path.relative_to(modules).as_posix() in keep:
            path.write_bytes(without_signature(path.read_bytes()))
        else:
            path.unlink()
    _depmod(root, release)


def without_signature(module: bytes) -> bytes:
    """The module as it was before it was signed; one without a signature stays as it is."""
    if not module.endswith(SIGNED):
        return module
    facts = len(module) - len(SIGNED) - SIGNATURE_FACTS.size
    (length,) = SIGNATURE_FACTS.unpack_from(module, facts)
    return module[: facts - length]


def make(root: Path, release: str, wanted: list[str], mark: str, init: str) -> bytes:
    """A RAM disk, a plain cpio archive: busybox, the modules that have this mark, `init`."""
    names = [line.split()[0] for line in wanted if mark in line.split()[1:]]
    modules = root / "lib/modules" / release
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        tree = Path(folder)
        for name in ("bin", "proc", "sys", "dev", "root", "lower", "upper"):
            (tree / name).mkdir()
        shutil.copy(_busybox(root), tree / "bin/busybox")
        for applet in _APPLETS:
            (tree / "bin" / applet).symlink_to("busybox")
        for path in _closure(modules, names):
            target = tree / "lib/modules" / release / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(modules / path, target)
        for index in ("modules.builtin", "modules.order"):
            shutil.copy(modules / index, tree / "lib/modules" / release / index)
        _depmod(tree, release)
        (tree / "modules").write_text("\n".join(names) + "\n")
        (tree / "init").write_text(init)
        (tree / "init").chmod(0o755)
        return _cpio(tree)


_APPLETS = (
    "sh mount umount modprobe sed grep cat mkdir tar sync usleep poweroff switch_root".split()
)


def _busybox(root: Path) -> Path:
    for place in ("bin/busybox", "usr/bin/busybox"):
        if (root / place).is_file():
            return root / place
    raise BrokenError(
        "the machine's packages brought no busybox", "Add busybox-static to lab/files/packages."
    )


def _closure(modules: Path, names: list[str]) -> set[str]:
    """Paths (relative to the modules folder) of modules and all they depend on."""
    needs: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        by_name[Path(path).name.split(".ko")[0].replace("-", "_")] = path
    keep: set[str] = set()
    for name in names:
        path = by_name.get(name.replace("-", "_"), "")
        if path:  # else it is built in, or this kernel has none of it
            keep.update([path, *needs[path]])
    return keep


def _depmod(root: Path, release: str) -> None:
    subprocess.run(["depmod", "-b", str(root), release], check=True, capture_output=True)


def _cpio(tree: Path) -> bytes:
    paths = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*"))
    answer = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "--reproducible"],
        cwd=tree, input=os.fsencode("\n".join(paths) + "\n"), capture_output=True, check=True,
    )  # fmt: skip
    return answer.stdout

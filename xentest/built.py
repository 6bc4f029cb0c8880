"""The hypervisor that a build made: found, described, installed."""

from __future__ import annotations

import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional

from xentest import buildid, durable
from xentest.errors import ADVICE, EXIT_FAILED, BrokenError, XentestError

INSTALLED_NAME = "xen-xentest.gz"
PLACES = ("dist/install/boot/xen*.gz", "boot/xen*.gz", "xen/xen.gz", "xen/xen")
MULTIBOOT2 = 0xE85250D6
MULTIBOOT2_WITHIN = 32768


class BuildFailed(XentestError):
    """The tree does not build: its own fault. `log` holds what the build said."""

    exit_status = EXIT_FAILED

    def __init__(self, reason: str, log: Optional[Path] = None) -> None:
        super().__init__(f"the tree does not build: {reason}", f"The log: {log}" if log else "")
        self.reason = reason
        self.log = log


@dataclass(frozen=True)
class Built:
    """A hypervisor that was built, and what it was built from."""

    hypervisor: Path  # xen.gz or xen
    build_id: str
    version: str
    revision: str
    compiler: str


def marks(tree: Path) -> dict[Path, object]:
    """What stands where hypervisors stand, each file with what tells a new one from it.

    Not by the clock, which may be wrong, here and where the tree was packed.
    """
    found: dict[Path, object] = {}
    for place in PLACES:
        for path in tree.glob(place):
            if path.is_file() and path.resolve().is_relative_to(tree.resolve()):
                state = path.resolve().stat()
                mark = state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size
                found[path.resolve()] = mark
    return found


def find_built(tree: Path, *, before: Optional[Mapping[Path, object]] = None) -> Built:
    """Find the hypervisor in a built or prebuilt tree. Raises BuildFailed.

    An image that is one of those `before` does not count: the build did not make it.
    """
    there = marks(tree)
    fresh = {path for path, mark in there.items() if (before or {}).get(path) != mark}
    for place in PLACES:
        images = sorted({path.resolve() for path in tree.glob(place)} & fresh)
        images = [path for path in images if is_hypervisor(path)]
        if len(images) > 1:
            names = ", ".join(str(path.relative_to(tree.resolve())) for path in images)
            raise BuildFailed(f"which of these is the hypervisor? {names}")
        if images:
            return _describe(tree, images[0])
    places = ", ".join(PLACES)
    age = " that this build made" if before is not None else ""
    raise BuildFailed(f"no hypervisor{age} is in {tree} (looked for {places})")


def is_hypervisor(image: Path) -> bool:
    """True for an undamaged Xen image (gzipped or plain) that multiboot2 can load."""
    try:
        return _has_multiboot2(buildid.read_image(image))
    except BrokenError:
        return False


def _has_multiboot2(content: bytes) -> bool:
    if content[:4] != b"\x7fELF":
        return False
    for offset in range(0, min(len(content) - 16, MULTIBOOT2_WITHIN), 8):
        words = struct.unpack_from("<IIII", content, offset)
        if words[0] == MULTIBOOT2 and sum(words) & 0xFFFFFFFF == 0:
            return True
    return False


def _describe(tree: Path, image: Path) -> Built:
    told = _told(tree / "REVISION")
    header = _text(tree / "xen/include/xen/compile.h") or _text(
        tree / "xen/include/generated/compile.h"
    )
    return Built(
        hypervisor=image,
        build_id=buildid.of_hypervisor(image),
        version=told.get("version") or _version(header),
        revision=told.get("revision") or _text(tree / ".scmversion").strip(),
        compiler=told.get("compiler") or _defined(header, "XEN_COMPILER"),
    )


def _told(path: Path) -> dict[str, str]:
    """What a prebuilt tree says of itself."""
    try:
        value = json.loads(_text(path))
    except ValueError:
        return {}
    known = ("version", "revision", "compiler")
    if not isinstance(value, dict):
        return {}
    return {key: value[key] for key in known if isinstance(value.get(key), str)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _defined(header: str, name: str) -> str:
    match = re.search(rf'^#define\s+{name}\s+"?(.*?)"?\s*$', header, re.MULTILINE)
    return match[1] if match else ""


def _version(header: str) -> str:
    numbers = [_defined(header, name) for name in ("XEN_VERSION", "XEN_SUBVERSION")]
    if not all(numbers):
        return ""
    return ".".join(numbers) + _defined(header, "XEN_EXTRAVERSION")


def install(built: Built, boot_folder: Path) -> Path:
    """Put the hypervisor into the boot folder, durably, and look at it again there."""
    content = built.hypervisor.read_bytes()
    if content[:2] != b"\x1f\x8b":
        import gzip

        content = gzip.compress(content, mtime=0)
    if not is_hypervisor(built.hypervisor):
        raise BrokenError(
            f"{built.hypervisor} is no Xen that a boot loader can start",
            "It is damaged, or has no multiboot2 header. Build it again.",
        )
    target = boot_folder / INSTALLED_NAME
    try:
        durable.write_bytes(target, content)
        os.chmod(target, 0o644)
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "Look what stands there.")
        raise BrokenError(f"cannot write {target}: {error.strerror}", advice) from None
    found = buildid.of_hypervisor(target)
    if found != built.build_id or not is_hypervisor(target):
        raise BrokenError(
            f"{target} has the build id {found or 'none'}, not {built.build_id or 'none'}",
            "The copy went wrong: look at the disk under /boot.",
        )
    return target

"""Will GRUB boot the new hypervisor, once and not twice?"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Iterator

from xentest import boot, tool
from xentest.errors import BrokenError
from xentest.readiness import Ask, Finding

TOOLS = ("grub-reboot", "grub-editenv", "grub-probe", "grub-mkrelpath")
# Where GRUB reads, but writes nothing: its own /etc/grub.d/00_header has these lists.
NOT_WRITTEN_THROUGH = ("diskfilter", "lvm")
NOT_WRITTEN_TO = ("btrfs", "cpiofs", "newc", "odc", "romfs", "squash4", "tarfs", "zfs")
OTHER_CONFIG = re.compile(r"^\s*(configfile|source|\.)\s+(?!.*custom\.cfg)", re.MULTILINE)
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def look(ask: Ask) -> Iterator[Finding]:
    """Nothing to say where no hypervisor is to be booted."""
    if ask.hypervisor != "xen":
        return
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        yield Finding(
            f"no {' and no '.join(missing)} in PATH, to boot into the hypervisor with",
            "apt-get install grub2-common; they are in /usr/sbin and /usr/bin: is it in PATH?",
        )
    for check in (boot.check_custom, *([] if missing else [boot.check_entry])):
        try:
            check(ask.paths)
        except BrokenError as error:
            yield Finding(error.what, error.advice)
    folder = ask.paths.boot / "grub"
    if folder.is_dir():
        yield from _config(folder / "grub.cfg")
        yield from _choice(folder) if not missing else ()
    yield from _secure_boot(ask.paths.root)


def _config(config: Path) -> Iterator[Finding]:
    """GRUB's own configuration must take a choice for one boot, and read custom.cfg."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        yield Finding(f"{config} cannot be read: {error.strerror}", "GRUB boots by it: update-grub")
        return
    for word, means in (
        ("next_entry", "takes no choice for one boot (next_entry)"),
        ("custom.cfg", "does not read custom.cfg, where the new hypervisor's entry will be"),
    ):
        if word not in text:
            yield Finding(
                f"{config} {means}",
                "The machine would come back on its default entry. Have update-grub write it "
                "(with 00_header and 41_custom in /etc/grub.d).",
                certain=not OTHER_CONFIG.search(text),
            )


def _choice(folder: Path) -> Iterator[Finding]:
    """A choice that GRUB cannot take back is made again at every boot."""
    abstractions = _probe(folder, "abstraction")
    kind = next((word for word in abstractions if word in NOT_WRITTEN_THROUGH), "")
    kind = kind or next((word for word in _probe(folder, "fs") if word in NOT_WRITTEN_TO), "")
    if kind:
        yield Finding(
            f"{folder} is on {kind}, where GRUB cannot write",
            "Its choice for one boot would hold for every boot, and a hypervisor that does not "
            "come up would keep the machine. Put /boot on a plain partition (ext4, say).",
        )
    elif not (folder / "grubenv").is_file():
        yield Finding(
            f"there is no {folder}/grubenv, which holds GRUB's choice for one boot",
            f"grub-editenv {folder}/grubenv create",
            certain=False,  # grub-reboot makes it
        )


def _probe(folder: Path, target: str) -> list[str]:
    said = tool.run(["grub-probe", f"--target={target}", str(folder)], timeout=boot.TOOL_LIMIT)
    return [] if said.status else said.text.split()


def _secure_boot(root: Path) -> Iterator[Finding]:
    try:
        enabled = (root / SECURE_BOOT).read_bytes()[4:5] == b"\1"  # after the attributes
    except OSError:
        return
    if enabled:
        yield Finding(
            "Secure Boot is on",
            "A GRUB that Secure Boot started boots no hypervisor that nobody signed: "
            "turn it off in the firmware's setup.",
            certain=False,
        )

"""Payloads in the lab's machine, alone or in a guest of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights

HERE = Path(__file__).parent
SOURCED = [HERE / name for name in ("ramdisk.sh", "guest-console.sh", "libvirtd.sh")]
GUESTS = [*SOURCED, *HERE.glob("in-*-guest.sh")]
# What libvirtd.sh needs of this machine's libvirt.
LIBVIRT = [
    "/usr/sbin/libvirtd", "/usr/bin/virsh", "/usr/lib/libvirt/libvirt_iohelper",
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/share/libvirt/cpu_map",
]  # fmt: skip
WORDS = ("passed", "FAILED", "skipped", "ERROR")


def build(name: str) -> Path:
    """The program of payloads/NAME."""
    folder = nights.SOURCE / "payloads" / name
    subprocess.run(["make", "-s", "-C", str(folder)], check=True, capture_output=True)
    return folder / "build" / name


def execute(
    command: str, *files: Path, on: str = "xen", options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """A shell command in the control domain, or without Xen, beside files and guests' scripts."""
    handed = [word for file in (*files, *GUESTS) for word in ("--file", str(file))]
    words = ["--on", on, "--timeout", "800", *options, *handed, "--", "sh", "-c", command]
    return nights.execute(*words)


def bundle(archive: Path, *files: str) -> Path:
    """A tar of programs of this machine, with the libraries they need, for one like it."""
    said = subprocess.run(["ldd", *files], capture_output=True, text=True)  # 1 if one is no program
    libraries = {word for word in said.stdout.split() if word.startswith("/") and word[-1] != ":"}
    names = [name.lstrip("/") for name in sorted({*files, *libraries})]
    subprocess.run(["tar", "-C", "/", "--zstd", "-chf", str(archive), *names], check=True)
    return archive


def verdicts(output: str) -> dict[str, str]:
    """The word behind each name in sentences."""
    found = {}
    for line in output.splitlines():
        name, _, rest = line.partition(": ")
        word = rest.split(":")[0]
        if word in WORDS:
            found[name] = word
    return found

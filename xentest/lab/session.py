"""One command on the booted machine: the short way for tests of payloads.

The machine is booted directly (no BIOS, no GRUB) and kept as a snapshot, from which the
next command starts within seconds.  Never the way of a night.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Optional, Sequence

from xentest.errors import BrokenError, UsageError
from xentest.lab import agent, image, machine, supplies
from xentest.progress import Progress

SNAPSHOT = "booted"
KINDS = ("xen", "kvm")
XEN_OPTIONS = (
    "console=com1 com1=115200,8n1 dom0_mem=768M,max:768M loglvl=all guest_loglvl=all bootscrub=0 "
    "sched_ratelimit_us=10000"
)
KVM_OPTIONS = "console=ttyS0,115200"
LINUX_OPTIONS = (
    "root=/dev/vda xenlab.hostname=dom0 xenlab.install=/dev/vdc loglevel=5 mitigations=off "
    "cryptomgr.notests swiotlb=8192"
)


@dataclass(frozen=True)
class Order:
    """What `xenlab exec` was asked for."""

    cache: Path
    kind: str = "xen"  # xen: a control domain; kvm: the same machine without Xen
    hypervisor: Optional[Path] = None
    files: Sequence[Path] = ()
    timeout: float = 600.0
    fresh: bool = False  # boot, rather than continue from the snapshot


def run(order: Order, command: Sequence[str], output: BinaryIO, progress: Progress) -> int:
    """Run `command` on the machine, its output as it comes; its exit status."""
    content = _tar(order.files)
    folder = machine.folder_for(order.cache / "machines", "exec")
    try:
        running = _booted(order, folder, progress)
        try:
            with agent.connect(running) as inside:
                inside.wait_until_up()
                inside.send(b"F", content)
                request = {"command": list(command), "seconds": order.timeout}
                inside.send(b"R", json.dumps(request).encode())
                return _follow(inside, output, order.timeout)
        finally:
            running.switch_off()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shell(order: Order, progress: Progress) -> int:
    """A shell on the machine, on this terminal; `poweroff` or its end ends the machine."""
    import subprocess

    folder = machine.folder_for(order.cache / "machines", "shell")
    try:
        made = _machine(order, folder, progress, more="xenlab.shell")
        machine.make_overlay(made.disk, made.base)
        words = machine.command_line(made)
        at = words.index("-serial")
        words[at - 1 : at + 2] = ["stdio,id=console,signal=off", "-serial", "chardev:console"]
        return subprocess.call(words)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _machine(order: Order, folder: Path, progress: Progress, more: str = "") -> machine.Machine:
    made = image.ensure(order.cache / "images", progress)
    install, tarball = folder / "install.tar", None
    linux = f"{LINUX_OPTIONS} {more}".strip()
    if order.kind == "xen":
        tarball = order.hypervisor or supplies.build_hypervisor(order.cache, progress)
        supplies.hypervisor_in(tarball, folder / "xen")
        direct = ("-kernel", str(folder / "xen"), "-append", XEN_OPTIONS, "-initrd",
                  f"{made.kernel} console=hvc0 {linux},{made.initrd}")  # fmt: skip
    else:
        direct = ("-kernel", str(made.kernel), "-append", f"{KVM_OPTIONS} {linux}",
                  "-initrd", str(made.initrd))  # fmt: skip
    supplies.make_install_tar(install, hypervisor=tarball)
    return machine.Machine(
        folder=folder, disk=folder / "disk.qcow2", base=made.disk, install=install,
        console=folder / "console.log", direct=direct, agent=True,
        cpus=machine.CPUS if order.kind == "xen" else machine.CPUS_OF_KVM_HOST,
        oversleeps=order.kind == "kvm",
    )  # fmt: skip


def _booted(order: Order, folder: Path, progress: Progress) -> machine.Running:
    """The machine, up: from the snapshot if there is one of just these parts."""
    made = _machine(order, folder, progress)
    kept = order.cache / "snapshots" / _key(made, order)
    if kept.with_suffix(".qcow2").exists() and not order.fresh:
        if _is_whole(kept):
            shutil.copy(kept.with_suffix(".qcow2"), made.disk)
            return machine.switch_on(replace(made, snapshot=SNAPSHOT))
        progress.say(f"the snapshot {kept} is damaged; booting instead")
    machine.make_overlay(made.disk, made.base)
    with progress.step("boot the machine"):
        running = machine.switch_on(made)
        try:
            with agent.connect(running) as inside:
                inside.wait_until_up()
            if not order.fresh:
                _keep_snapshot(running, kept)
        except BaseException:
            _say_console(made, progress)
            running.switch_off()
            raise
    return running


def _say_console(made: machine.Machine, progress: Progress) -> None:
    from xentest import boot

    if made.console.exists():
        progress.say(boot.last_lines(made.console.read_text(errors="replace")))


def _key(made: machine.Machine, order: Order) -> str:
    digest = hashlib.sha256(f"{order.kind} {made.base} {made.memory_mib} {made.cpus}".encode())
    for path in (made.install, made.folder / "xen"):
        digest.update(path.read_bytes() if path.exists() else b"")
    options = (XEN_OPTIONS, KVM_OPTIONS, LINUX_OPTIONS)
    digest.update(repr((options, Path(machine.__file__).read_bytes())).encode())
    return digest.hexdigest()[:16]


def _is_whole(kept: Path) -> bool:
    try:
        noted = kept.with_suffix(".digest").read_text().strip()
    except OSError:
        return False
    return noted == image.digest_of(kept.with_suffix(".qcow2"))


def _keep_snapshot(running: machine.Running, kept: Path) -> None:
    """Save the machine as it is; the disk's copy is made while it stands still."""
    running.command("stop")
    said = running.command("human-monitor-command", **{"command-line": f"savevm {SNAPSHOT}"})
    if said:
        raise BrokenError(f"the emulator made no snapshot: {said.strip()}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in kept.parent.glob("*"):  # of other parts: they will not be used again
        if time.time() - old.stat().st_mtime > 86400:
            old.unlink()
    part = kept.with_suffix(f".{os.getpid()}.part")
    shutil.copy(running.machine.disk, part)
    digest = image.digest_of(part)
    os.rename(part, kept.with_suffix(".qcow2"))
    kept.with_suffix(".digest").write_text(digest + "\n")
    running.command("cont")


def _tar(files: Sequence[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in files:
            if not path.exists():
                raise UsageError(f"--file {path}: there is no such file")
            archive.add(path, path.name)
    return buffer.getvalue()


def _follow(inside: agent.Agent, output: BinaryIO, timeout: float) -> int:
    end = time.monotonic() + timeout + 30
    try:
        while True:
            kind, payload = inside.receive(max(0.1, end - time.monotonic()))
            if kind == b"O":
                output.write(payload)
                output.flush()
            elif kind == b"S":
                return _status(json.loads(payload), timeout)
    except OSError as error:
        raise BrokenError(f"the machine went away under the command: {error}") from None


def _status(answer: dict[str, object], timeout: float) -> int:
    if "error" in answer:
        raise BrokenError(f"on the machine: {answer['error']}")
    if answer.get("timed_out"):
        raise BrokenError(f"the command did not end within {timeout:g} s and was killed")
    status = int(str(answer["status"]))
    return status if status >= 0 else 128 - status

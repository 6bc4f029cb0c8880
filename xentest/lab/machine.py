"""The emulated machine: one QEMU process, its disks, serial console, watchdog, shared folders."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional

from xentest.errors import BrokenError
from xentest.process import end_with

QMP_LIMIT = 30.0
KEPT = "kept"  # this file in a machine's folder says that somebody wants to look at it
# With SMAP a control domain dies in its first page fault under TCG.  With XSAVE, registers get
# lost when Xen switches between domains: programs crash, texts change (seen with QEMU 7.2).
# Without ERMS Linux clears a page by words, not by bytes, each of which the emulator makes anew;
# without FSGSBASE it reads and writes a register that Xen emulates at each switch of threads.
EMULATED_CPU = "max,-smap,-smep,-xsave,-avx,-avx2,-erms,-fsgsbase"
CPUS = 2
# Two would oversleep (see `Running.nudge`), and an interrupt comes to one of them only.
CPUS_OF_KVM_HOST = 1
NUDGE_SECONDS = 0.25


@dataclass(frozen=True)
class Machine:
    """What the machine is made of."""

    folder: Path  # of this machine alone: sockets, overlay disk, QEMU's own words
    disk: Path  # qcow2, written to
    base: Path  # raw, read only: the guests' root
    install: Path  # a plain tar: what is unpacked onto the root at the first boot
    console: Path  # the serial console is appended here
    medium: Optional[Path] = None  # boots from it through BIOS and GRUB
    direct: tuple[str, ...] = ()  # else: QEMU's own -kernel, -append, -initrd
    shares: tuple[tuple[str, Path, bool], ...] = ()  # tag, folder, read only
    agent: bool = False
    memory_mib: int = 2560
    cpus: int = CPUS
    accelerator: str = "tcg"
    oversleeps: bool = False  # an emulated host of KVM guests: it has to be nudged
    snapshot: str = ""  # continue from it instead of booting


@dataclass
class Running:
    """A machine that was switched on."""

    machine: Machine
    process: "subprocess.Popen[bytes]"
    _qmp: Optional[socket.socket] = None
    _received: bytearray = field(default_factory=bytearray)
    resets: int = 0
    _nudged: float = 0.0

    def alive(self) -> bool:
        """False once the emulator is gone, for whatever reason."""
        return self.process.poll() is None

    def reset(self) -> None:
        """The reset button."""
        self.command("system_reset")

    def command(self, name: str, **arguments: Any) -> Any:
        """One QMP command; its answer."""
        if self._qmp is None:
            self._qmp = connect(self.machine.folder / "qmp", self.process)
            self.command("qmp_capabilities")
        message: dict[str, Any] = {
            "execute": name,
            **({"arguments": arguments} if arguments else {}),
        }
        try:
            self._qmp.sendall(json.dumps(message).encode() + b"\n")
            return self._answer(name)
        except OSError as error:
            raise BrokenError(f"the emulator does not answer to {name}: {error}") from None

    def nudge(self) -> None:
        """Interrupt a machine that oversleeps; called again and again, it does so now and then.

        QEMU 7.2 emulates VMRUN without the lock under which a timer asks for its interrupt: they
        change the same word, and the request may be lost.  The next interrupt brings both.  But
        while a guest spins there is none: its host waits for the timer, and it for its host.
        A key without a meaning is an interrupt from outside.
        """
        now = time.monotonic()
        if not self.machine.oversleeps or now - self._nudged < NUDGE_SECONDS:
            return
        self._nudged = now
        with suppress(BrokenError):  # whoever watches the machine sees that it is gone
            self.command("send-key", keys=[{"type": "qcode", "data": "ctrl"}])

    def _answer(self, name: str) -> Any:
        assert self._qmp is not None
        end = time.monotonic() + QMP_LIMIT * (10 if name == "human-monitor-command" else 1)
        while time.monotonic() < end:
            for value in self._messages(end - time.monotonic()):
                if "return" in value:
                    return value["return"]
                if "error" in value:
                    raise BrokenError(f"the emulator refused {name}: {value['error'].get('desc')}")
        raise BrokenError(f"the emulator gave no answer to {name}")

    def _messages(self, limit: float) -> list[dict[str, Any]]:
        """What arrived within `limit` seconds; reset events are counted on the way."""
        assert self._qmp is not None
        self._qmp.settimeout(max(limit, 0.001))
        try:
            chunk = self._qmp.recv(1 << 16)
        except (TimeoutError, BlockingIOError):
            return []
        if not chunk:
            raise OSError("it closed the connection")
        self._received += chunk
        *lines, rest = bytes(self._received).split(b"\n")
        self._received = bytearray(rest)
        values = [json.loads(line) for line in lines if line.strip()]
        self.resets += sum(value.get("event") == "RESET" for value in values)
        return values

    def poll_events(self) -> int:
        """How often the machine was reset since it was switched on."""
        try:
            if self._qmp is None:
                self.command("query-status")
            self._messages(0)
        except (OSError, BrokenError):
            pass
        return self.resets

    def switch_off(self) -> None:
        """End the emulator; what the machine had written to its disk is there."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(QMP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._qmp is not None:
            self._qmp.close()

    def last_words(self) -> str:
        """What the emulator itself said, if anything."""
        try:
            return (self.machine.folder / "qemu.log").read_text(errors="replace").strip()[-2000:]
        except OSError:
            return ""


def make_overlay(disk: Path, base: Path) -> None:
    """A disk that keeps its changes apart from `base`."""
    made = subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
         "-b", str(base.resolve()), str(disk)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise BrokenError(
            f"qemu-img cannot make {disk}: {made.stderr.strip()}", "Is the disk full?"
        )


def switch_on(machine: Machine) -> Running:
    """Start the emulator. It ends with us: also when we are killed."""
    machine.folder.mkdir(parents=True, exist_ok=True)
    (machine.folder / "qmp").unlink(missing_ok=True)
    (machine.folder / "agent").unlink(missing_ok=True)
    if not shutil.which("qemu-system-x86_64"):
        raise BrokenError("qemu-system-x86_64 is not installed", "Run `make deps`.")
    log = open(machine.folder / "qemu.log", "ab")
    with log:
        process = subprocess.Popen(
            command_line(machine), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=partial(end_with, os.getpid()),
        )  # fmt: skip
    return Running(machine, process)


def command_line(machine: Machine) -> list[str]:
    """QEMU's command line."""
    cpu = EMULATED_CPU if machine.accelerator == "tcg" else "host"
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
               "-machine", "q35", "-accel", _accelerator(machine), "-cpu", cpu,
               "-m", str(machine.memory_mib), "-smp", str(machine.cpus),
               "-qmp", f"unix:{machine.folder}/qmp,server=on,wait=off",
               "-chardev", f"file,id=console,path={machine.console},append=on",
               "-serial", "chardev:console",
               "-device", "i6300esb", "-action", "watchdog=reset",
               "-device", "virtio-rng-pci"]  # fmt: skip
    disks = (
        (machine.disk, "qcow2", "cache=writeback"),
        (machine.base, "raw", "readonly=on"),
        (machine.install, "raw", "readonly=on"),
    )
    for path, kind, more in disks:
        command += ["-drive", f"file={path},format={kind},if=virtio,{more}"]
    if machine.medium:
        command += [
            "-boot",
            "d",
            "-drive",
            f"file={machine.medium},format=raw,media=cdrom,readonly=on",
        ]
    command += machine.direct
    for tag, folder, read_only in machine.shares:
        mode = ",readonly=on" if read_only else ""
        command += ["-fsdev", f"local,id={tag},path={folder},security_model=none{mode}",
                    "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]  # fmt: skip
    if machine.agent:
        command += ["-device", "virtio-serial-pci",
                    "-chardev", f"socket,id=agent,path={machine.folder}/agent,server=on,wait=off",
                    "-device", "virtserialport,chardev=agent,name=xenlab.agent"]  # fmt: skip
    if machine.snapshot:
        command += ["-loadvm", machine.snapshot]
    return command


def _accelerator(machine: Machine) -> str:
    return "tcg,thread=multi" if machine.accelerator == "tcg" else machine.accelerator


def connect(path: Path, process: "subprocess.Popen[bytes]") -> socket.socket:
    """Connect to a socket of the emulator, as soon as it is there."""
    connection = socket.socket(socket.AF_UNIX)

    def attempt() -> bool:
        try:
            connection.connect(str(path))
            return True
        except OSError:
            return False

    try:
        wait_until(
            attempt, "the emulator's socket", QMP_LIMIT, give_up=lambda: process.poll() is not None
        )
    except BaseException:
        connection.close()
        raise
    return connection


def wait_until(
    condition: Callable[[], bool],
    what: str,
    limit: float,
    *,
    give_up: Callable[[], bool] = lambda: False,
    every: float = 0.05,
) -> None:
    """Wait for a condition, not for a time; BrokenError names what did not happen."""
    end = time.monotonic() + limit
    while not condition():
        if give_up():
            raise BrokenError(f"{what}: the emulated machine ended")
        if time.monotonic() > end:
            raise BrokenError(f"{what} did not happen within {limit:g} s")
        time.sleep(every)


def folder_for(state: Path, kind: str) -> Path:
    """A fresh folder for one machine; those of a xenlab that was killed are removed."""
    folder = state / f"{kind}-{os.getpid()}"
    for old in state.glob("*-*"):
        if old == folder or not (is_in_use(old) or (old / KEPT).exists()):
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def is_in_use(folder: Path) -> bool:
    """Whether the process that made this machine's folder still runs."""
    pid = folder.name.rpartition("-")[2]
    return pid.isdigit() and Path(f"/proc/{pid}").exists()

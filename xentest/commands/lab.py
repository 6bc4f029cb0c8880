"""xenlab: the spare machine in a box."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Sequence

from xentest import VERSION, control
from xentest.errors import EXIT_OK, UsageError
from xentest.progress import Progress

CACHE = "/var/cache/xentest"
LEAST_MEMORY = 1024  # MiB: less holds no hypervisor with its control domain
EPILOG = """exit status of run: 0 all well, 1 something failed, 2 usage or control file, 3 broken;
of exec: that of the command (3 when the machine or the command could not be started)"""


def parser() -> argparse.ArgumentParser:
    """The command line of xenlab."""
    result = argparse.ArgumentParser(
        prog="xenlab",
        description="A spare machine in a box: emulated, with BIOS, GRUB, disk, serial console "
        "and watchdog, in which xenbuild and all that follows run as they do on metal.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--version", action="version", version=f"xenlab {VERSION}")
    result.add_argument("--debug", action="store_true", help="show where an error came from")
    result.add_argument("--cache", type=_folder, default=os.environ.get("XENLAB_CACHE") or CACHE,
                        help="images, hypervisors, snapshots (%(default)s)")  # fmt: skip
    commands = result.add_subparsers(dest="action", required=True, metavar="ACTION")
    night = commands.add_parser("run", help="a whole night of a control file")
    night.add_argument("control", metavar="CONTROL")
    night.add_argument("--results", type=Path, default=Path("results"), help="(%(default)s)")
    night.add_argument("--memory", type=_memory, default=2560, metavar="MIB", help="(%(default)s)")
    night.add_argument(
        "--accelerator",
        choices=("tcg", "kvm"),
        default="tcg",
        help="kvm is taken only where a short boot shows that it works (%(default)s)",
    )
    night.add_argument("--keep", action="store_true", help="keep the machine's disk and console")
    once = commands.add_parser("exec", help="one command on the booted machine")
    once.add_argument("--timeout", type=_seconds, default=600.0, help="seconds (%(default)s)")
    once.add_argument("--fresh", action="store_true", help="boot, take no snapshot")
    once.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    shell = commands.add_parser("shell", help="a shell on the booted machine")
    for command in (once, shell):
        command.add_argument("--on", choices=("xen", "kvm"), default="xen",
                             help="the control domain, or the machine without Xen")  # fmt: skip
    for command in (night, once, shell):
        command.add_argument("--hypervisor", type=Path, metavar="TARBALL",
                             help="made by xentest.prebuilt; else Debian's Xen")  # fmt: skip
    for command in (night, once):
        command.add_argument("--file", type=Path, action="append", default=[], dest="files",
                             help="hand this file in")  # fmt: skip
    commands.add_parser("console", help="follow the console of the machine that runs")
    commands.add_parser("list", help="machines and what the cache holds")
    commands.add_parser("clean", help="remove what the cache holds")
    return result


def _folder(text: str) -> Path:
    if not text:  # it would be the folder that we stand in, whose images `clean` would remove
        raise argparse.ArgumentTypeError("it names no folder")
    return Path(text)


def _memory(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from {LEAST_MEMORY} on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return seconds


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    asked = parser().parse_args(argv)
    if (
        asked.action in ("run", "exec", "shell")
        and asked.hypervisor
        and not asked.hypervisor.is_file()
    ):
        raise UsageError(f"--hypervisor {asked.hypervisor}: there is no such file")
    for path in getattr(asked, "files", ()):
        if not path.is_file():
            raise UsageError(f"--file {path}: there is no such file")
    return {"run": _run, "exec": _exec, "shell": _shell, "console": _console, "list": _list,
            "clean": _clean}[asked.action](asked)  # fmt: skip


def _run(asked: argparse.Namespace) -> int:
    from xentest.lab import night

    order = night.Order(
        control=control.load(asked.control, ask_shell=True), cache=asked.cache.absolute(),
        results=asked.results.absolute(), hypervisor=asked.hypervisor, files=asked.files,
        accelerator=asked.accelerator, memory_mib=asked.memory, keep=asked.keep,
    )  # fmt: skip
    return night.run(order, Progress())


def _exec(asked: argparse.Namespace) -> int:
    from xentest.lab import session

    order = session.Order(
        cache=asked.cache.absolute(), kind=asked.on, hypervisor=asked.hypervisor,
        files=asked.files, timeout=asked.timeout, fresh=asked.fresh,
    )  # fmt: skip
    return session.run(order, asked.command, sys.stdout.buffer, Progress())


def _shell(asked: argparse.Namespace) -> int:
    from xentest.lab import session

    order = session.Order(cache=asked.cache.absolute(), kind=asked.on, hypervisor=asked.hypervisor)
    return session.shell(order, Progress())


def _machines(cache: Path) -> list[Path]:
    """The folders of machines whose process still runs, newest first."""
    from xentest.lab.machine import is_in_use

    found = [path for path in (cache / "machines").glob("*-*") if is_in_use(path)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _console(asked: argparse.Namespace) -> int:
    for folder in _machines(asked.cache):
        for console in (folder / "in/console.log", folder / "console.log"):
            if console.exists():
                os.execvp("tail", ["tail", "-n", "50", "-F", str(console)])
    raise UsageError("no machine of the lab runs", "Start one: xenlab run CONTROL")


def _list(asked: argparse.Namespace) -> int:
    for folder in _machines(asked.cache):
        print(f"machine     {folder}")
    for kind in ("images", "hypervisors", "snapshots"):
        for path in sorted((asked.cache / kind).glob("[!.]*")):
            size = sum(f.stat().st_blocks * 512 for f in (path, *path.rglob("*")) if f.is_file())
            print(f"{kind[:-1]:<11} {path}  {size >> 20} MiB")
    return EXIT_OK


def _clean(asked: argparse.Namespace) -> int:
    running = _machines(asked.cache)
    if running:
        raise UsageError(f"{len(running)} machines still run: {running[0]}", "End them first.")
    for kind in ("machines", "images", "hypervisors", "snapshots"):
        if os.path.lexists(asked.cache / kind):
            shutil.rmtree(asked.cache / kind)
    return EXIT_OK

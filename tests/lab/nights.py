"""xenlab as a person calls it, and what it leaves behind, for the tests of whole runs."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

SOURCE = Path(__file__).resolve().parents[2]
CONTROLS = Path(__file__).resolve().parent / "controls"
CACHE = Path(os.environ.get("XENLAB_CACHE", "/var/cache/xentest"))
TAIL = 4000
LIMIT = 1800.0  # the image and the hypervisor may have to be made first


def needs_time(minutes: int) -> None:
    """Skip, aloud, what would make every check much longer."""
    if not os.environ.get("XENTEST_ALL"):
        pytest.skip(f"takes about {minutes} minutes: XENTEST_ALL=1 runs it")


class TooLong(AssertionError):
    """Something did not happen within its time."""


@dataclass
class Ended:
    """A command that ended, and all that it said."""

    status: int
    text: str


class Called:
    """xenlab at work; ends with the `with` block, its machine too."""

    def __init__(self, *words: str | Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [SOURCE / "xenlab", *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, cwd=SOURCE,
            )  # fmt: skip

    def __enter__(self) -> "Called":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # it then removes its machine
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def machine(self, kind: str = "night") -> Path:
        """The folder of its machine."""
        return CACHE / "machines" / f"{kind}-{self.process.pid}"

    def emulator(self) -> Optional[int]:
        """The process of its machine, while that is switched on."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "^qemu-system"], capture_output=True
        ).stdout.split()
        return int(found[0]) if found else None

    def cut_power(self) -> bool:
        """kill -9 of the emulator; False when there was none."""
        pid = self.emulator()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    def console_tail(self) -> str:
        for place in (self.machine() / "in/console.log", self.machine("exec") / "console.log"):
            if place.exists():
                return place.read_text(errors="replace")[-TAIL:]
        return "the machine left no console"

    def ended(self, limit: float) -> Ended:
        """Wait for its end."""
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise self.too_long("xenlab did not end", limit) from None
        return Ended(self.process.returncode, self.text())

    def until(self, condition: Callable[[], Any], what: str, limit: float) -> Any:
        """Wait for a condition; what it gave."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                raise AssertionError(f"xenlab ended before {what}:\n{self.text()[-TAIL:]}")
            time.sleep(0.05)
        raise self.too_long(f"{what} did not happen", limit)

    def too_long(self, what: str, limit: float) -> TooLong:
        return TooLong(
            f"{what} within {limit:g} s; xenlab said:\n{self.text()[-TAIL:]}\n"
            f"the console's end:\n{self.console_tail()}"
        )


@dataclass
class Night:
    """A night that is over."""

    status: int  # of xenlab
    text: str  # what xenlab printed
    folder: Path  # of the run

    @property
    def facts(self) -> dict[str, Any]:
        value = json.loads((self.folder / "run.json").read_text())
        assert isinstance(value, dict)
        return value

    @property
    def summary(self) -> str:
        return (self.folder / "summary.txt").read_text()

    @property
    def console(self) -> str:
        return (self.folder / "machine-console.log").read_text(errors="replace")

    def result(self, domain: str, test: str) -> dict[str, Any]:
        """The result of a test, by its folder's name: `2-crash`."""
        path = self.folder / "domains" / domain / test / "result.json"
        assert path.exists(), f"{domain} {test} has no result\n{self}"
        value = json.loads(path.read_text())
        assert isinstance(value, dict)
        return value

    def statuses(self) -> dict[str, str]:
        """`domain number-test` of all results that were kept, and how each ended."""
        paths = sorted((self.folder / "domains").glob("*/[!.]*/result.json"))
        return {
            f"{path.parts[-3]} {path.parts[-2]}": str(json.loads(path.read_text())["status"])
            for path in paths
        }

    def __str__(self) -> str:
        return f"{self.text[-2 * TAIL:]}\nthe console's end:\n{self.console[-TAIL:]}"


def call(control: Path, results: Path, *more: str | Path) -> Called:
    """Begin a night."""
    results.mkdir(parents=True, exist_ok=True)
    return Called("run", control, "--results", results, *more, log=results.parent / "xenlab.log")


def whole(called: Called, results: Path, limit: float) -> Night:
    """The night that `call` began, once it is over."""
    ended = called.ended(limit)
    folder = latest(results)
    assert folder is not None, f"there is no run:\n{ended.text}"
    return Night(ended.status, ended.text, folder)


def run(control: Path, results: Path, limit: float, *more: str | Path) -> Night:
    """A whole night."""
    with call(control, results, *more) as called:
        night = whole(called, results, limit)
    assert not called.machine().exists(), "the machine is still there"
    return night


def latest(results: Path) -> Optional[Path]:
    """The run's folder, once it has one."""
    try:
        return results / os.readlink(results / "latest")
    except OSError:
        return None


def execute(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`xenlab exec`; all that was said is shown when the test fails.

    The hypervisor is fetched once for all of them.
    """
    options = words[: words.index("--")]
    if "kvm" not in options and "--hypervisor" not in options:
        words = ("--hypervisor", hypervisor(), *words)
    said = subprocess.run(
        [SOURCE / "xenlab", "exec", *map(str, words)],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    print(said.stdout, said.stderr, sep="\n")
    return said


@functools.cache
def hypervisor(*patches: str, tools: bool = False) -> Path:
    """Debian's Xen with these patches, or its own tools, built here once; the tarball."""
    words = ["/usr/bin/python3", "-m", "xentest.prebuilt", "--cache", str(CACHE / "hypervisors")]
    for patch in patches:
        words += ["--patch", patch]
    if tools:
        words.append("--tools")
    said = subprocess.run(
        [*words, "deb-src:xen"], cwd=SOURCE, capture_output=True, text=True, timeout=1800
    )
    assert said.returncode == 0, said.stderr[-TAIL:]
    return Path(said.stdout.split()[-1])

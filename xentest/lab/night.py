"""A whole night in the emulated machine, watched from outside.

Inside run the very programs that run on metal; from here only the power switch, the
reset button and the serial console are used, and a folder that both sides see.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Sequence

from xentest import reproduce
from xentest.control import Control
from xentest.errors import EXIT_BROKEN, EXIT_FAILED, EXIT_OK, BrokenError, UsageError
from xentest.lab import accelerator, image, machine, supplies
from xentest.progress import Progress, table
from xentest.results import Status

POWER_CYCLES = 30
SLACK_SECONDS = 900.0
SHRINK_SECONDS = 300.0  # for each result of xenfc that is not a pass
LOOK = 1 << 20  # bytes of console that are read at once
TALKING = 3  # times as long as a silent boot a talking one is waited for
SIGN_OF_LIFE = re.compile(rb"^xentest: \S+: (a run|no run|looking)", re.MULTILINE)
FIRST_TEST = re.compile(rb"xentest: START (\S+) (\S+)")


@dataclass(frozen=True)
class Order:
    """What `xenlab run` was asked for."""

    control: Control
    cache: Path
    results: Path
    hypervisor: Optional[Path] = None
    files: Sequence[Path] = ()
    accelerator: str = "tcg"
    memory_mib: int = 2560
    keep: bool = False


@dataclass
class Night:
    """One night, from the power switch to the verdict."""

    order: Order
    made: machine.Machine
    before: str  # the run that `latest` named when we began
    progress: Progress
    running: machine.Running = field(init=False)
    begun: float = field(default_factory=time.monotonic)
    booting_since: float = 0.0
    spoke: float = 0.0  # when the console last said something
    waits_for_life: bool = True
    lost: bool = False  # this boot knows nothing of the run that an earlier one began
    power_cycles: int = 0
    seen_resets: int = 0
    console_position: int = 0
    told: set[str] = field(default_factory=set)
    marks: list[tuple[str, float]] = field(default_factory=list)

    def watch(self) -> dict[str, Any]:
        """Run until the run has ended; its facts."""
        self._power_on()
        limit = self.order.control.preferences.run_timeout + SLACK_SECONDS
        try:
            while True:
                facts = self._facts()
                self._look(facts)
                if facts.get("state") in ("finished", "broken"):
                    self._mark("run ended")
                    return facts
                if self.lost:
                    raise BrokenError(
                        f"the machine came up and knows of no run:\n{self._console_tail()}",
                        "It went down before xenbuild had noted one, or its disk is not kept.",
                    )
                if not facts and self._refused():
                    raise BrokenError(f"xenbuild began no run:\n{self._console_tail()}")
                if time.monotonic() - self.begun > limit:
                    raise BrokenError(
                        f"the night did not end within {limit:g} s:\n{self._console_tail()}"
                    )
                self._keep_alive()
                time.sleep(0.1)
        finally:
            self.running.switch_off()

    def _power_on(self) -> None:
        self.running = machine.switch_on(self.made)
        self.seen_resets = 0
        self._expect_life()
        self._mark("power on")

    def _expect_life(self) -> None:
        self.waits_for_life = True
        self.booting_since = self.spoke = time.monotonic()

    def _mark(self, what: str) -> None:
        self.marks.append((what, time.monotonic() - self.begun))

    def _facts(self) -> dict[str, Any]:
        """run.json of the run that this night began; empty before there is one."""
        try:
            latest = os.readlink(self.order.results / "latest")
            if latest == self.before:
                return {}
            value = json.loads((self.order.results / latest / "run.json").read_text())
            return value if isinstance(value, dict) else {}
        except (OSError, ValueError):
            return {}

    def _refused(self) -> bool:
        return (self.order.results / ".xenbuild-status").exists()

    def _look(self, facts: dict[str, Any]) -> None:
        """Follow the console: signs of life, tests that begin."""
        with self.made.console.open("rb") as stream:
            stream.seek(self.console_position)
            fresh = stream.read(LOOK)
        # Whole lines only, but a line that is longer than what is read at once is no line.
        end = len(fresh) if len(fresh) == LOOK else fresh.rfind(b"\n") + 1
        self.console_position += end
        if end:
            self.spoke = time.monotonic()
        sign = SIGN_OF_LIFE.search(fresh[:end]) if self.waits_for_life else None
        if sign:
            self.waits_for_life = False
            self.lost = sign[1] == b"no run" and bool(facts or self.power_cycles)
            self._mark("machine is up")
        for match in FIRST_TEST.finditer(fresh[:end]):
            name = match[1].decode(errors="replace")
            if name not in self.told:
                self.told.add(name)
                self._mark(f"first test in {name}")
        state = str(facts.get("state", ""))
        if state and state not in self.told:
            self.told.add(state)
            self.progress.say(
                f"  {time.monotonic() - self.begun:6.1f} s  run {facts.get('id')}: {state}"
            )
            self._mark(state)
        self._tell_results(facts)

    def _tell_results(self, facts: dict[str, Any]) -> None:
        domains = self.order.results / str(facts.get("id", "none")) / "domains"
        for path in sorted(domains.glob("*/[!.]*/result.json")):
            if str(path) in self.told:
                continue
            try:
                value = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            self.told.add(str(path))
            self.progress.say(f"  {time.monotonic() - self.begun:6.1f} s  {path.parts[-3]} "
                              f"{path.parts[-2]}: {value.get('status')}")  # fmt: skip

    def _keep_alive(self) -> None:
        """Power comes back after a cut; a boot that gives no sign of life is ended."""
        if not self.running.alive():
            self.power_cycles += 1
            if self.power_cycles > POWER_CYCLES:
                raise BrokenError(
                    f"the emulator died {POWER_CYCLES} times: {self.running.last_words()}"
                )
            ended_by_itself = (self.running.process.returncode or 0) >= 0
            if ended_by_itself and time.monotonic() - self.booting_since < 1:
                raise BrokenError(f"the emulator does not run: {self.running.last_words()}")
            self.progress.say("  the machine lost its power: switching it on again")
            self._power_on()
        resets = self.running.poll_events()
        if resets != self.seen_resets:
            self.seen_resets = resets
            self._mark("reset")
            self._expect_life()
        if self.waits_for_life:
            self._end_a_boot_that_hangs()
        else:
            self.running.nudge()

    def _end_a_boot_that_hangs(self) -> None:
        """One that is only slow goes on talking; one that talks for ever hangs, too."""
        now, limit = time.monotonic(), self.order.control.preferences.boot_timeout
        if now - self.spoke > limit:
            why = f"no sign of life for {limit:g} s"
        elif now - self.booting_since > TALKING * limit:
            why = f"not up after {TALKING * limit:g} s"
        else:
            return
        self.progress.say(f"  {why}: pressing the reset button")
        with self.made.console.open("ab") as stream:
            stream.write(f"\nxenlab: {why}, hard reset\n".encode())
        self.running.reset()
        self._expect_life()

    def _console_tail(self) -> str:
        from xentest import boot

        return boot.last_lines(self.made.console.read_text(errors="replace"))


def run(order: Order, progress: Progress) -> int:
    """A night: image, supplies, machine, verdict. Returns the exit status of xenlab."""
    begun = time.monotonic()
    _check(order)
    order.results.mkdir(parents=True, exist_ok=True)
    made_image = image.ensure(order.cache / "images", progress)
    folder = machine.folder_for(order.cache / "machines", "night")
    try:
        with progress.step("prepare what the machine is handed"):
            handed = supplies.prepare(
                folder, order.control, order.hypervisor, order.files, order.cache, progress
            )
        chosen = choose_accelerator(order.accelerator, progress)
        emulated_host = chosen == "tcg" and order.control.preferences.hypervisor != "xen"
        made = machine.Machine(
            folder=folder, disk=folder / "disk.qcow2", base=made_image.disk, install=handed.install,
            console=handed.console, medium=made_image.medium, memory_mib=order.memory_mib,
            accelerator=chosen,
            cpus=machine.CPUS_OF_KVM_HOST if emulated_host else machine.CPUS,
            oversleeps=emulated_host,
            shares=(("in", handed.folder, True), ("results", order.results, False)),
        )  # fmt: skip
        machine.make_overlay(made.disk, made.base)
        (order.results / ".xenbuild-status").unlink(missing_ok=True)
        night = Night(order, made, _latest(order.results), progress)
        progress.say(f"the machine is switched on; its console: {made.console}")
        facts = night.watch()
        return _report(order, night, facts, time.monotonic() - begun, progress)
    finally:
        _keep_console(order, folder)
        if order.keep:
            (folder / machine.KEPT).touch()
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _check(order: Order) -> None:
    wanted = "/xentest/results", "/var/lib/xentest/runs"
    if order.control.preferences.results_dir not in wanted:
        raise UsageError(
            f"results_dir is {order.control.preferences.results_dir}: the lab cannot see it",
            f"In the lab it is {wanted[0]} (or leave it out).",
        )
    if order.control.preferences.console not in ("", f"{supplies.INSIDE}/console.log"):
        raise UsageError(
            f"console is {order.control.preferences.console}: there is no such file in the lab",
            f"In the lab it is {supplies.INSIDE}/console.log.",
        )


def choose_accelerator(wanted: str, progress: Progress) -> str:
    """KVM only where it is asked for and a guest was seen to run on it; else emulation."""
    if wanted == "tcg":
        return "tcg"
    usable, reason = accelerator.usable_kvm()
    if not usable:
        progress.say(f"the machine is emulated, KVM cannot be used: {reason}")
    return "kvm" if usable else "tcg"


def _latest(results: Path) -> str:
    try:
        return os.readlink(results / "latest")
    except OSError:
        return ""


def _keep_console(order: Order, folder: Path) -> None:
    """The machine's console stays beside the run that it belongs to."""
    console, latest = folder / "in/console.log", order.results / "latest"
    if console.exists() and latest.exists():
        shutil.copy(console, latest / "machine-console.log")


def _report(
    order: Order, night: Night, facts: dict[str, Any], seconds: float, progress: Progress
) -> int:
    folder = order.results / str(facts["id"])
    summary = folder / "summary.txt"
    if summary.exists():
        inside = order.control.preferences.results_dir  # shown as it is called out here
        print(summary.read_text(errors="replace").rstrip().replace(inside, str(order.results)))
    shown = night.marks + [("xenlab, all in all", seconds)]
    phases = table(shown, "the machine, seconds since it was switched on")
    print(f"\n{phases}\nresults: {folder}")
    (folder / "lab-phases.txt").write_text(phases + "\n")
    try:
        status = Status(facts.get("status"))
    except ValueError:
        raise BrokenError(
            f"{folder / 'run.json'} has no verdict", "See the console beside it."
        ) from None
    if status.good:
        return EXIT_OK
    _shrink(folder, night.made.folder / "in" / supplies.HYPERVISOR, progress)
    return EXIT_BROKEN if status is Status.BROKEN else EXIT_FAILED


def _shrink(run: Path, hypervisor: Path, progress: Progress) -> None:
    """The fewest calls with which xenfc does it again; where we stand nothing can die of them."""
    if not hypervisor.exists():
        return  # it was built inside of the machine
    for tried in reproduce.reproduce(run, hypervisor, SHRINK_SECONDS):
        progress.say(str(tried))

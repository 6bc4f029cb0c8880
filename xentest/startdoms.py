"""The flow of a run in the control domain: domains out, results in, one verdict.

May be killed at any moment: `resume` goes on from what is on the disk.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

import xentest
from xentest import collect, control, durable, guests, ownrunner, runs, shared
from xentest.aftermath import Aftermath
from xentest.death import Death
from xentest.domains import Toolstack
from xentest.domains.command import run as run_command
from xentest.domains.consoles import Consoles
from xentest.domains.watch import Limits
from xentest.errors import (
    EXIT_BROKEN,
    EXIT_FAILED,
    EXIT_OK,
    BrokenError,
    XentestError,
    of_system,
)
from xentest.fleet import PREPARED, Fleet
from xentest.ownrunner import OwnRunner
from xentest.progress import Progress
from xentest.report import mail, text
from xentest.results import Status, worst

LOCK = Path("/var/lib/xentest/lock")
DMESG_LIMIT = 60.0


@dataclass
class Settings:
    """What the command line says, and what tests replace."""

    control_path: str
    run_id: Optional[str] = None
    resume: bool = False
    console_excerpt: str = ""
    give_up: str = ""  # why the run cannot go on; nothing is started then
    hostname: str = field(default_factory=lambda: os.uname().nodename)
    lock: Path = LOCK
    runner: Sequence[str] = ()
    limits: Optional[Limits] = None  # None: as the control file says
    kernel_log: Callable[[], str] = lambda: run_command(["dmesg"], DMESG_LIMIT)


def start(settings: Settings, progress: Progress) -> int:
    """Do the run; the exit status of the command."""
    goes_on = settings.run_id is not None or settings.resume
    given = control.load(settings.control_path, ask_shell=not goes_on)
    with runs.Lock(settings.lock, "xenstartdoms"):
        run, used = _open(settings, given)
        return _Flow(settings, used, run, progress).go()


def _open(settings: Settings, given: control.Control) -> tuple[runs.Run, control.Control]:
    """The run and its own copy of the control file: a later change does not touch it."""
    results_dir = Path(given.preferences.results_dir)
    if settings.run_id is None and not settings.resume and not settings.give_up:
        return runs.begin(results_dir, given), given
    run = runs.open_run(results_dir, settings.run_id or "latest")
    return run, control.load(run.control_file)


def toolstack_for(hypervisor: str) -> Optional[Toolstack]:
    """The toolstack that starts domains on this hypervisor, if there is one."""
    if hypervisor != "xen":
        return None
    from xentest.domains.xl import Xl

    return Xl()


class _Flow:
    """One run from prepared folders to its summary."""

    def __init__(
        self, settings: Settings, used: control.Control, run: runs.Run, progress: Progress
    ) -> None:
        self._settings = settings
        self._control = used
        self._run = run
        self._progress = progress
        self._shared = Path(used.preferences.shared_dir)
        self._limits = settings.limits or Limits(boot=used.preferences.boot_timeout)
        self._own = used.domain_for(settings.hostname)
        self._own_name = self._own.name if self._own else settings.hostname
        # A run that is given up may stand on a machine without its hypervisor.
        hypervisor = "none" if settings.give_up else used.preferences.hypervisor
        self._toolstack = toolstack_for(hypervisor)
        self._aftermath = Aftermath(
            used, run, self._own_name, self._toolstack, settings.kernel_log, self._limits.settle
        )

    def go(self) -> int:
        """The exit status of the run."""
        self._run.update(state="testing", xentest=xentest.VERSION, **_machine())
        consoles = Consoles()
        try:
            made = None
            if self._toolstack is not None:
                made = guests.Guests(self._run, self._toolstack, consoles)
            fleet = self._fleet(made, consoles)
            if self._settings.give_up:
                fleet.give_up(self._settings.give_up)
                return self._report("")
            trouble = self._work(fleet, made)
        except KeyboardInterrupt:
            self._progress.say(
                f"run {self._run.id} was left in the middle; what it started goes on\n"
                "  `xenstartdoms --resume` goes on with it."
            )
            raise
        finally:
            consoles.stop()
        return self._report(trouble)

    def _work(self, fleet: Fleet, made: Optional[guests.Guests]) -> str:
        """Everything between the first folder and the last check; what broke it, if anything."""
        try:
            with self._phase("prepare"):
                self._prepare()
            with self._phase("tests"):
                fleet.go()
            with self._phase("shut down"):
                if made is not None:
                    made.end_all()
            with self._phase("check"):
                self._check()
        except (XentestError, OSError) as error:
            failure = error if isinstance(error, XentestError) else of_system(error)
            what = failure.what
            self._progress.say(f"broken: {failure}")
            fleet.break_off(what)
            _end_what_can_be_ended(made)
            return what
        return ""

    def _fleet(self, made: Optional[guests.Guests], consoles: Consoles) -> Fleet:
        log = self._run.domain_folder(self._own_name) / "xenruntests.log"
        death = Death(self._run, consoles, self._settings.console_excerpt)
        return Fleet(
            control=self._control,
            run=self._run,
            own=self._own,
            runner=OwnRunner(self._runner_command(), self._run.folder, log),
            guests=made,
            consoles=consoles,
            progress=self._progress,
            explain=death.explain,
            limits=self._limits,
        )

    def _runner_command(self) -> list[str]:
        command = list(self._settings.runner)
        if not command:
            beside = Path(xentest.__file__).resolve().parent.parent / "xenruntests"
            found = str(beside) if beside.exists() else shutil.which("xenruntests")
            if found is None:
                raise BrokenError("xenruntests is not installed", "Run `make install` again.")
            command = [found]
        # Guests may reach the shared copy: here the tests come from the run's own.
        command += ["--control", str(self._run.control_file)]
        return [*command, "--shared", str(self._shared), "--hostname", self._own_name]

    def _prepare(self) -> None:
        """Folders for all domains, each with its work, and the machine as it is before."""
        if self._toolstack is not None:
            self._run.update(**_missing_facts(self._run, self._toolstack.facts()))
        prepared = self._run.folder / PREPARED
        if not prepared.exists():
            self._end_leftovers()
            names = [domain.name for domain in self._control.domains]
            shared.make_fresh(self._shared, names, self._own.name if self._own else None)
            for name in names:
                shared.hand_out(self._shared, name, self._control.text)
            durable.write_text(prepared, runs.now() + "\n")
        self._aftermath.take_basis()

    def _end_leftovers(self) -> None:
        results_dir = Path(self._control.preferences.results_dir)
        for folder in runs.kept(results_dir):
            if folder != self._run.folder and ownrunner.end_left(folder):
                self._progress.say(f"ended xenruntests, left at work by run {folder.name}")
        if self._toolstack is None:
            return
        for name in guests.end_leftovers(results_dir, self._run, self._toolstack):
            self._progress.say(f"destroyed {name}, left by an earlier run")

    def _check(self) -> None:
        for result in [*self._aftermath.check_consoles(), self._aftermath.check_leaks()]:
            collect.conclude(self._shared, self._run, result)

    def _report(self, trouble: str) -> int:
        for domain in self._control.domains:
            shared.withdraw(self._shared, domain.name)
        results = self._aftermath.results()
        status = worst(result.status for result in results) or Status.ERROR
        reason = self._settings.give_up or ("" if results else "no results")
        if trouble:
            status, reason = Status.BROKEN, trouble
        self._run.add_phase("xentest itself (CPU)", time.process_time())
        facts = {"status": status.value, "reason": reason, "ended": runs.now()}
        summary = text.summary({**self._run.facts, **facts}, results, str(self._run.folder))
        durable.write_text(self._run.folder / "summary.txt", summary)
        facts |= mail.report(self._control, self._run, facts, summary, self._progress)
        # Last: who watches the run takes this for its end.
        self._run.update(state="broken" if trouble else "finished", **facts)
        print(summary, end="", flush=True)
        if status is Status.BROKEN:
            return EXIT_BROKEN
        return EXIT_OK if status.good else EXIT_FAILED

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        try:
            with self._progress.step(name):
                yield
        finally:
            if self._progress.phases and self._progress.phases[-1][0] == name:
                self._run.add_phase(name, self._progress.phases[-1][1])


def _end_what_can_be_ended(made: Optional[guests.Guests]) -> None:
    """The toolstack may be what broke; then the next run ends these guests."""
    try:
        if made is not None:
            made.end_all()
    except (XentestError, OSError):
        pass


def _missing_facts(run: runs.Run, facts: dict[str, str]) -> dict[str, str]:
    """What xenbuild wrote about what it built is better than what the toolstack guesses."""
    return {key: value for key, value in facts.items() if value and not run.facts.get(key)}


def _machine() -> dict[str, str]:
    system = os.uname()
    return {"machine": f"{system.machine}, {os.cpu_count()} CPUs", "kernel": system.release}

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
from xentest import boot, buildid, collect, control, durable, guests, interrupted, moment, runs
from xentest import shared
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
    UsageError,
    XentestError,
    of_system,
)
from xentest.fleet import Fleet
from xentest.ownrunner import OwnRunner
from xentest.progress import Progress
from xentest.report import mail, text
from xentest.results import Status, worst

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
    paths: boot.Paths = boot.Paths()
    runner: Sequence[str] = ()
    limits: Optional[Limits] = None  # None: as the control file says
    kernel_log: Callable[[], str] = lambda: run_command(["dmesg"], DMESG_LIMIT)
    running_build_id: Callable[[], str] = buildid.of_running


def start(settings: Settings, progress: Progress) -> int:
    """Do the run; the exit status of the command."""
    goes_on = settings.run_id is not None or settings.resume
    given = control.load(settings.control_path, ask_shell=not goes_on)
    with runs.Lock(settings.paths.lock, "xenstartdoms"):
        run, used = _open(settings, given, progress)
        return _Flow(settings, used, run, progress).go()


def _open(
    settings: Settings, given: control.Control, progress: Progress
) -> tuple[runs.Run, control.Control]:
    """The run and its own copy of the control file: a later change does not touch it."""
    results_dir = Path(given.preferences.results_dir)
    if settings.run_id is None and not settings.resume and not settings.give_up:
        interrupted.close(_nobodys(results_dir, settings.paths), progress)
        return runs.begin(results_dir, given, state="testing"), given
    run = runs.open_run(results_dir, settings.run_id or "latest")
    used = control.load(run.control_file)
    _check_open(run, used, settings)
    return run, used


def _nobodys(results_dir: Path, paths: boot.Paths) -> set[Path]:
    """The runs but the one that waits for its boot: that one goes on."""
    try:
        state = boot.load(paths)
    except boot.DamagedState:
        state = None
    waits = state.run if state is not None and state.phase != "testing" else ""
    folders = runs.kept(results_dir) if results_dir.is_dir() else []
    return {folder for folder in folders if folder.name != waits}


def _check_open(run: runs.Run, used: control.Control, settings: Settings) -> None:
    """Only a run whose hypervisor is the one that runs is gone on with."""
    if run.is_over:
        raise UsageError(
            f"run {run.id} is over: {run.facts.get('status')}",
            f"See {run.folder}/summary.txt; without --run and --resume a new one is begun.",
        )
    if settings.give_up:
        return
    if run.facts.get("state") != "testing":
        raise UsageError(
            f"run {run.id} is {run.facts.get('state')}: its hypervisor has not been booted yet",
            "Restart the machine: init.d/xentest goes on with it.",
        )
    built = run.facts.get("build_id", "")
    running = settings.running_build_id() if built else ""
    if used.preferences.hypervisor == "xen" and running != built:
        raise UsageError(
            f"run {run.id} tests the hypervisor with the build id {built}, "
            f"and {running or 'none with a build id'} runs",
            "What is tested now would be told of the other one; begin a new run with xenbuild.",
        )


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
        consoles = Consoles()
        try:
            trouble = self._work(consoles)
        except KeyboardInterrupt:
            self._progress.say(
                f"run {self._run.id} was left in the middle; what it started goes on\n"
                "  `xenstartdoms --resume` goes on with it."
            )
            raise
        finally:
            consoles.stop()
        return self._report(trouble)

    def _work(self, consoles: Consoles) -> str:
        """Everything but the report; what broke it, if anything."""
        made: Optional[guests.Guests] = None
        fleet: Optional[Fleet] = None
        try:
            self._run.update(state="testing", xentest=xentest.VERSION, **_machine())
            if self._toolstack is not None:
                made = guests.Guests(self._run, self._toolstack, consoles)
            fleet = self._fleet(made, consoles)
            if self._settings.give_up:
                fleet.give_up(self._settings.give_up)
                self._tell_deaths(fleet.folder)
            else:
                self._steps(fleet, made)
        except (XentestError, OSError) as error:
            failure = _failure(error)
            self._progress.say(f"broken: {failure}")
            self._break_off(failure.what, fleet, made)
            return failure.what
        return ""

    def _steps(self, fleet: Fleet, made: Optional[guests.Guests]) -> None:
        """Everything between the first folder and the last check."""
        with self._phase("prepare"):
            self._prepare()
        with self._phase("tests"):
            fleet.go()
        with self._phase("shut down"):
            if made is not None:
                made.end_all()
        with self._phase("check"):
            self._check(fleet.folder, made)

    def _break_off(self, what: str, fleet: Optional[Fleet], made: Optional[guests.Guests]) -> None:
        """End what can be ended: the disk may be full, the toolstack may be what broke."""
        if fleet is None:
            return
        try:
            fleet.break_off(what)
        except (XentestError, OSError) as error:
            self._progress.say(f"not every test has a result: {_failure(error).what}")
            fleet.runner.end()
        try:
            if made is not None:
                made.end_all()
        except (XentestError, OSError):
            pass  # then the next run ends these guests

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
            look_at_logs=self._aftermath.logs.look_now_and_then,
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
        prepared = self._run.folder / shared.PREPARED
        if not prepared.exists():
            self._end_leftovers()
            names = [domain.name for domain in self._control.domains]
            own = self._own.name if self._own else None
            shared.make_fresh(self._shared, self._run.id, names, own)
            for name in names:
                shared.hand_out(self._shared, name, self._control.text)
            durable.write_text(prepared, moment.now() + "\n")
        else:
            shared.check_owner(self._shared, self._run.id)
            for domain in self._control.domains:
                shared.mend(self._shared, domain.name, self._control.text)
        self._aftermath.take_basis()

    def _end_leftovers(self) -> None:
        if self._toolstack is None:
            return
        results_dir = Path(self._control.preferences.results_dir)
        for name in guests.end_leftovers(results_dir, self._run, self._toolstack):
            self._progress.say(f"destroyed {name}, left by an earlier run")

    def _check(self, folder: Path, made: Optional[guests.Guests]) -> None:
        numbers, crashed = (made.numbers, made.crashed) if made is not None else ({}, set())
        found = self._aftermath.check_consoles(numbers, crashed)
        for result in [*found, self._aftermath.check_leaks()]:
            collect.conclude(folder, self._run, result)
        self._tell_deaths(folder)

    def _tell_deaths(self, folder: Path) -> None:
        for result in self._aftermath.check_machine(self._settings.console_excerpt):
            collect.conclude(folder, self._run, result)

    def _report(self, trouble: str) -> int:
        self._run.make_room()
        facts = {"status": Status.BROKEN.value, "reason": trouble, "ended": moment.now()}
        try:
            facts |= self._summarise(trouble)
        except (XentestError, OSError) as error:
            failure = _failure(error)
            self._progress.say(f"broken: {failure}")
            trouble = trouble or failure.what
            facts |= {"status": Status.BROKEN.value, "reason": trouble}
        # Last: who watches the run takes this for its end.
        self._run.update(state="broken" if trouble else "finished", **facts)
        status = Status(facts["status"])
        if status is Status.BROKEN:
            return EXIT_BROKEN
        return EXIT_OK if status.good else EXIT_FAILED

    def _summarise(self, trouble: str) -> dict[str, str]:
        """The verdict, kept, printed and mailed; as facts of the run."""
        if shared.place_of(self._run, self._shared) == self._shared:
            for domain in self._control.domains:
                shared.withdraw(self._shared, domain.name)
        results = self._aftermath.results()
        status = worst(result.status for result in results) or Status.ERROR
        reason = self._settings.give_up or ("" if results else "no results")
        if trouble or (reason and status.good):
            status, reason = Status.BROKEN, trouble or reason
        self._run.add_phase("xentest itself (CPU)", time.process_time())
        facts = {"status": status.value, "reason": reason, "ended": moment.now()}
        summary = text.summary({**self._run.facts, **facts}, results, str(self._run.folder))
        print(summary, end="", flush=True)
        durable.write_text(self._run.folder / "summary.txt", summary)
        return facts | mail.report(self._control, self._run, facts, summary, self._progress)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        try:
            with self._progress.step(name):
                yield
        finally:
            if self._progress.phases and self._progress.phases[-1][0] == name:
                self._run.add_phase(name, self._progress.phases[-1][1])


def _failure(error: XentestError | OSError) -> XentestError:
    return error if isinstance(error, XentestError) else of_system(error)


def _missing_facts(run: runs.Run, facts: dict[str, str]) -> dict[str, str]:
    """What xenbuild wrote about what it built is better than what the toolstack guesses."""
    return {key: value for key, value in facts.items() if value and not run.facts.get(key)}


def _machine() -> dict[str, str]:
    system = os.uname()
    return {"machine": f"{system.machine}, {os.cpu_count()} CPUs", "kernel": system.release}

"""What a run does at a boot: go on, start again after a crash, or end in words.

init.d/xentest calls this in the control domain, and on the machine's default boot entry.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence

from xentest import boot, control, durable, moment, runs
from xentest.errors import EXIT_BROKEN, EXIT_INTERRUPTED, EXIT_OK, BrokenError, XentestError
from xentest.progress import Progress
from xentest.report import mail
from xentest.results import Status

EXCERPT_LINES = 20
STARTS = 3  # of xenstartdoms in one boot, when it is killed
LAB = "xenlab: "  # what xenlab itself writes to the console of its machine
BOOT_LOADER = "Booting `"  # what GRUB says, once a boot
BEGINS = (BOOT_LOADER, "Xen version ", "Linux version ")  # what a boot may say first


@dataclass
class Machine:
    """What a boot may do to the machine; tests put their own in its place."""

    reboot: Callable[[], None] = boot.reboot
    choose_once: Callable[[boot.Paths], None] = boot.choose_once
    fault_of_boot: Callable[[boot.State], str] = boot.fault_of_boot
    boot_id: Callable[[], str] = moment.boot_id
    start_domains: Callable[[Sequence[str]], int] = lambda words: subprocess.call(words)


@dataclass
class AtBoot:
    """One boot of a run that is under way."""

    paths: boot.Paths
    state: boot.State
    run: runs.Run
    wanted: control.Control
    progress: Progress
    machine: Machine

    def go_on(self) -> int:
        """Do what the run's phase asks for."""
        same_boot = self.machine.boot_id() == self.state.boot_id
        if self.state.phase == "testing":
            return self.resumed() if same_boot else self.after_crash()
        if same_boot:
            self.progress.say(f"run {self.run.id} waits for the machine to be restarted")
            return EXIT_OK
        if self.state.phase == "building":
            return self.end("the machine went down while xenbuild worked", self.said_since())
        fault = self.machine.fault_of_boot(self.state)
        if fault:
            return self.boot_failed(fault)
        return self.confirmed()

    def resumed(self) -> int:
        """Called again in the boot that was confirmed: what ran was killed, the machine lives."""
        try:
            with runs.Lock(self.paths.lock, "xentest"):
                pass
        except BrokenError as busy:
            self.progress.say(f"run {self.run.id} goes on: {busy.what}")
            return EXIT_OK
        if not boot.is_confirmed(self.paths):
            return self.close(f"{self.paths.confirmed} does not confirm this boot")
        return self.start_domains(resume=True)

    def confirmed(self) -> int:
        """The hypervisor that was built is the one that runs."""
        boot.confirm(self.paths)
        self.progress.say(f"run {self.run.id}: the hypervisor is {self.state.build_id or 'none'}")
        resume = self.state.resumes > 0
        self.state.phase, self.state.boot_id = "testing", self.machine.boot_id()
        self.state.console_size = boot.console_size(self.wanted.preferences.console)
        boot.save(self.paths, self.state)
        self.run.update(state="testing", boots=int(self.run.facts.get("boots", 0)) + 1)
        self._note_boot_time()
        return self.start_domains(resume)

    def _note_boot_time(self) -> None:
        """The wall clock may have jumped between the boots: an absurd time is left out."""
        seconds = time.time() - float(self.run.facts.get("rebooted") or 0)
        if 0 < seconds < 24 * 3600:
            self.run.add_phase("reboot", seconds)

    def start_domains(self, resume: bool) -> int:
        """Hand over to xenstartdoms; the run is over when it comes back with a verdict."""
        for _ in range(STARTS):
            status = self._start(["--resume"] if resume else [], resume)
            if self.run.is_over:
                boot.clear(self.paths)
                return status
            if status >= 0:
                break
            self.progress.say(f"xenstartdoms was killed (signal {-status}): going on with the run")
            resume = True
        if status == EXIT_INTERRUPTED:  # as a machine does that is shut down
            return status
        return self.close(f"xenstartdoms ended without a verdict (status {status})")

    def _start(self, more: Sequence[str], explain: bool) -> int:
        """xenstartdoms for this run, told what the console said if that explains a crash."""
        words = ["xenstartdoms", "--run", self.run.id, str(self.run.control_file), *more]
        if explain and self.state.excerpt:
            excerpt = self.paths.state.with_name("excerpt")
            durable.write_text(excerpt, self.state.excerpt)
            words += ["--console-excerpt", str(excerpt)]
        status = self.machine.start_domains(words)
        self.run = runs.open_run(self.run.folder.parent, self.run.id)
        return status

    def after_crash(self) -> int:
        """The machine died under a test: note why, and go on, within the budget."""
        cause, self.state.excerpt = explain_death(self.said_since())
        self._note_death(cause)
        budget = self.wanted.preferences.reboot_budget
        if self.state.resumes > budget:
            boot.save(self.paths, self.state)
            return self.close(
                f"the machine went down {self.state.resumes} times, more often than the {budget} "
                f"of reboot_budget; the last time: {cause}"
            )
        if not self.machine.fault_of_boot(self.state):
            return self.confirmed()  # this machine boots into the hypervisor by itself
        return self._boot_again()

    def _note_death(self, cause: str) -> None:
        self.state.resumes += 1
        self.progress.say(f"run {self.run.id}: the machine went down: {cause}")
        self.run.update(crashes=[*self.run.facts.get("crashes", []), cause])

    def _boot_again(self) -> int:
        """Into the hypervisor, once more."""
        self.state.phase, self.state.boot_id = "booting", self.machine.boot_id()
        self.state.console_size = boot.console_size(self.wanted.preferences.console)
        boot.save(self.paths, self.state)
        if self.state.hypervisor == "xen":
            self.machine.choose_once(self.paths)
        self.run.update(state="booting", rebooted=time.time())
        self.machine.reboot()
        return EXIT_OK

    def boot_failed(self, fault: str) -> int:
        """The hypervisor did not come up: that ends the run, unless it may have been the mains."""
        said = first_boot(self.said_since())
        cause, excerpt = explain_death(said)
        if is_silent(said) and self._may_try_again():
            self._note_death(f"while it booted: {cause}")
            self.state.excerpt = self.state.excerpt or excerpt
            return self._boot_again()
        if not self.wanted.preferences.console:
            cause = "no console= in [Preferences], so nothing is known of why"
        self.state.excerpt = excerpt
        reason = f"the hypervisor did not come up ({fault}): {cause}"
        if self.run.facts.get("boots"):
            return self.close(reason)
        return self.end(reason, said)

    def _may_try_again(self) -> bool:
        """As often as a machine that died under a test; once, if the hypervisor never came up."""
        budget = self.wanted.preferences.reboot_budget
        return self.state.resumes < (budget if self.run.facts.get("boots") else min(budget, 1))

    def close(self, reason: str) -> int:
        """The run cannot go on, but has results: keep them, and say what stands in for the rest."""
        try:
            status = self._start(["--give-up", reason], True)
            return status if self.run.is_over else self.end(reason, "")
        finally:
            boot.clear(self.paths)

    def give_up(self, error: Exception) -> None:
        """The run cannot go on for a reason of this machine; the caller tells the user."""
        what = error.what if isinstance(error, XentestError) else str(error)
        reason = f"the run could not go on after the boot: {what}"
        self.run = runs.open_run(self.run.folder.parent, self.run.id)
        if self.run.is_over:
            boot.clear(self.paths)
            return
        if self.state.phase == "testing" or self.state.resumes:
            try:
                self.close(reason)
                return
            except OSError as second:
                self.progress.say(f"nor could its results be gathered: {second}")
        self.end(reason, "")

    def end(self, reason: str, said: str) -> int:
        """The run ends without a single test."""
        lines = boot.last_lines(said, EXCERPT_LINES)
        self.progress.say(f"run {self.run.id}: broken: {reason}")
        told = f"run {self.run.id}: {Status.BROKEN.value}\n{reason}\n"
        if lines:
            told += "the console's last lines:\n" + "".join(
                f"  {line}\n" for line in lines.splitlines()
            )
        facts = {"status": Status.BROKEN.value, "reason": reason, "ended": moment.now()}
        self.run.make_room()
        try:
            durable.write_text(self.run.folder / "summary.txt", told)
            durable.write_text(self.run.folder / "console-tail.txt", lines + "\n")
            facts |= mail.report(self.wanted, self.run, facts, told, self.progress)
        finally:
            self.run.update(state="broken", console=lines, **facts)
            boot.clear(self.paths)
        return EXIT_BROKEN

    def said_since(self) -> str:
        """What the console said since the phase was entered, up to the boot loader of this boot."""
        said = boot.console_since(self.wanted.preferences.console, self.state.console_size)
        return before_last_boot(said)


def first_boot(said: str) -> str:
    """Without the boots after the first: the entry was chosen once, and others may fail as well."""
    second = said.find(BOOT_LOADER, said.find(BOOT_LOADER) + 1)
    return said[: said.rfind("\n", 0, second) + 1] if second > 0 else said


def before_last_boot(said: str) -> str:
    """Cut what this very boot has said: from its boot loader, or from its `Linux version` on.

    A quiet kernel does not say its version.  But this boot lives: what ends in a panic is
    of a boot before it, and stays.
    """
    for mark in ("Linux version ", BOOT_LOADER):
        at = said.rfind(mark)
        if at >= 0 and "Linux version " not in said[at + 1 :] and not _died(said[at:]):
            said = said[: said.rfind("\n", 0, at) + 1]
    return said


def _died(said: str) -> bool:
    from xentest.verdict import console

    return any(finding.kind in ("Xen panic", "Linux panic") for finding in console.scan(said))


def is_silent(said: str) -> bool:
    """Whether a boot before this one ended without a word of why: its power may have been cut."""
    from xentest.verdict import console

    if not any(mark in said for mark in BEGINS):
        return False  # there was none: this one is of another entry
    return not boot.last_lines(said, 1).startswith(LAB) and console.cause(said) is None


def explain_death(said: str) -> tuple[str, str]:
    """Why the machine went down, in a line; and the console's lines that show it."""
    from xentest import fuzzed

    cause, excerpt = _cause_and_excerpt(said)
    return fuzzed.explained(cause, said), fuzzed.kept(excerpt, said)


def _cause_and_excerpt(said: str) -> tuple[str, str]:
    from xentest.verdict import console

    finding = console.cause(said)
    if finding is not None:
        return finding.title, finding.excerpt
    lines = boot.last_lines(said, EXCERPT_LINES)
    if not lines:
        return "the console said nothing", ""
    last = lines.splitlines()[-1]
    if last.startswith(LAB):  # it says how the hang ended, not where
        before = boot.last_lines(said[: said.rindex(last)], 1)
        return f"{last.removeprefix(LAB)}; the last line before: {before}", lines
    return f"no crash on the console; its last line: {last}", lines


def _control_of(run: runs.Run, paths: boot.Paths) -> control.Control:
    """The run's own control file; one that cannot be used (any more) ends the run, in words."""
    try:
        return control.load(run.control_file)
    except XentestError as error:
        _break(run, paths, f"the run's own control file cannot be used: {error.what}")
        raise


def _break(run: runs.Run, paths: boot.Paths, reason: str) -> None:
    """The run ends here, for what is needed to go on with it is damaged."""
    facts = {"status": Status.BROKEN.value, "reason": reason, "ended": moment.now()}
    run.make_room()
    try:
        told = f"run {run.id}: {Status.BROKEN.value}\n{reason}\n"
        durable.write_text(run.folder / "summary.txt", told)
    finally:
        run.update(state="broken", **facts)
        boot.clear(paths)


def _state(paths: boot.Paths) -> Optional[boot.State]:
    """Where the run stands; if nobody knows (any more), the run ends."""
    try:
        return boot.load(paths)
    except boot.DamagedState as error:
        try:
            with runs.Lock(paths.lock, "xentest"):
                run = _run_of_flag(paths)
                if not run.is_over:
                    _break(run, paths, error.what)
        except XentestError:
            pass  # it is not to be found, or somebody works: the next xenbuild closes it
        raise


def _run_of_flag(paths: boot.Paths) -> runs.Run:
    """The run under way, as the flag and the copy of its control file tell."""
    results_dir = Path(control.load(paths.control).preferences.results_dir)
    flag = paths.flag.read_text("ascii", "replace").strip() if paths.flag.exists() else ""
    return _open(results_dir, flag if runs.RUN_ID.fullmatch(flag) else "latest", paths)


def _open(results_dir: Path, run_id: str, paths: boot.Paths) -> runs.Run:
    """The run; one whose facts are damaged ends."""
    try:
        return runs.open_run(results_dir, run_id)
    except BrokenError as error:
        if run_id != "latest":
            _break(runs.Run(results_dir / run_id, {"id": run_id}), paths, error.what)
        raise


def main(paths: boot.Paths, progress: Progress, machine: Machine) -> int:
    """Go on with the run that is under way, if there is one."""
    state = _state(paths)
    if state is None:
        progress.say(f"{paths.flag} speaks of a run that nobody knows: removed")
        boot.clear(paths)
        return EXIT_OK
    if boot.is_before_its_run(state):
        progress.say(f"the machine went down before run {state.run} began: nothing to go on with")
        boot.clear(paths)
        return EXIT_OK
    run = _open(Path(state.results_dir), state.run, paths)
    if run.is_over:
        progress.say(f"run {run.id} is over ({run.facts.get('status')}): nothing to go on with")
        boot.clear(paths)
        return EXIT_OK
    wanted = _control_of(run, paths)
    at_boot = AtBoot(paths, state, run, wanted, progress, machine)
    try:
        return at_boot.go_on()
    except Exception as error:
        at_boot.give_up(error)
        raise

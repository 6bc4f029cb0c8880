"""What xenbuild does: a new run, its hypervisor built and installed, one boot into it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Sequence

from xentest import VERSION, boot, durable, interrupted, moment, readiness, runs, strays
from xentest.control import Control, Location
from xentest.errors import (
    EXIT_OK,
    BrokenError,
    XentestError,
    of_system,
    printable,
    without_password,
)
from xentest.progress import Progress
from xentest.report import mail
from xentest.results import Status


def explain(control: Control) -> str:
    """What a run of this control file would do."""
    preferences = control.preferences
    lines = [f"{control.path} is well formed; xenbuild would:"]
    if preferences.hypervisor == "xen":
        lines.append("  " + ", ".join(_ways_to_hypervisor(control.tree())))
        lines.append("  boot into it once, through GRUB")
    else:
        lines.append(
            f"  restart the machine (hypervisor = {preferences.hypervisor}: nothing is built)"
        )
    for domain in control.domains:
        begun = (
            f"start {domain.name} from {domain.config}" if domain.start == "boot" else domain.name
        )
        plan = control.plan(domain)
        tests = "1 test" if len(plan) == 1 else f"{len(plan)} tests"
        lines.append(f"  {begun}: {tests}: {', '.join(test.name for _, test in plan)}")
    run = {name for domain in control.domains for name in domain.tests}
    if idle := [name for name in control.tests if name not in run]:
        lines.append(f"  not run {', '.join(idle)}: no domain lists it")
    lines.append(f"  keep what comes of it in {preferences.results_dir}")
    if preferences.mail_to:
        lines.append(f"  mail the report to {preferences.mail_to}")
    return "\n".join(lines)


def _ways_to_hypervisor(tree: Location) -> list[str]:
    """From its address to its place in /boot, step by step."""
    steps = [f"fetch {tree.name} from {without_password(tree.address)}"]
    if tree.sha256:
        steps.append("check its sha256")
    steps += [f"apply {without_password(patch)}" for patch in tree.patches]
    steps += [f"set {line}" for line in tree.config]
    prebuilt = tree.build_command == ""
    steps.append("take it as it is built" if prebuilt else "build it")
    if tree.tools is None and prebuilt:
        return [*steps, "install it, and its own tools if it brings them"]
    return [*steps, "install it and its own tools" if tree.tools else "install it"]


def start(control: Control, paths: boot.Paths, progress: Progress, *, reboot: bool) -> int:
    """Begin a run and take it as far as the reboot. Whatever fails ends the run, in words."""
    with runs.Lock(paths.lock, "xenbuild") as lock:
        if lock.ended:
            progress.say(f"ended what a killed xenbuild left: {', '.join(lock.ended[:5])}")
        results_dir = Path(control.preferences.results_dir)
        close_interrupted(paths, results_dir, progress)
        run, state = _begin(control, paths, results_dir)
        progress.say(f"run {run.id}: {run.folder}")
        try:
            _copy_control(control, paths)
            run.update(**_facts())
            findings = _look_at_machine(control, paths, progress, reboot)
            if state.hypervisor == "xen":
                with strays.marked(strays.BUILD, str(paths.lock)):
                    _make_hypervisor(control, paths, run, state, findings, progress)
            readiness.demand(findings)
            _arm(control, paths, run, state)
        except BaseException as error:
            _end(control, run, paths, error, progress)
            raise
        if not reboot:
            progress.say("not rebooted (--no-reboot): the run goes on with the next boot")
            return EXIT_OK
        progress.say("rebooting")
        try:
            boot.reboot()
        except XentestError as error:  # an interrupt is how the restart ends us
            _end(control, run, paths, error, progress)
            raise
    return EXIT_OK


def _look_at_machine(
    control: Control, paths: boot.Paths, progress: Progress, reboot: bool
) -> list[readiness.Finding]:
    """Told before hours go into a tree; what the tree itself has to tell comes all the same."""
    findings = readiness.look(readiness.Ask(control, paths, reboot))
    for finding in findings:
        head = "not ready for the run" if finding.certain else "to be looked at"
        progress.say(f"{head}: {finding.what}\n  {finding.advice}")
    return findings


def _begin(control: Control, paths: boot.Paths, results_dir: Path) -> tuple[runs.Run, boot.State]:
    """The state before the run: a run that a power cut leaves behind is always known of."""
    run_id = runs.free_id(results_dir)
    state = boot.State(run_id, control.preferences.results_dir, boot_id=moment.boot_id())
    state.hypervisor = control.preferences.hypervisor
    boot.save(paths, state)
    try:
        return runs.begin(results_dir, control, run_id), state
    except BaseException:
        boot.clear(paths)
        raise


def close_interrupted(paths: boot.Paths, results_dir: Path, progress: Progress) -> None:
    """Runs that nobody goes on with must not stay open for ever."""
    folders = set(runs.kept(results_dir)) if results_dir.is_dir() else set()
    try:
        state = boot.load(paths)
    except boot.DamagedState as error:
        progress.say(f"{error.what}; removed")
        state = None
    if state is not None and not boot.is_before_its_run(state):
        # It may be kept elsewhere, when the control file has changed.
        folders.add(Path(state.results_dir) / state.run)
    interrupted.close(folders, progress)
    boot.clear(paths)


def _copy_control(control: Control, paths: boot.Paths) -> None:
    paths.control.parent.mkdir(parents=True, exist_ok=True)
    durable.write_text(paths.control, control.text, 0o644)


def _facts() -> dict[str, str]:
    return {"harness": VERSION, "machine": os.uname().nodename, "kernel": os.uname().release}


def _make_hypervisor(
    control: Control, paths: boot.Paths, run: runs.Run, state: boot.State,
    findings: Sequence[readiness.Finding], progress: Progress,
) -> None:  # fmt: skip
    """Fetch, build, install; what was built is kept in the run's facts."""
    from xentest import tree

    location = control.tree()
    _empty(paths.work)
    log = run.folder / "build.log"
    with _phase(run, progress, "fetch"):
        folder = tree.prepare(location, paths.work / "tree", progress=progress)
    with _phase(run, progress, "build"):
        built = tree.build(location, folder, log, jobs=os.cpu_count() or 1)
    readiness.demand(findings)
    with _phase(run, progress, "install"):
        hypervisor = tree.install(built, paths.boot)
        if tree.wants_tools(location, folder):
            tree.install_tools(location, folder, run.folder / "install-tools.log")
        boot.write_entry(paths, hypervisor)
    state.build_id, state.version = built.build_id, built.version
    run.update(
        revision=built.revision,
        build_id=built.build_id,
        version=built.version,
        compiler=built.compiler,
    )
    if not built.build_id:
        raise BrokenError(
            "the hypervisor has no build id: after the boot nothing could prove that it is the one",
            "Build it with a linker that knows --build-id (any of today's does).",
        )
    with suppress(OSError):  # what is left goes when the next run begins
        _empty(paths.work)


def _empty(folder: Path) -> None:
    """Nothing is in it any more; what a build mounted there is let go, never emptied.

    The folder itself stays: it may be a link to a larger disk, or mounted from there.
    """
    from xentest import trial

    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        trial.discard(entry)


@contextmanager
def _phase(run: runs.Run, progress: Progress, name: str) -> Iterator[None]:
    begun = time.monotonic()
    with progress.step(name):
        yield
    run.add_phase(name, time.monotonic() - begun)


def _arm(control: Control, paths: boot.Paths, run: runs.Run, state: boot.State) -> None:
    """From here on the next boot belongs to the run."""
    state.phase = "booting"
    state.console_size = boot.console_size(control.preferences.console)
    boot.save(paths, state)
    durable.write_text(paths.flag, run.id + "\n")
    if state.hypervisor == "xen":
        boot.choose_once(paths)
    run.update(state="booting", rebooted=time.time())


def _end(
    control: Control, run: runs.Run, paths: boot.Paths, error: BaseException, progress: Progress
) -> None:
    """The run ends here: the tree's fault is `fail`, ours is `broken`."""
    own = isinstance(error, XentestError) and error.exit_status == 1
    status = Status.FAIL if own else Status.BROKEN
    facts = {"status": status.value, "reason": printable(_reason(error)), "ended": moment.now()}
    summary = f"run {run.id}: {status.value}\n{facts['reason']}\n"
    run.make_room()
    try:
        try:
            durable.write_text(run.folder / "summary.txt", summary)
            facts |= mail.report(control, run, facts, summary, progress)
        finally:
            run.update(state="finished" if own else "broken", **facts)
    finally:
        boot.clear(paths)


def _reason(error: BaseException) -> str:
    if isinstance(error, XentestError):
        return error.what
    if isinstance(error, KeyboardInterrupt):
        return "xenbuild was interrupted"
    if isinstance(error, OSError):
        return of_system(error).what
    return f"{type(error).__name__}: {error}"

"""One test in one domain: fetched, built, installed, run, judged, its logs kept."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from xentest import moment, process, tool, untrusted
from xentest.control_keys import Domain, Test
from xentest.errors import XentestError, first_line, of_system, printable
from xentest.results import MAX_REASON, Result, Status, folder_name

LOG_BYTES = 256 << 20
LOG_FILES = 10_000


class _Ended(Exception):
    """The test is over before its run could be judged."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class Trial:
    """A test at its place in the plan of a domain."""

    shared: Path
    domain: Domain
    number: int
    test: Test
    phases: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return folder_name(self.number, self.test.name)

    @property
    def folder(self) -> Path:
        """Where the result goes."""
        return self.shared / self.domain.name / "results" / self.name

    @property
    def work(self) -> Path:
        """Where the test is unpacked: made for it, removed after it."""
        return Path(self.domain.tempdir) / self.name

    @property
    def arriving(self) -> Path:
        """Where what is fetched stands until it is whole: found again after a kill."""
        return Path(self.domain.tempdir) / f".{self.name}"

    @property
    def test_dir(self) -> Path:
        return self.work / self.test.test_dir

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def result(self, status: Status, reason: str = "") -> Result:
        return Result(self.domain.name, self.test.name, self.number, status, fit(reason))


def perform(trial: Trial) -> Result:
    """Do everything for a test; whatever happens becomes its result."""
    started, begun = moment.now(), time.monotonic()
    try:
        result = _perform(trial)
    except _Ended as ended:
        result = trial.result(ended.status, ended.reason)
    except OSError as error:
        result = trial.result(Status.BROKEN, of_system(error).what)
    except XentestError as error:
        result = trial.result(Status.BROKEN, f"{error.what}; {error.advice}".rstrip("; "))
    except Exception as error:  # a fault of ours must not cost the tests behind this one
        what = f"a fault of xentest itself: {type(error).__name__}: {error}"
        result = trial.result(Status.BROKEN, what)
    try:
        discard_work(trial)
    except (OSError, XentestError) as error:
        trial.notes.append(f"{trial.work} could not be removed: {error}")
    result.started = started
    result.duration = round(time.monotonic() - begun, 3)
    result.phases = {name: round(seconds, 3) for name, seconds in trial.phases.items()}
    if trial.notes:
        result.reason = fit("; ".join(part for part in (result.reason, *trial.notes) if part))
    return result


def _perform(trial: Trial) -> Result:
    missing = [item for item in trial.test.requires if not _present(item)]
    if missing:
        raise _Ended(Status.SKIP, f"{missing[0]} is required and not here")
    discard_work(trial)
    trial.work.mkdir(mode=0o700, parents=True)
    if trial.test.source_url:
        with _phase(trial, "download"):
            _fetch(trial)
    if not trial.test_dir.is_dir():
        raise _Ended(Status.ERROR, f"test_dir {trial.test.test_dir} is not in what was fetched")
    trial.logs.mkdir()
    if trial.test.log_dir:
        # The paper's example redirects into its log_dir without making it.
        (trial.work / trial.test.log_dir).mkdir(parents=True, exist_ok=True)
    _setup(trial, "build", trial.test.build_command)
    _setup(trial, "install", trial.test.install_command)
    return _run(trial)


@contextmanager
def _phase(trial: Trial, name: str) -> Iterator[None]:
    begun = time.monotonic()
    try:
        yield
    finally:
        trial.phases[name] = time.monotonic() - begun


def _fetch(trial: Trial) -> None:
    from xentest import fetch

    try:
        fetch.fetch_source(trial.test.source_url, trial.arriving / "tree", sha256=trial.test.sha256)
    except XentestError as error:
        raise _Ended(Status.BROKEN, error.what) from None
    os.rename(trial.arriving / "tree", trial.work)


def _setup(trial: Trial, phase: str, command: str) -> None:
    """Build or install; a failure means that the test is wrong, not what it tests."""
    if not command:
        return
    from xentest.verdict import text

    log = trial.logs / f"{phase}.log"
    with _phase(trial, phase):
        outcome = _command(trial, command, log)
    if outcome.timed_out:
        limit = f"{trial.test.timeout:g} s"
        raise _Ended(Status.TIMEOUT, f"{phase}_command took longer than {limit}; see {log.name}")
    if outcome.exit_status:
        words = text.last_words(log)[0]
        what = f"{phase}_command failed ({outcome.exit_status})"
        raise _Ended(Status.ERROR, f"{what}: {words or 'it said nothing'}; see logs/{log.name}")


def _run(trial: Trial) -> Result:
    from xentest import verdict
    from xentest.verdict import figures, text

    test = trial.test
    stale = verdict.report_files(test.result_format, trial.test_dir)
    with _phase(trial, "run"):
        outcome = _command(trial, test.run_command, trial.output)
    found = verdict.read(
        test.result_format,
        trial.output,
        outcome.exit_status,
        trial.test_dir,
        test.expect,
        stale,
        test.name,
    )
    result = trial.result(found.status, found.reason)
    result.subtests, result.log_offset = list(found.subtests), found.log_offset
    try:
        result.figures = figures.read(test.figures, trial.output, trial.test_dir)
    except figures.TooSlow as slow:
        trial.notes.append(str(slow))
    if outcome.timed_out:
        ended = f"ended after {test.timeout:g} s, its time limit"
        if result.status.severity > Status.TIMEOUT.severity:
            trial.notes.append(ended)
        else:
            words, result.log_offset = text.last_words(trial.output)
            said = f"; its last words: {words}" if words else "; it said nothing"
            result.status, result.reason = Status.TIMEOUT, fit(ended + said)
    _keep_logs(trial)
    return result


def _command(trial: Trial, command: str, output: Path) -> process.Outcome:
    outcome = process.run(
        command,
        folder=trial.test_dir,
        environment=_environment(trial),
        output=output,
        timeout=trial.test.timeout,
    )
    if outcome.left_behind:
        trial.notes.append(f"left processes behind, ended: {', '.join(outcome.left_behind[:5])}")
    if outcome.immortal:
        trial.notes.append(f"processes that cannot be killed: {', '.join(outcome.immortal[:5])}")
    if outcome.output_problem:
        raise _Ended(Status.BROKEN, f"{output.name} could not be written: {outcome.output_problem}")
    return outcome


def _environment(trial: Trial) -> dict[str, str]:
    return {
        **tool.environment(LC_ALL="C.UTF-8", LANG="C.UTF-8"),
        "XENTEST_DOMAIN": trial.domain.name,
        "XENTEST_TEST": trial.test.name,
        "XENTEST_NUMBER": str(trial.number),
        "XENTEST_ROLE": trial.domain.role,
        "XENTEST_SHARED": str(trial.shared),
        "XENTEST_LOGS": str(trial.logs),
        "XENTEST_TEMPDIR": str(trial.work),
        **dict(trial.test.env),
    }


def _keep_logs(trial: Trial) -> None:
    """Copy log_dir: the first that holds something, below the work folder, test_dir, tempdir."""
    if not trial.test.log_dir:
        return
    if trial.folder.is_symlink() or not trial.folder.is_dir():
        return  # the test took it away: who writes the result tells that
    for base in (trial.work, trial.test_dir, Path(trial.domain.tempdir)):
        try:
            source = os.open(base / trial.test.log_dir, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            if os.listdir(source):
                _copy_logs(trial, source)
                return
        finally:
            os.close(source)
    trial.notes.append(f"log_dir {trial.test.log_dir} is empty")


def _copy_logs(trial: Trial, source: int) -> None:
    budget = untrusted.Budget(LOG_BYTES, LOG_FILES)
    target = _open_logs(trial)
    try:
        name = untrusted.unused(Path(trial.test.log_dir).name, set(os.listdir(target)))
        os.mkdir(name, dir_fd=target)
        inner = untrusted.open_folder(target, name)
        try:
            untrusted.copy_folder(source, inner, budget, name)
        finally:
            os.close(inner)
    except OSError as error:
        raise _Ended(Status.BROKEN, f"logs could not be copied: {error.strerror}") from None
    finally:
        os.close(target)
    if budget.refused:
        trial.notes.append(f"{budget.left_out} log files left out: {budget.refused[0]}")


def _open_logs(trial: Trial) -> int:
    """The folder XENTEST_LOGS; made anew where the test removed it or put something else there."""
    try:
        return os.open(trial.logs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        trial.notes.append("the test took XENTEST_LOGS away, with what it held")
        discard(trial.logs)
        trial.logs.mkdir()
        return os.open(trial.logs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _present(item: str) -> bool:
    """Whether a required path exists or a required command can be run."""
    if "/" in item:
        return os.path.exists(item)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, item), os.X_OK) for folder in folders)


def discard_work(trial: Trial) -> None:
    """Remove all that the test has below its tempdir."""
    for folder in (trial.arriving, trial.work):
        discard(folder)


def discard(folder: Path) -> None:
    """Remove a work folder; what a test mounted in it is let go, never emptied."""
    if not os.path.lexists(folder):
        return
    _unmount_below(folder)
    _remove(folder)


def _remove(path: Path) -> None:
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        untrusted.remove(parent, path.name)
    finally:
        os.close(parent)


def _unmount_below(folder: Path) -> None:
    inside = f"{folder.parent.resolve() / folder.name}/".encode()
    with open("/proc/self/mountinfo", "rb") as stream:
        points = [line.split()[4].replace(b"\\040", b" ") for line in stream]
    mounted = [point for point in points if (point + b"/").startswith(inside)]
    if not mounted:
        return
    import ctypes

    umount, detach_nofollow = ctypes.CDLL(None, use_errno=True).umount2, 2 | 8
    for point in reversed(mounted):
        if umount(point, detach_nofollow):
            raise OSError(ctypes.get_errno(), f"{os.fsdecode(point)} stays mounted")


def fit(reason: str) -> str:
    """A reason as it may stand in a result."""
    return first_line(printable(reason), MAX_REASON)

"""The tests of one domain, one after another, through any crash.

What is done stands in the shared folder only: a result.json is a finished test, a
`running` marker without one is a test that the domain, the machine or the runner
died under.  Tests run in the order of the plan, so finished ones are its beginning:
what stands there for a later test was written by another, and is not believed.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Iterator, Optional

from xentest import durable, moment, results, strays, trial, untrusted
from xentest.control import Control
from xentest.control_keys import Domain
from xentest.errors import BrokenError, XentestError
from xentest.progress import Progress
from xentest.results import Result, Status
from xentest.trial import Trial

RESULT_LIMIT = 64 << 20
MARKER_LIMIT = 4096
DONE = "done"  # beside the results: all of them are there, the work was taken away
RESERVE = 64 << 10  # kept free for result.json, should the disk become full


@dataclass(frozen=True)
class Runner:
    """Runs the plan of `domain` in the shared folder `shared`."""

    control: Control
    domain: Domain
    shared: Path
    progress: Progress = field(default_factory=Progress)
    kmsg: Path = Path("/dev/kmsg")
    locks: Path = Path("/run/xentest")

    @property
    def home(self) -> Path:
        return self.shared / self.domain.name

    def run(self) -> list[Result]:
        """Run what is not done; all results of the plan, earlier ones included."""
        plan = [
            Trial(self.shared, self.domain, number, test)
            for number, test in self.control.plan(self.domain)
        ]
        self._check_shared()
        with self._alone():
            self._forget_other_work(plan)
            strays.end(strays.TEST, f"{self.home}/results/")
            done = self._finished_before(plan)
            for item in plan[len(done) :]:
                later = plan[len(done) + 1 :]
                found = self._one(item, later)
                self._say(found, len(plan))
                done.append(found)
            self._hand_in()
        return done

    def _finished_before(self, plan: list[Trial]) -> list[Result]:
        """The results of an earlier pass over the plan, up to the first that is not there."""
        done: list[Result] = []
        for item in plan:
            found = _finished(item)
            if found is None:
                break
            _unlink(item.folder / "running")
            self._say(found, len(plan))
            done.append(found)
        return done

    def _check_shared(self) -> None:
        """The results folder is a folder, and it can be written."""
        try:
            home = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if not untrusted.exists(home, "results"):
                    os.mkdir("results", dir_fd=home)
                os.close(untrusted.open_folder(home, "results"))
            finally:
                os.close(home)
            durable.write_text(self.home / "results" / "probe", "")
            durable.remove(self.home / "results" / "probe")
        except (OSError, untrusted.Refused) as error:
            raise _unusable(self.home, error) from None

    def _forget_other_work(self, plan: list[Trial]) -> None:
        """Results of work that was done say nothing of what was handed out after it."""
        try:
            if os.path.lexists(self._done):
                for item in plan:
                    trial.discard(item.folder)
                durable.remove(self._done)
        except OSError as error:
            raise _unusable(self.home, error) from None

    def _hand_in(self) -> None:
        """All is done.  In this order: cut between both, nothing finished is run again."""
        durable.remove(self.home / "xentests.conf")
        try:
            durable.write_text(self._done, "")
        except OSError:
            pass  # only who runs this by hand needs it, and the work is done all the same

    @property
    def _done(self) -> Path:
        return self.home / "results" / DONE

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of this domain; it vanishes with its holder or with the machine."""
        import fcntl
        from binascii import crc32

        self.locks.mkdir(mode=0o755, parents=True, exist_ok=True)
        path = self.locks / f"runtests-{self.domain.name}-{crc32(bytes(self.shared)):08x}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
                raise BrokenError(
                    f"another xenruntests (process {holder}) runs the tests of {self.domain.name}",
                    "Wait for it to end, or end it, and run this again.",
                ) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            os.close(descriptor)

    def _one(self, item: Trial, later: list[Trial]) -> Result:
        marker = _marker(item)
        if marker is not None:
            return self._interrupted(item, marker, later)
        return self._perform(item, later)

    def _perform(self, item: Trial, later: list[Trial]) -> Result:
        try:
            trial.discard(item.folder)
            item.folder.mkdir()
            (item.folder / ".reserve").write_bytes(bytes(RESERVE))
            mark = {"boot": moment.boot_id(), "started": moment.now(), "pid": os.getpid()}
            durable.write_json(item.folder / "running", mark)
        except OSError as error:
            raise _unusable(item.folder, error) from None
        self._mark(f"START {self.domain.name} {item.name}")
        with strays.marked(strays.TEST, str(item.logs)):
            result = trial.perform(item)
        self._mark(f"END {self.domain.name} {item.name} {result.status.value}")
        self._withdraw_from_barriers()
        return _write(item, _without_forgeries(result, later))

    def _interrupted(self, item: Trial, marker: dict[str, object], later: list[Trial]) -> Result:
        """The result of a test that something died under."""
        reason = results.WENT_DOWN
        if marker.get("boot") == moment.boot_id():
            reason = "xenruntests was killed while this test ran"
        try:
            trial.discard_work(item)
        except OSError as error:
            reason += f"; {item.work} could not be removed: {error}"
        self._withdraw_from_barriers()
        result = item.result(Status.CRASH, reason)
        result.started = str(marker.get("started", ""))[:40]
        return _write(item, _without_forgeries(result, later))

    def _withdraw_from_barriers(self) -> None:
        if (self.shared / "barriers").is_dir():
            from xentest import barrier

            barrier.withdraw_all(self.shared, self.domain.name)

    def _mark(self, text: str) -> None:
        """A line in the kernel's log: a crash on the console then names its test."""
        try:
            descriptor = os.open(self.kmsg, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                os.write(descriptor, f"<5>xentest: {text}\n".encode())
            finally:
                os.close(descriptor)
        except OSError:
            pass  # not every domain lets us; the markers only help

    def _say(self, result: Result, total: int) -> None:
        reason = f": {result.reason}" if result.reason else ""
        where = f"{result.number}/{total} {result.test}"
        self.progress.say(f"{where}: {result.status.value} ({result.duration:.1f} s){reason}")


def _unusable(place: Path, error: Exception) -> BrokenError:
    return BrokenError(
        f"results cannot be written to {place}: {error}",
        "Look whether the shared folder is mounted, writable and not full; then run this again.",
    )


def _read(item: Trial, name: str, limit: int) -> Optional[str]:
    """A file of the result's folder; None when it is not there or not a plain file."""
    try:
        folder = os.open(item.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return untrusted.read_file(folder, name, limit).decode("utf-8", "replace")
        finally:
            os.close(folder)
    except (FileNotFoundError, NotADirectoryError, untrusted.Refused):
        return None
    except OSError as error:
        if item.folder.is_symlink():
            return None
        raise _unusable(item.folder, error) from None


def _without_forgeries(result: Result, later: list[Trial]) -> Result:
    """Remove what a test left in the places of later ones, before its own result is written.

    The control domain believes a result only when those before it are there; so it
    never sees a forged one.
    """
    forged = [item for item in later if os.path.lexists(item.folder)]
    if not forged:
        return result
    try:
        for item in forged:
            trial.discard(item.folder)
    except (OSError, XentestError) as error:
        raise _unusable(item.folder, error) from None
    names = ", ".join(item.name for item in forged[:5])
    note = f"something wrote into the results of later tests ({names}): removed"
    return replace(result, reason=trial.fit(f"{note}; {result.reason}".removesuffix("; ")))


def _finished(item: Trial) -> Optional[Result]:
    """The result of an earlier pass over the plan, if it is whole and of this very test."""
    text = _read(item, "result.json", RESULT_LIMIT)
    if text is None:
        return None
    try:
        found = results.parse(text)
    except results.MalformedResult:
        return None
    mine = (item.domain.name, item.number, item.test.name)
    return found if (found.domain, found.number, found.test) == mine else None


def _marker(item: Trial) -> Optional[dict[str, object]]:
    text = _read(item, "running", MARKER_LIMIT)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _write(item: Trial, result: Result) -> Result:
    """Write result.json, on a full disk into what was kept free, if need be without subtests."""
    result = _with_its_place(item, result)
    _unlink(item.folder / ".reserve")
    _sync_output(item)
    short = replace(
        result,
        subtests=[],
        figures=[],
        status=Status.BROKEN,
        reason=f"the result could not be written whole (it was {result.status.value})",
    )
    problem: Optional[OSError] = None
    for version in (result, short):
        try:
            results.write(item.folder / "result.json", version)
            _unlink(item.folder / "running")
            return version
        except OSError as error:
            problem = error
    assert problem is not None
    raise _unusable(item.folder, problem)


def _with_its_place(item: Trial, result: Result) -> Result:
    """The result, when its folder is there to write it to; else it lacks what the folder held."""
    try:
        results_folder = os.open(item.folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.close(untrusted.open_folder(results_folder, item.folder.name))
        finally:
            os.close(results_folder)
        if (item.folder / "result.json").is_dir():
            trial.discard(item.folder / "result.json")
        return result
    except (FileNotFoundError, untrusted.Refused):
        pass
    try:
        item.folder.parent.mkdir(exist_ok=True)  # what is above it is gone if nothing is mounted
        trial.discard(item.folder)
        item.folder.mkdir()
    except OSError as error:
        raise _unusable(item.folder, error) from None
    what = "the folder of its result was taken away while it ran, output and logs with it"
    reason = trial.fit(f"{what} ({result.status.value}: {result.reason})".replace(": )", ")"))
    status = results.worst([result.status, Status.ERROR]) or Status.ERROR
    return replace(result, status=status, reason=reason)


def _sync_output(item: Trial) -> None:
    """No power cut may leave a result on the disk without what it was read from."""
    try:
        folder = os.open(item.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            output = untrusted.open_file(folder, "output")
            try:
                os.fsync(output)
            finally:
                os.close(output)
        finally:
            os.close(folder)
    except (OSError, untrusted.Refused):
        pass  # it said nothing, or put something in the place; a full disk is told by what follows


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # a folder in its place, or a read-only disk: what follows will tell

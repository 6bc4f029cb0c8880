"""The shared folder, seen from the control domain (whose disk it is on).

SHARED/DOMAIN/xentests.conf is work to do.  Guests may write anywhere below
SHARED/DOMAIN and SHARED/barriers, so everything is reached folder by folder
without following links.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional, Sequence

from xentest import durable, untrusted
from xentest.errors import BrokenError
from xentest.results import folder_name
from xentest.runs import RUN_ID

if TYPE_CHECKING:
    from xentest.runs import Run

CONTROL_FILE = "xentests.conf"
OWNER = ".run"  # says whose the folder is; no domain is called so
PREPARED = "prepared"  # in the run's folder: the shared folder was made for it
MARKER_LIMIT = 4096
COPY_LIMIT = 4 << 20  # more than any control file has
# A guest that reaches the folder over NFS is `nobody` there unless the export says
# no_root_squash, so its folder must be open to all; the control domain's is not.
GUEST_MODE = 0o777
OWN_MODE = 0o755


@dataclass(frozen=True)
class Glance:
    """How far a domain is, as far as it says itself."""

    has_work: bool  # its copy of the control file is still there
    running: Optional[int] = None  # number of the test that runs
    started: str = ""  # when that test started, by the domain's clock
    left: int = 0  # how many of its tests have no result that was taken


@contextmanager
def opened(shared: Path, *names: str) -> Iterator[int]:
    """A descriptor of SHARED/names...; Refused or FileNotFoundError if it is not a folder."""
    try:
        descriptor = os.open(shared, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        raise FileNotFoundError(f"there is no folder {shared}") from None
    try:
        for name in names:
            inner = untrusted.open_folder(descriptor, name)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def make_fresh(shared: Path, run: str, domains: Sequence[str], own: Optional[str]) -> None:
    """Folders for `domains` and barriers without anything of earlier runs in them.

    From its first change on the folder is that of `run`.  `own` is the control domain's: guests
    may not write there.
    """
    try:
        if not shared.is_dir():
            shared.mkdir(parents=True)
            shared.chmod(OWN_MODE)  # whatever the umask: guests pass through it
        durable.write_text(shared / OWNER, run + "\n")
        with opened(shared) as top:
            for name in (*domains, "barriers"):
                untrusted.remove(top, name)
                os.mkdir(name, dir_fd=top)
                with opened(shared, name) as folder:
                    os.fchmod(folder, OWN_MODE if name == own else GUEST_MODE)
        durable.sync_folder(shared)
    except OSError as error:
        raise _unusable(shared, error) from None


def owner(shared: Path) -> str:
    """The id of the run that the folder was made for; empty when it does not tell."""
    try:
        with opened(shared) as top:
            said = untrusted.read_file(top, OWNER, MARKER_LIMIT).decode("ascii", "replace").strip()
            return said if RUN_ID.fullmatch(said) else ""
    except (OSError, untrusted.Refused):
        return ""


def check_owner(shared: Path, run: str) -> None:
    """Raises BrokenError where the folder is not, or not any more, the one made for this run."""
    found = owner(shared)
    if found == run:
        return
    whose = f"is that of run {found} now" if found else "does not say whose it is"
    raise BrokenError(
        f"the shared folder {shared} {whose}: run {run} cannot go on",
        "Is it mounted? Its tests and their results were there.",
    )


def place_of(run: Run, shared: Path) -> Path:
    """The shared folder, if it was made for this run; else a folder that does not exist.

    What lies there otherwise is another run's: neither its results nor its work are ours.
    """
    if (run.folder / PREPARED).exists() and owner(shared) == run.id:
        return shared
    return run.folder / "not-shared-yet"


def hand_out(shared: Path, domain: str, text: str) -> None:
    """Give a domain its copy of the control file: from now on it has work."""
    try:
        durable.write_text(shared / domain / CONTROL_FILE, text)
    except OSError as error:
        raise _unusable(shared, error) from None


def mend(shared: Path, domain: str, text: str) -> None:
    """Hand a domain's copy out again where it has come to say something else (a disk may have
    damaged it, and the domain would not know what to do); work that was taken away stays away."""
    try:
        with opened(shared, domain) as folder:
            said = untrusted.read_file(folder, CONTROL_FILE, COPY_LIMIT)
    except (FileNotFoundError, untrusted.Refused):
        return  # it is done, or what was put in its place is no work
    except OSError:
        said = b""
    if said == text.encode():
        return
    try:
        hand_out(shared, domain, text)
    except BrokenError:
        pass  # a domain that is in the way of its own work must not break the run


def withdraw(shared: Path, domain: str) -> None:
    """Take a domain's work away, so that it does not begin with it some other day."""
    try:
        with opened(shared, domain) as folder:
            os.unlink(CONTROL_FILE, dir_fd=folder)
    except (OSError, untrusted.Refused):
        pass  # it is done, or what was put in its place is no work


def _unusable(shared: Path, error: OSError) -> BrokenError:
    return BrokenError(
        f"the shared folder {shared} cannot be used: {error}",
        "It must be a folder on this machine's own disk, writable, with space left.",
    )


def glance(shared: Path, domain: str, plan: Sequence[tuple[int, str]]) -> Glance:
    """Look how far a domain is; `plan` has number and name of the tests of interest, in the
    order in which they run: behind the first that has not begun there is nothing to see.
    """
    try:
        with opened(shared, domain) as folder:
            has_work = untrusted.exists(folder, CONTROL_FILE)
            try:
                results = untrusted.open_folder(folder, "results")
            except (FileNotFoundError, untrusted.Refused):
                return Glance(has_work, left=len(plan))
            try:
                running, started = _running(results, plan)
                return Glance(has_work, running, started, len(plan))
            finally:
                os.close(results)
    except (FileNotFoundError, untrusted.Refused):
        return Glance(has_work=False, left=len(plan))


def _running(results: int, plan: Sequence[tuple[int, str]]) -> tuple[Optional[int], str]:
    """The number of the test that runs, and when it started."""
    running: Optional[int] = None
    started = ""
    for number, test in plan:
        mark = _mark(results, folder_name(number, test))
        if not mark:
            break
        if mark != "done":
            running, started = number, _started(mark)
    return running, started


def _mark(results: int, name: str) -> str:
    try:
        folder = untrusted.open_folder(results, name)
    except (OSError, untrusted.Refused):
        return ""
    try:
        if untrusted.exists(folder, "result.json"):
            return "done"
        return untrusted.read_file(folder, "running", MARKER_LIMIT).decode("utf-8", "replace")
    except (OSError, untrusted.Refused):
        return ""
    finally:
        os.close(folder)


def _started(marker: str) -> str:
    import json

    try:
        started = json.loads(marker)["started"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return untrusted.file_name(started)[:40] if isinstance(started, str) else ""

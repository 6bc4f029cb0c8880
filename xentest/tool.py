"""One short-lived tool of the system (git, apt, patch): run to its end, its output read."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence

from xentest.errors import BrokenError

MAKE_VARIABLES = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS")
# Of another repository: a hook of git has them set, and all that git does would be done there.
GIT_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_DEFAULT_HASH",
)
PACKAGES = {
    "git": "git",
    "patch": "patch",
    "make": "make",
    "zstd": "zstd",
    "dpkg-source": "dpkg-dev",
}


@dataclass(frozen=True)
class Output:
    """What a tool said (standard output and error together) and how it ended."""

    status: int
    text: str

    @property
    def last_line(self) -> str:
        """The last line that says something: where most tools say why they gave up."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1][:300] if lines else f"exit status {self.status}, not a word said"


def environment(**changes: str) -> dict[str, str]:
    """This process's environment in plain C language, without what an outer make or git set."""
    foreign = MAKE_VARIABLES + GIT_VARIABLES
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "LC_ALL": "C", "LANGUAGE": "", **changes}


def run(
    command: Sequence[str],
    *,
    timeout: float,
    folder: Optional[Path] = None,
    variables: Optional[Mapping[str, str]] = None,
) -> Output:
    """Run `command` without a terminal; it and all of its session end within `timeout` seconds.

    Raises BrokenError when it cannot start or does not end; what its status means
    the caller decides.
    """
    import subprocess

    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(command[0], error) from None
    try:
        said, _ = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BrokenError(
            f"`{' '.join(command)}` did not end within {timeout:g} s",
            "It was stopped. A server or a disk that does not answer looks like this.",
        ) from None
    finally:
        _end_session(child.pid)
        child.wait()
    return Output(child.returncode, said.decode("utf-8", "replace"))


def _missing(name: str, error: FileNotFoundError) -> BrokenError:
    if error.filename not in (name, None):
        return BrokenError(f"{error.filename} does not exist", f"{name} was to run in it.")
    package = PACKAGES.get(name, name)
    return BrokenError(f"the command {name} is missing", f"Install it: apt-get install {package}")


def _end_session(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

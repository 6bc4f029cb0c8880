"""The control file: one text that says what is fetched, which domains run, and what they test.

Everything is checked before anything is touched, and all problems are told at once.
What was checked is what is used: a file is read exactly once.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Optional

from xentest import control_checks, control_sections, control_shell, control_text
from xentest.control_keys import Domain, Location, Preferences, Test
from xentest.control_text import ControlError, Problem, Problems

__all__ = [
    "Control",
    "ControlError",
    "Domain",
    "Location",
    "Preferences",
    "Problem",
    "Test",
    "load",
    "parse",
]


@dataclass(frozen=True)
class Control:
    """A control file that was found good."""

    path: str
    text: str
    digest: str  # SHA-256 of the text, hexadecimal
    preferences: Preferences
    locations: dict[str, Location]
    tests: dict[str, Test]
    domains: tuple[Domain, ...]

    def tree(self) -> Location:
        """The location that xen-tree names; ControlError when the file names none."""
        if not self.preferences.xen_tree:
            what = f"hypervisor={self.preferences.hypervisor} and no xen-tree: nothing to build"
            raise ControlError(self.path, [Problem(0, what, "add xen-tree=NAME")])
        return self.locations[self.preferences.xen_tree]

    def domain_for(self, hostname: str) -> Optional[Domain]:
        """The domain of this host name: the same name, or else the only one of its first label."""
        wanted = hostname.lower()
        same = [domain for domain in self.domains if domain.name.lower() == wanted]
        if same:
            return same[0]
        alike = [d for d in self.domains if _first_label(d.name) == _first_label(wanted)]
        short = "." not in wanted or all("." not in domain.name for domain in alike)
        return alike[0] if len(alike) == 1 and short else None

    def plan(self, domain: Domain) -> list[tuple[int, Test]]:
        """The domain's tests in order, repeats written out, numbered from 1."""
        tests = [self.tests[name] for name in domain.tests]
        return list(enumerate((test for test in tests for _ in range(test.repeat)), 1))

    def barrier_size(self, name: str) -> int:
        """How many domains meet at the barrier."""
        return sum(name in domain.barriers for domain in self.domains)


def _first_label(hostname: str) -> str:
    return hostname.lower().partition(".")[0]


def load(
    path: str | os.PathLike[str], *, require_trust: bool = True, ask_shell: bool = False
) -> Control:
    """Read and check a control file; ControlError tells everything that is wrong with it.

    A control file runs commands as root. With `require_trust`, one that others than root and
    the calling user own or may write is refused. With `ask_shell` the shell reads its commands.
    """
    name = os.fspath(path)
    problems = Problems(name)
    text = _decode(_read(name, require_trust, problems), problems)
    return parse(text, name, ask_shell=ask_shell)


def parse(text: str, path: str, *, ask_shell: bool = False) -> Control:
    """Check the text of a control file; `path` only stands in messages. Opens no file."""
    import hashlib

    problems = Problems(path)
    sections = control_sections.read_all(control_text.read(text, problems), problems)
    control_checks.check(sections)
    if ask_shell:
        control_shell.check(sections)
    problems.raise_if_any()
    assert sections.preferences is not None, "its absence is a problem that was told"
    return Control(
        path=path,
        text=text,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        preferences=sections.preferences,
        locations=sections.locations,
        tests=sections.tests,
        domains=tuple(sections.domains),
    )


def _read(path: str, require_trust: bool, problems: Problems) -> bytes:
    try:
        # Not blocking: a FIFO in the file's place must not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            _check_trust(os.fstat(descriptor), require_trust, problems)
            content = stream.read(control_text.MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.fatal(0, f"cannot be read: {reason}", "name a control file that is there")
    if len(content) > control_text.MAX_SIZE:
        problems.fatal(0, "is larger than 1 MiB", "this is hardly a control file: name another")
    return content


def _check_trust(found: os.stat_result, require_trust: bool, problems: Problems) -> None:
    if not stat.S_ISREG(found.st_mode):
        problems.fatal(0, "is not a regular file", "name a control file")
    if not require_trust:
        return
    if found.st_uid not in (0, os.geteuid()):
        what = f"belongs to the user with number {found.st_uid}, and its commands run as root"
        problems.fatal(0, what, "look through it, then chown root it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
        problems.fatal(0, what + ", and its commands run as root", "chmod go-w it")


def _decode(content: bytes, problems: Problems) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        problems.fatal(line, what, "save the file as UTF-8 text")

"""What a reader found in a test's report, and the one verdict that follows from it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from typing import Optional, Sequence

from xentest.errors import first_line, printable_line
from xentest.results import MAX_REASON, Status, Subtest

MAX_LISTED = 20_000  # subtests of each kind, good and not good, that are kept one by one
MAX_PROBLEMS = 100  # that are kept; the first is the reason
MAX_RESULTS = 250_000  # that are read at all: the control domain waits for a verdict
SKIP_EXIT = 77
ERROR_EXITS = {
    99: "the command says that it could not test (exit status 99)",
    126: "the command cannot be executed (exit status 126)",
    127: "command not found (exit status 127)",
}


# Signals that end programs, as shells tell them: 128 and the number. What ends itself with
# such a status (git with 129, say) is not meant.
SHELL_SIGNALS = (2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31)


class TooMany(Exception):
    """More results than any test has: a flood, of which the rest is not read."""


@dataclass(frozen=True)
class Verdict:
    """What became of a test, by its own report and exit status."""

    status: Status
    reason: str = ""
    subtests: tuple[Subtest, ...] = ()
    log_offset: Optional[int] = None


@dataclass
class Findings:
    """Subtests of a report, and what is wrong with the report itself."""

    expect: Sequence[str] = ()  # globs of subtests that are known to fail
    subtests: list[Subtest] = field(default_factory=list)
    problems: list[tuple[str, Optional[int]]] = field(default_factory=list)
    cut: bool = False  # a part of the output is missing
    in_output: bool = True  # the report is the output: offsets mean something
    skip_exit: int = SKIP_EXIT  # exit status by which this kind of test says that it skipped
    worst: Optional[Subtest] = None
    bad: int = 0  # how many are as bad as the worst
    passed: bool = False  # at least one subtest passed
    failures: int = 0  # how many subtests failed, expected or not
    # What may be the end of a report or of a part of it: a problem unless the exit status is 0.
    doubt: Optional[tuple[str, Optional[int]]] = None
    surprises: list[str] = field(default_factory=list)
    good_listed: int = 0
    count: int = 0

    def add(
        self,
        name: str,
        status: Status,
        reason: str = "",
        duration: Optional[float] = None,
        offset: Optional[int] = None,
    ) -> None:
        """One verdict of the report. Raises TooMany."""
        self.count += 1
        if self.count > MAX_RESULTS:
            raise TooMany
        subtest = Subtest(
            printable_line(name)[:300] or "?",
            status,
            printable_line(reason)[:MAX_REASON],
            duration,
            offset if self.in_output else None,
        )
        self._count(self._judge(subtest))

    @property
    def explains_failure(self) -> bool:
        """Whether a subtest failed, expected or not."""
        return self.failures > 0

    def problem(self, what: str, offset: Optional[int] = None) -> None:
        """Something about the report that makes it no proof of anything."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((printable_line(what)[:MAX_REASON], offset))

    def _judge(self, subtest: Subtest) -> Subtest:
        """Apply what the control file expects."""
        failed = subtest.status is Status.FAIL
        self.failures += not subtest.status.good
        if not self.expect or not matches(subtest.name, self.expect):
            return subtest
        if failed:
            return replace(subtest, status=Status.XFAIL)
        if subtest.status is Status.PASS:
            self.surprises.append(subtest.name)
            return replace(subtest, reason="expected to fail, but passes")
        return subtest

    def _count(self, subtest: Subtest) -> None:
        self.passed |= subtest.status is Status.PASS
        if self.worst is None or subtest.status.severity > self.worst.status.severity:
            self.worst, self.bad = subtest, 0
        self.bad += subtest.status is self.worst.status
        self.good_listed += subtest.status.good
        listed_bad = len(self.subtests) - self.good_listed
        if (self.good_listed if subtest.status.good else listed_bad) <= MAX_LISTED:
            self.subtests.append(subtest)

    def conclude(self, exit_status: int, last_words: str) -> Verdict:
        """The verdict: the worst of the subtests, the report itself and the exit status."""
        if exit_status and self.doubt is not None:
            self.problem(*self.doubt)
        options = [self._of_subtests(), self._of_report(), self._of_exit(exit_status, last_words)]
        status, reason, offset = max(options, key=lambda option: option[0].severity)
        return Verdict(status, reason[:MAX_REASON], tuple(self.subtests), offset)

    def _of_subtests(self) -> tuple[Status, str, Optional[int]]:
        worst = self.worst
        if worst is None:
            return Status.PASS, "", None
        if worst.status is Status.PASS:
            return Status.PASS, self._surprise(), None
        reason = worst.name + (f": {worst.reason}" if worst.reason else "")
        more = f" (+{self.bad - 1} more)" if self.bad > 1 else ""
        reason = reason[: MAX_REASON - len(more)] + more
        if worst.status.good and self.surprises:
            reason = f"{self._surprise()}; {reason}"
        return worst.status, reason, worst.log_offset

    def _surprise(self) -> str:
        if not self.surprises:
            return ""
        more = f" (+{len(self.surprises) - 1} more)" if len(self.surprises) > 1 else ""
        return f"{self.surprises[0]} was expected to fail, but passes{more}"

    def _of_report(self) -> tuple[Status, str, Optional[int]]:
        if self.problems:
            return (Status.ERROR, *self.problems[0])
        if self.cut and self.worst is not None and self.worst.status.good:
            return (
                Status.ERROR,
                "the output was too long and was cut: failures may be missing",
                None,
            )
        return Status.PASS, "", None

    def _of_exit(self, exit_status: int, last_words: str) -> tuple[Status, str, Optional[int]]:
        if exit_status == 0 and self.worst is None and not self.problems:
            return Status.ERROR, "no verdict in the output", None
        if exit_status == 0:
            return Status.PASS, "", None
        if exit_status == self.skip_exit and self.worst and self.worst.status is Status.SKIP:
            return Status.PASS, "", None
        if exit_status == SKIP_EXIT:
            if self.passed:
                return Status.ERROR, "subtests passed, but the command says skip", None
            return Status.SKIP, first_line(last_words) or "skipped; it did not say why", None
        if self._explains(exit_status):
            return Status.PASS, "", None
        status, reason = of_failed_exit(exit_status, last_words)
        if self.worst is not None and self.worst.status.good and not self.failures:
            reason = f"no subtest failed, but {reason}"
        return status, reason, None

    def _explains(self, exit_status: int) -> bool:
        """Whether a failure is why it is not 0: not a signal, though it may be how many failed."""
        if not self.explains_failure or exit_status in ERROR_EXITS:
            return False
        return not was_killed(exit_status) or exit_status == self.failures


def of_failed_exit(exit_status: int, last_words: str) -> tuple[Status, str]:
    """What an exit status that is neither 0 nor 77 means."""
    if exit_status < 0:
        return Status.FAIL, f"killed by {signal_name(-exit_status)}" + _quoted(last_words)
    if was_killed(exit_status):
        killed = signal_name(exit_status - 128)
        return Status.FAIL, f"killed by {killed} (exit status {exit_status})" + _quoted(last_words)
    if exit_status in ERROR_EXITS:
        return Status.ERROR, ERROR_EXITS[exit_status] + _quoted(last_words)
    return Status.FAIL, f"exit status {exit_status}" + _quoted(last_words)


def was_killed(exit_status: int) -> bool:
    """By a signal, or, in a shell's way to say so, its last command."""
    return exit_status < 0 or exit_status - 128 in SHELL_SIGNALS


def _quoted(last_words: str) -> str:
    return f": {last_words}" if last_words else ""


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether one of them is the name itself ([ and ] stand in many), or a pattern of it."""
    from fnmatch import fnmatchcase

    return any(name == glob or fnmatchcase(name, glob) for glob in globs)

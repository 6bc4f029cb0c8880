"""JUnit XML: nested suites, failures, errors, skipped cases.

Entities, document types and huge files are refused: a report needs none of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Mapping, Optional
from xml.parsers import expat

from xentest.errors import first_line
from xentest.results import Status, worst
from xentest.verdict.findings import Findings

MAX_SIZE = 64 << 20
MAX_DEPTH = 100
CHUNK = 1 << 16
OUTCOMES = {
    "failure": Status.FAIL,
    "error": Status.ERROR,
    "skipped": Status.SKIP,
    # No tool is known to write these, but whoever does means it.
    "fail": Status.FAIL,
    "failed": Status.FAIL,
    "timeout": Status.TIMEOUT,
    # A case that failed again whenever it was tried (what passed at last has flakyFailure).
    "rerunfailure": Status.FAIL,
    "rerunerror": Status.ERROR,
}
SUITES = ("testsuite", "testsuites")
# What tools say in a case's status= or result=, in small letters; other words prove nothing.
WORDS = {
    Status.PASS: "pass passed ok success successful succeeded run executed complete completed"
    " finished done fixed flaky",
    Status.SKIP: "skip skipped notrun disabled suppressed ignored pending inactive todo",
    Status.XFAIL: "xfail xfailed",
    Status.FAIL: "fail failed failure regression xpass xpassed",
    Status.TIMEOUT: "timeout timedout",
    Status.CRASH: "crash crashed",
}
TOLD = {word: status for status, words in WORDS.items() for word in words.split()}
CATCH2 = "tbd"  # the host name that Catch2 gives: its suites count assertions, not cases
MAY_FAIL = "TEST_CASE tagged with !mayfail"
TODO = "todo"  # the type of a case that is skipped by word only: it runs, and may fail
# Why CTest "skips" a test that it could not even start.
NOT_STARTED = re.compile(
    r"(Unable to find (executable|required file)|Required Files Missing|Fixture dependency failed)"
)


class _Refused(Exception):
    """The file holds what no report needs."""


def read(stream: BinaryIO, findings: Findings) -> None:
    """Add every test case of a JUnit file."""
    report = _Report(findings)
    try:
        report.feed(stream)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: its encoding
        findings.problem(f"not a complete JUnit file: {error}")
    except _Refused as error:
        findings.problem(f"JUnit file refused: {error}")
    if not report.cases and not findings.problems:
        findings.problem("the JUnit file holds no test case")


@dataclass
class _Suite:
    name: str
    claimed: int  # cases that it says it has
    claimed_bad: int
    claimed_skipped: int
    cases: int = 0
    skipped: int = 0
    bad: int = 0


@dataclass
class _Case:
    name: str
    status: Status
    reason: str
    duration: Optional[float]
    offset: int
    todo: bool = False


class _Report:
    """A stream of XML events."""

    def __init__(self, findings: Findings) -> None:
        self.cases = 0
        self._findings = findings
        self._suites: list[_Suite] = []
        self._case: Optional[_Case] = None
        self._depth = 0
        self._text: Optional[list[str]] = None  # of the failure that we are in
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse

    def feed(self, stream: BinaryIO) -> None:
        size = 0
        while chunk := stream.read(CHUNK):
            chunk = chunk if size else chunk.lstrip()
            size += len(chunk)
            if size > MAX_SIZE:
                raise _Refused(f"larger than {MAX_SIZE >> 20} MiB")
            self._parser.Parse(chunk, False)
        self._parser.Parse(b"", True)

    def _refuse(self, *_: object) -> None:
        raise _Refused("it declares a document type or entities")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep")
        name = tag.rpartition(" ")[2].lower()
        if name in SUITES:
            self._suites.append(self._suite(name, attributes))
        elif name == "testcase":
            if self._case is not None:
                self._close_case()
            self._case = self._begin_case(attributes)
        elif name in OUTCOMES:
            self._outcome(OUTCOMES[name], attributes)

    def _suite(self, tag: str, attributes: Mapping[str, str]) -> _Suite:
        counts = {}
        for key in ("tests", "failures", "errors", "skipped"):
            text = attributes.get(key) or "0"
            number = re.fullmatch("[0-9]{1,9}", text)
            counts[key] = int(text) if number else 0
            if not number:
                self._findings.problem(f"a {tag} says {key}={text[:40]}, which is no count")
        if attributes.get("hostname") == CATCH2:
            counts["tests"] = min(counts["tests"], 1)
        bad = counts["failures"] + counts["errors"] + _says_failed(attributes)
        return _Suite(attributes.get("name", ""), counts["tests"], bad, counts["skipped"])

    def _begin_case(self, attributes: Mapping[str, str]) -> _Case:
        owner = attributes.get("classname") or (self._suites[-1].name if self._suites else "")
        name = ".".join(part for part in (owner, attributes.get("name", "")) if part)
        told = _told_words(attributes)
        status = worst(_told(word) for word in told) or Status.PASS
        reason = f"its report says {' '.join(told)}" if status is Status.ERROR else ""
        duration = _number(attributes.get("time", ""))
        return _Case(name, status, reason, duration, self._parser.CurrentByteIndex)

    def _outcome(self, status: Status, attributes: Mapping[str, str]) -> None:
        reason = first_line(attributes.get("message")) or attributes.get("type", "")
        if self._case is None:
            owner = self._suites[-1].name if self._suites else "suite"
            self._case = _Case(owner, status, reason, None, self._parser.CurrentByteIndex)
            self._close_case()
            return
        if status is Status.SKIP:
            self._case.todo |= attributes.get("type") == TODO or reason == MAY_FAIL
            status = _skipped(attributes.get("type", ""), reason)
        worse = status.severity - self._case.status.severity
        if worse > 0 or worse == 0 and not self._case.reason:
            self._case.status, self._case.reason = status, reason
            self._text = None if reason else []

    def _characters(self, text: str) -> None:
        if self._text is not None and len(self._text) < 100:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        name = tag.rpartition(" ")[2].lower()
        if name in OUTCOMES and self._text is not None and self._case is not None:
            self._case.reason = first_line("".join(self._text))
            self._text = None
        elif name == "testcase" and self._case is not None:
            self._close_case()
        elif name in SUITES:
            self._close_suite(self._suites.pop())

    def _close_case(self) -> None:
        case, self._case, self._text = self._case, None, None
        assert case is not None
        if case.todo and case.status is Status.FAIL:
            case.status = Status.XFAIL
        self.cases += 1
        if self._suites:
            self._suites[-1].cases += 1
            self._suites[-1].skipped += case.status is Status.SKIP
            self._suites[-1].bad += case.todo or not case.status.good
        self._findings.add(case.name, case.status, case.reason, case.duration, case.offset)

    def _close_suite(self, suite: _Suite) -> None:
        missing = suite.claimed - suite.cases
        if 0 < missing <= suite.claimed_skipped - suite.skipped:
            # Rust's libtest counts what it ignores, and does not show it.
            what = f"{missing} of {suite.claimed} tests are counted as skipped, and not shown"
            self._findings.add(suite.name or "?", Status.SKIP, what)
            suite.cases, suite.skipped = suite.claimed, suite.skipped + missing
        elif missing > 0:
            self._findings.problem(
                f"suite {suite.name or '?'} says {suite.claimed} tests, but holds {suite.cases}"
            )
        if suite.claimed_bad and not suite.bad:
            self._findings.problem(f"suite {suite.name or '?'} counts failures, but shows none")
        if self._suites:
            self._suites[-1].cases += suite.cases
            self._suites[-1].skipped += suite.skipped
            self._suites[-1].bad += suite.bad


def _told_words(attributes: Mapping[str, str]) -> list[str]:
    """What is said of a case or suite in so many words."""
    told = [attributes.get(key, "") for key in ("status", "result", "outcome")]
    if any(attributes.get(key, "").lower() == "false" for key in ("success", "passed")):
        told.append("failed")
    return [word for word in told if word]


def _says_failed(attributes: Mapping[str, str]) -> bool:
    """Whether a suite says that it failed; other words, of which there are many, prove nothing."""
    told = [TOLD.get(word.lower(), Status.PASS) for word in _told_words(attributes)]
    return any(not status.good for status in told)


def _told(word: str) -> Status:
    """What a word says of a case; ERROR for one that is not known."""
    return TOLD.get(re.sub("[ _-]", "", word.lower()), Status.ERROR)


def _skipped(kind: str, reason: str) -> Status:
    """What a case is that was skipped by its tool's word."""
    if NOT_STARTED.match(reason):
        return Status.ERROR
    return Status.XFAIL if kind == "pytest.xfail" else Status.SKIP


def _number(text: str) -> Optional[float]:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
